//! Correlated OTs that wait for a protocol. Each is taken once: taking moves it out.
//!
//! Both parties extend and take in the same order, so the `n` correlations that one takes match the `n` of the same
//! width that the other takes. They leave from the end, the newest first.

use super::code::MAX_KEYS;
use crate::bits::BitVec;
use crate::crypto::Block;
use crate::crypto::hash::Tiles;
use crate::error::{Error, Result};
use picc_ir::Party;
use picc_ir::cost::CotCounts;
use std::ops::{Deref, DerefMut};
use zeroize::{Zeroize, Zeroizing};

const WIDTHS: usize = CotCounts::WIDEST as usize;

/// Blocks of correlations that were taken together. Wiped when dropped.
pub struct Taken {
    blocks: Zeroizing<Vec<Block>>,
    tiles: Tiles,
}

impl Taken {
    /// The tiles in which they are hashed; the same at both parties.
    #[allow(dead_code, reason = "for the protocols of this crate")]
    pub(crate) fn tiles(&self) -> Tiles {
        self.tiles
    }
}

impl Deref for Taken {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.blocks
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut [Block] {
        &mut self.blocks
    }
}

/// The sender's half: `q_i`, under one `delta` for the session.
pub struct CotSender {
    offsets: Zeroizing<[Block; MAX_KEYS]>,
    ready: [Vec<Block>; WIDTHS],
    numbers: Numbers,
}

/// The receiver's half: `c_i` and `t_i = q_i xor offset(c_i)`.
pub struct CotReceiver {
    ready: [Vec<Block>; WIDTHS],
    numbers: Numbers,
    /// For each width its choices, bit by bit.
    choices: [Vec<BitVec>; WIDTHS],
}

impl CotSender {
    /// `sender` is this party.
    #[must_use]
    pub fn new(offsets: Zeroizing<[Block; MAX_KEYS]>, sender: Party) -> CotSender {
        CotSender { offsets, ready: Default::default(), numbers: Numbers::new(sender) }
    }

    /// The correlation between `q_i` and the receiver's other message at width 1; it must not leave the party.
    #[allow(dead_code, reason = "for the protocols of this crate")]
    pub(crate) fn delta(&self) -> Block {
        self.offsets[1]
    }

    /// Key `v` of an OT is the hash of `q_i xor offsets[v]`; they must not leave the party.
    #[allow(dead_code, reason = "for the protocols of this crate")]
    pub(crate) fn offsets(&self) -> &[Block; MAX_KEYS] {
        &self.offsets
    }

    #[must_use]
    pub fn available(&self) -> CotCounts {
        counts(&self.ready)
    }

    /// Moves `n` correlations of width 1 out. More than were reserved is a bug of the program's demand.
    pub fn take(&mut self, n: usize) -> Result<Taken> {
        self.take_wide(1, n)
    }

    /// Moves `n` correlations of any width out. More than were reserved is a bug of the program's demand.
    pub fn take_wide(&mut self, width: u32, n: usize) -> Result<Taken> {
        let blocks = take_blocks(&mut self.ready[width as usize - 1], width, n)?;
        Ok(Taken { blocks, tiles: self.numbers.next(width, n) })
    }

    /// Makes room for more correlations.
    pub(crate) fn make_room(&mut self, more: CotCounts) {
        make_room(&mut self.ready, more);
    }

    /// Adds `n` correlations that `make` fills in, unless it fails.
    pub(crate) fn add(
        &mut self,
        width: u32,
        n: usize,
        make: impl FnOnce(&mut [Block]) -> Result<()>,
    ) -> Result<()> {
        let ready = &mut self.ready[width as usize - 1];
        let old = ready.len();
        ready.resize(old + n, Block::ZERO);
        make(&mut ready[old..]).inspect_err(|_| ready.truncate(old))
    }

    /// Bytes of what waits.
    #[cfg(test)]
    pub(crate) fn stored_bytes(&self) -> u64 {
        16 * self.available().total()
    }
}

impl CotReceiver {
    /// `sender` is the other party.
    #[must_use]
    pub fn new(sender: Party) -> CotReceiver {
        let numbers = Numbers::new(sender);
        CotReceiver { ready: Default::default(), numbers, choices: Default::default() }
    }

    #[must_use]
    pub fn available(&self) -> CotCounts {
        counts(&self.ready)
    }

    /// Moves `n` correlations of width 1 out: `t_i` and `c_i`. More than were reserved is a bug of the program's demand.
    pub fn take(&mut self, n: usize) -> Result<(Taken, BitVec)> {
        let (t, mut c) = self.take_wide(1, n)?;
        Ok((t, c.pop().unwrap_or_default()))
    }

    /// Moves `n` correlations of any width out: `t_i` and the bits of `c_i`. More than were reserved is a bug of the
    /// program's demand.
    pub fn take_wide(&mut self, width: u32, n: usize) -> Result<(Taken, Vec<BitVec>)> {
        let ready = &mut self.ready[width as usize - 1];
        let blocks = take_blocks(ready, width, n)?;
        let t = Taken { blocks, tiles: self.numbers.next(width, n) };
        let left = ready.len();
        let take = |bits: &mut BitVec| {
            let taken = bits.slice(left, n);
            bits.truncate(left);
            taken
        };
        let choices = &mut self.choices[width as usize - 1];
        choices.resize(width as usize, BitVec::default());
        Ok((t, choices.iter_mut().map(take).collect()))
    }

    /// Makes room for more correlations.
    pub(crate) fn make_room(&mut self, more: CotCounts) {
        make_room(&mut self.ready, more);
    }

    /// Adds `n` correlations that `make` fills in; it returns their choices, bit by bit, and what is returned here: the
    /// message to the sender.
    pub(crate) fn add<M>(
        &mut self,
        width: u32,
        n: usize,
        make: impl FnOnce(&mut [Block]) -> (Vec<BitVec>, M),
    ) -> M {
        let ready = &mut self.ready[width as usize - 1];
        let old = ready.len();
        ready.resize(old + n, Block::ZERO);
        let (new, message) = make(&mut ready[old..]);
        let choices = &mut self.choices[width as usize - 1];
        choices.resize(width as usize, BitVec::default());
        choices.iter_mut().zip(&new).for_each(|(bits, new)| bits.append(new));
        message
    }

    /// Bytes of what waits.
    #[cfg(test)]
    pub(crate) fn stored_bytes(&self) -> u64 {
        let choices = self.choices.iter().flatten().map(|bits| 8 * bits.words().len() as u64);
        16 * self.available().total() + choices.sum::<u64>()
    }
}

/// How many correlations of each width have been taken.
struct Numbers {
    sender: Party,
    taken: [u64; WIDTHS],
}

impl Numbers {
    fn new(sender: Party) -> Numbers {
        Numbers { sender, taken: [0; WIDTHS] }
    }

    /// The tiles of the next `n`.
    fn next(&mut self, width: u32, n: usize) -> Tiles {
        let taken = &mut self.taken[width as usize - 1];
        let first = *taken;
        *taken += n as u64;
        Tiles::new(self.sender, width, first)
    }
}

fn counts(ready: &[Vec<Block>; WIDTHS]) -> CotCounts {
    (1..)
        .zip(ready)
        .map(|(w, blocks)| CotCounts::of(w, blocks.len() as u64))
        .fold(CotCounts::default(), |a, b| a + b)
}

fn make_room(ready: &mut [Vec<Block>; WIDTHS], more: CotCounts) {
    ready.iter_mut().zip(more.by_width()).for_each(|(blocks, (_, n))| blocks.reserve(n as usize));
}

fn take_blocks(ready: &mut Vec<Block>, width: u32, n: usize) -> Result<Zeroizing<Vec<Block>>> {
    match ready.len().checked_sub(n) {
        None => Err(Error::Bug(format!("{n} correlated OTs of width {width} wanted, {} reserved", ready.len()))),
        Some(0) => Ok(Zeroizing::new(std::mem::take(ready))),
        Some(left) => Ok(Zeroizing::new(ready.split_off(left))),
    }
}

impl Drop for CotSender {
    fn drop(&mut self) {
        self.ready.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl Drop for CotReceiver {
    fn drop(&mut self) {
        self.ready.iter_mut().for_each(Zeroize::zeroize);
        self.choices.iter_mut().flatten().for_each(Zeroize::zeroize);
    }
}

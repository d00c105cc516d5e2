//! OT extension from small-field VOLE: SoftSpokenOT (Roy, CRYPTO 2022, ePrint 2022/192), sections 3.1 to 3.3 for the
//! subspace VOLE, section 4 without the consistency check for the extension.
//!
//! Adversary: semi-honest. Parameters: the field has `2^k` elements, `k` in {1, 2, 4, 8}; the width w, 1 to 5, of the OTs
//! that an extension makes ([`super::code`]). `k = 1` is IKNP. Larger `k` sends less and computes more: for each OT
//! `columns / k - w` bits and `2^k columns / 128 k` AES calls. Rounds: one message, from the receiver of the OTs.
//! Leakage: none.
//!
//! ```text
//!   receiver: all leaves r_x            sender: all but r_delta_j           for each coordinate j of k columns
//!     u_j = sum r_x
//!     v_j = sum x r_x                     w_j = sum (x xor delta_j) r_x = v_j xor delta_j u_j
//!     c   = choice with the systematic u
//!     d_j = u_j xor word(c)_j    -->      w_j ^= delta_j d_j               now w_j = v_j xor delta_j word(c)_j
//!           (no d_j where systematic)
//!     t = rows of (v_0 .. v_last)         q = rows of (w_0 .. w_last)      q_i = t_i xor offset(c_i)
//!         folded to 128 columns               folded likewise
//! ```
//!
//! `x r_x` with `r_x` a string of bits has, in column `b` of the coordinate, `r_x` where bit `b` of `x` is set. Every
//! stream is read from a counter that only advances, so no two extensions share output, whatever their widths. Work goes
//! in tiles of 8192 OTs, which also order the message: all `d_j` of the first tile, then all of the second.

use super::base::KeyPair;
use super::code::{self, DIRECT, MAX_KEYS, POINT_COLUMNS};
use super::puncture::{full_tree, punctured_tree};
use crate::bits::BitVec;
use crate::crypto::Block;
use crate::crypto::block::{blocks_from_bytes, blocks_to_bytes};
use crate::crypto::ct::Bit;
use crate::crypto::streams::StreamBank;
use crate::crypto::transpose::transpose;
use crate::error::{Misbehaviour, Result};
use picc_ir::correlation::{FieldBits, softspoken as cot};
use rayon::prelude::*;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Columns of the widest OTs: bits of delta.
pub const COLUMNS: usize = cot::COLUMNS as usize;
/// Columns of OTs of width 1, and of all after folding: bits of a row.
pub const ROW: usize = cot::COT_COLUMNS as usize;
const TILE_BLOCKS: usize = 64;
const TILE_COTS: usize = TILE_BLOCKS * 128;

/// The OT sender's global correlation.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Delta([Block; 2]);

impl Delta {
    /// Of the second block the low 120 bits are used.
    #[must_use]
    pub fn new(delta: [Block; 2]) -> Delta {
        Delta(delta)
    }

    /// The bits of the first 128 columns: the delta of OTs of width 1.
    pub(crate) fn block(&self) -> Block {
        self.0[0]
    }

    #[cfg(test)]
    pub(crate) fn bits(&self) -> [Block; 2] {
        self.0
    }

    /// The bits of one point's columns.
    #[expect(clippy::cast_possible_truncation)]
    pub(crate) fn point(&self, point: usize) -> u8 {
        (self.0[point / DIRECT].0 >> (POINT_COLUMNS * (point % DIRECT))) as u8
    }

    fn bit(&self, column: usize) -> Bit {
        Bit::lowest(Block(self.0[column / 128].0 >> (column % 128)).low())
    }

    /// For each base OT the direction of delta's path; base OT `j k + l` is level `l` of tree `j`, and level 0 decides
    /// the most significant of the tree's bits.
    fn path(&self, k: usize) -> Zeroizing<BitVec> {
        Zeroizing::new((0..COLUMNS).map(|i| self.bit(i / k * k + (k - 1 - i % k))).collect())
    }

    /// Choice bits of the base OTs: the side that the path does not take.
    #[must_use]
    pub fn base_choices(&self, k: FieldBits) -> Zeroizing<BitVec> {
        Zeroizing::new(self.path(k.get() as usize).not())
    }
}

/// The side that gets `delta` and `q_i`.
pub struct ExtensionSender {
    k: usize,
    delta: Delta,
    banks: Vec<StreamBank>,
    counter: u64,
}

/// The side that gets `c_i` and `t_i`.
pub struct ExtensionReceiver {
    k: usize,
    banks: Vec<StreamBank>,
    counter: u64,
}

/// The coordinates of OTs of one width, in the order in which they are worked on.
struct Coordinates {
    k: usize,
    width: usize,
    /// Those whose `u` determines the choice.
    systematic: Vec<usize>,
    /// All others, which are corrected; the ones that are folded last.
    corrected: Vec<usize>,
}

impl Coordinates {
    fn new(k: usize, width: u32) -> Coordinates {
        let each = POINT_COLUMNS / k;
        let systematic: Vec<usize> = code::SYSTEMATIC[..width as usize].iter().map(|p| p * each).collect();
        let corrected = (0..code::points(width) * each).filter(|j| !systematic.contains(j)).collect();
        Coordinates { k, width: width as usize, systematic, corrected }
    }

    /// The value of which choice bits this coordinate's word has.
    fn function(&self, coordinate: usize) -> usize {
        code::function(coordinate * self.k / POINT_COLUMNS) & ((1 << self.width) - 1)
    }

    /// Bytes of `blocks` blocks of 128 OTs.
    fn message_bytes(&self, blocks: usize) -> usize {
        self.corrected.len() * blocks * 16
    }
}

impl ExtensionSender {
    /// Without any columns yet.
    #[must_use]
    pub fn new(k: FieldBits, delta: Delta) -> ExtensionSender {
        ExtensionSender { k: k.get() as usize, delta, banks: Vec::new(), counter: 0 }
    }

    /// Adds columns, one for each of `keys`: those chosen by the next of [`Delta::base_choices`]. `corrections`: the
    /// receiver's, of [`cot::puncture_payload`] bytes.
    pub fn grow(&mut self, keys: &[Block], corrections: &[u8]) -> Result<()> {
        let (k, old) = (self.k, self.banks.len());
        let (expected, got) = (keys.len() / k * (k - 1) * 32, corrections.len());
        if got != expected {
            return Err(Misbehaviour::Part { part: "corrections of punctured trees", expected, got }.into());
        }
        let corrections = blocks_from_bytes(corrections);
        let path = self.delta.path(k);
        self.banks.extend(keys.chunks(k).enumerate().map(|(j, keys)| {
            let path = Zeroizing::new(path.slice((old + j) * k, k));
            let sums = &corrections[j * 2 * (k - 1)..(j + 1) * 2 * (k - 1)];
            StreamBank::new(k, &punctured_tree(&path, keys, sums))
        }));
        Ok(())
    }

    #[must_use]
    pub fn delta(&self) -> &Delta {
        &self.delta
    }

    /// Fills `q` from the receiver's message, which has the length that [`cot::extension_payload`] gives.
    pub fn extend(&mut self, width: u32, message: &[u8], q: &mut [Block]) -> Result<()> {
        let coordinates = Coordinates::new(self.k, width);
        let blocks = q.len().div_ceil(128);
        let (expected, got) = (coordinates.message_bytes(blocks), message.len());
        if got != expected {
            return Err(Misbehaviour::Part { part: "OT extension", expected, got }.into());
        }
        let start = self.counter;
        self.counter += blocks as u64;
        let this = &*self;
        let tile = |scratch: &mut Scratch, at: usize, q: &mut [Block], d: &[u8]| {
            let len = q.len().div_ceil(128);
            let counter = start + (at * TILE_BLOCKS) as u64;
            for &j in &coordinates.systematic {
                scratch.sums(&this.banks[j], j, counter, len);
            }
            for (&j, d) in coordinates.corrected.iter().zip(d.chunks(len * 16)) {
                scratch.sums(&this.banks[j], j, counter, len);
                let d = d.as_chunks::<16>().0;
                for (b, column) in scratch.columns(j, this.k).chunks_mut(TILE_BLOCKS).enumerate() {
                    let bit = this.delta.bit(j * this.k + b).block();
                    column.iter_mut().zip(d).for_each(|(w, d)| *w ^= Block::from_bytes(*d) & bit);
                }
                scratch.fold(j, this.k, len);
            }
            transpose(&scratch.rows, TILE_BLOCKS, q);
        };
        q.par_chunks_mut(TILE_COTS)
            .zip(message.par_chunks(coordinates.message_bytes(TILE_BLOCKS)))
            .enumerate()
            .for_each_init(Scratch::new, |scratch, (at, (q, d))| tile(scratch, at, q, d));
        Ok(())
    }
}

impl ExtensionReceiver {
    /// Without any columns yet.
    #[must_use]
    pub fn new(k: FieldBits) -> ExtensionReceiver {
        ExtensionReceiver { k: k.get() as usize, banks: Vec::new(), counter: 0 }
    }

    /// Adds columns, one for each of `keys`; returns the corrections for the sender.
    #[must_use]
    pub fn grow(&mut self, keys: &[KeyPair]) -> Vec<u8> {
        let mut corrections = Vec::new();
        for keys in keys.chunks(self.k) {
            let (leaves, sums) = full_tree(keys);
            corrections.extend(blocks_to_bytes(&sums));
            self.banks.push(StreamBank::new(self.k, &leaves));
        }
        corrections
    }

    /// Fills `t`; returns the choices, bit by bit, and the message to the sender.
    #[must_use]
    pub fn extend(&mut self, width: u32, t: &mut [Block]) -> (Vec<BitVec>, Vec<u8>) {
        let coordinates = Coordinates::new(self.k, width);
        let width = coordinates.width;
        let blocks = t.len().div_ceil(128);
        let start = self.counter;
        self.counter += blocks as u64;
        let mut message = vec![0; coordinates.message_bytes(blocks)];
        // Tile by tile, in each the bits one after the other.
        let mut choices = Zeroizing::new(vec![Block::ZERO; width * blocks]);
        let this = &*self;
        let tile = |scratch: &mut Scratch, at: usize, t: &mut [Block], d: &mut [u8], choices: &mut [Block]| {
            let len = t.len().div_ceil(128);
            let counter = start + (at * TILE_BLOCKS) as u64;
            for (&j, choice) in coordinates.systematic.iter().zip(choices.chunks_mut(len)) {
                scratch.sums(&this.banks[j], j, counter, len);
                choice.copy_from_slice(&scratch.u[..len]);
            }
            // The systematic points are v0, v0 + v1, v0 + v2, ..
            let (first, others) = choices.split_at_mut(len);
            others.chunks_mut(len).for_each(|c| add(c, first));
            scratch.set_words(choices, len);
            for (&j, d) in coordinates.corrected.iter().zip(d.chunks_mut(len * 16)) {
                scratch.sums(&this.banks[j], j, counter, len);
                scratch.fold(j, this.k, len);
                let word = &scratch.words[coordinates.function(j)];
                for ((d, u), c) in d.as_chunks_mut::<16>().0.iter_mut().zip(&scratch.u).zip(word) {
                    *d = (*u ^ *c).to_bytes();
                }
            }
            transpose(&scratch.rows, TILE_BLOCKS, t);
        };
        t.par_chunks_mut(TILE_COTS)
            .zip(message.par_chunks_mut(coordinates.message_bytes(TILE_BLOCKS)))
            .zip(choices.par_chunks_mut(width * TILE_BLOCKS))
            .enumerate()
            .for_each_init(Scratch::new, |scratch, (at, ((t, d), c))| tile(scratch, at, t, d, c));
        let planes = (0..width).map(|bit| {
            let of_tile = |tile: &[Block]| {
                let len = tile.len() / width;
                tile[bit * len..(bit + 1) * len].to_vec()
            };
            let words = choices.chunks(width * TILE_BLOCKS).flat_map(of_tile);
            let words = words.flat_map(|b| [b.low(), Block(b.0 >> 64).low()]).collect();
            BitVec::from_words(words, t.len())
        });
        (planes.collect(), message)
    }
}

/// What one tile is worked out in. Wiped when dropped.
struct Scratch {
    /// The rows' columns.
    rows: Vec<Block>,
    /// Columns of a coordinate that is folded onto others.
    folded: Vec<Block>,
    /// The sum of a coordinate's streams.
    u: [Block; TILE_BLOCKS],
    /// The words' values at a coordinate, by its linear function.
    words: [[Block; TILE_BLOCKS]; MAX_KEYS],
}

impl Scratch {
    fn new() -> Scratch {
        Scratch {
            rows: vec![Block::ZERO; ROW * TILE_BLOCKS],
            folded: vec![Block::ZERO; POINT_COLUMNS * TILE_BLOCKS],
            u: [Block::ZERO; TILE_BLOCKS],
            words: [[Block::ZERO; TILE_BLOCKS]; MAX_KEYS],
        }
    }

    /// The columns of coordinate `j`: those of the rows, or what will be added to them.
    fn columns(&mut self, j: usize, k: usize) -> &mut [Block] {
        let columns = if j * k < ROW { &mut self.rows[j * k * TILE_BLOCKS..] } else { &mut self.folded[..] };
        &mut columns[..k * TILE_BLOCKS]
    }

    /// Sums of the streams of coordinate `j` into its columns and into `u`.
    fn sums(&mut self, bank: &StreamBank, j: usize, counter: u64, len: usize) {
        let k = bank.field_bits();
        let columns = if j * k < ROW { &mut self.rows[j * k * TILE_BLOCKS..] } else { &mut self.folded[..] };
        let mut columns: Vec<&mut [Block]> =
            columns[..k * TILE_BLOCKS].chunks_mut(TILE_BLOCKS).map(|c| &mut c[..len]).collect();
        bank.sums(counter, &mut self.u[..len], &mut columns);
    }

    /// Adds the columns of coordinate `j` to those that its point is folded onto.
    fn fold(&mut self, j: usize, k: usize, len: usize) {
        let (point, within) = (j * k / POINT_COLUMNS, j * k % POINT_COLUMNS);
        for onto in code::folds_onto(point) {
            for (b, column) in self.folded[..k * TILE_BLOCKS].chunks(TILE_BLOCKS).enumerate() {
                let at = (onto * POINT_COLUMNS + within + b) * TILE_BLOCKS;
                add(&mut self.rows[at..at + len], &column[..len]);
            }
        }
    }

    /// Values of words at every linear function, from the choice bits one after the other.
    fn set_words(&mut self, choices: &[Block], len: usize) {
        for (bit, choice) in choices.chunks(len).enumerate() {
            let (known, new) = self.words.split_at_mut(1 << bit);
            for (known, new) in known.iter().zip(new) {
                new[..len].copy_from_slice(choice);
                add(&mut new[..len], &known[..len]);
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.rows.zeroize();
        self.folded.zeroize();
        self.u.zeroize();
        self.words.iter_mut().for_each(|w| w.zeroize());
    }
}

fn add(to: &mut [Block], from: &[Block]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t ^= *f;
    }
}

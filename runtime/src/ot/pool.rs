//! Correlated OTs that wait for a protocol. Each is taken once: taking moves it out.
//!
//! Both parties extend and take in the same order, so the `n` correlations that one takes match the `n` that the
//! other takes. They leave from the end, the newest first.

use super::softspoken::{ExtensionReceiver, ExtensionSender};
use crate::bits::BitVec;
use crate::crypto::Block;
use crate::error::{Error, Result};
use zeroize::Zeroize;

/// The sender's half: `q_i`, under one `delta` for the session.
pub struct CotSender {
    extension: ExtensionSender,
    ready: Vec<Block>,
}

/// The receiver's half: `c_i` and `t_i = q_i xor c_i delta`.
pub struct CotReceiver {
    extension: ExtensionReceiver,
    ready: Vec<Block>,
    choices: BitVec,
}

impl CotSender {
    #[must_use]
    pub fn new(extension: ExtensionSender) -> CotSender {
        CotSender { extension, ready: Vec::new() }
    }

    /// The correlation between `q_i` and the receiver's other message; it must not leave the party.
    #[allow(dead_code, reason = "for the protocols of this crate")]
    pub(crate) fn delta(&self) -> Block {
        self.extension.delta().block()
    }

    #[must_use]
    pub fn available(&self) -> usize {
        self.ready.len()
    }

    /// Moves `n` correlations out. More than were reserved is a bug of the program's demand.
    pub fn take(&mut self, n: usize) -> Result<Vec<Block>> {
        take_blocks(&mut self.ready, n)
    }

    /// Makes room for `n` more correlations.
    pub(crate) fn make_room(&mut self, n: usize) {
        self.ready.reserve(n);
    }

    /// Adds `n` correlations from the receiver's message.
    pub(crate) fn extend(&mut self, n: usize, message: &[u8]) -> Result<()> {
        let old = self.ready.len();
        self.ready.resize(old + n, Block::ZERO);
        self.extension.extend(message, &mut self.ready[old..]).inspect_err(|_| self.ready.truncate(old))
    }
}

impl CotReceiver {
    #[must_use]
    pub fn new(extension: ExtensionReceiver) -> CotReceiver {
        CotReceiver { extension, ready: Vec::new(), choices: BitVec::default() }
    }

    #[must_use]
    pub fn available(&self) -> usize {
        self.ready.len()
    }

    /// Moves `n` correlations out: `t_i` and `c_i`. More than were reserved is a bug of the program's demand.
    pub fn take(&mut self, n: usize) -> Result<(Vec<Block>, BitVec)> {
        let t = take_blocks(&mut self.ready, n)?;
        let left = self.ready.len();
        let c = self.choices.slice(left, n);
        self.choices.truncate(left);
        Ok((t, c))
    }

    /// Makes room for `n` more correlations.
    pub(crate) fn make_room(&mut self, n: usize) {
        self.ready.reserve(n);
    }

    /// Adds `n` correlations; returns the message to the sender.
    pub(crate) fn extend(&mut self, n: usize) -> Vec<u8> {
        let old = self.ready.len();
        self.ready.resize(old + n, Block::ZERO);
        let (c, message) = self.extension.extend(&mut self.ready[old..]);
        self.choices.append(&c);
        message
    }
}

fn take_blocks(ready: &mut Vec<Block>, n: usize) -> Result<Vec<Block>> {
    match ready.len().checked_sub(n) {
        None => Err(Error::Bug(format!("{n} correlated OTs wanted, {} reserved", ready.len()))),
        Some(0) => Ok(std::mem::take(ready)),
        Some(left) => Ok(ready.split_off(left)),
    }
}

impl Drop for CotSender {
    fn drop(&mut self) {
        self.ready.zeroize();
    }
}

impl Drop for CotReceiver {
    fn drop(&mut self) {
        self.ready.zeroize();
        self.choices.zeroize();
    }
}

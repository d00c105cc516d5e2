//! OT extension from small-field VOLE: SoftSpokenOT (Roy, CRYPTO 2022, ePrint 2022/192), sections 3.1 and 3.2 for the
//! VOLE, section 4 without the consistency check for the extension.
//!
//! Adversary: semi-honest. Parameter: the field has `2^k` elements, `k` in {1, 2, 4, 8}; `128/k` groups of `k`
//! columns. `k = 1` is IKNP. Larger `k` sends less and computes more: per COT `128/k - 1` bits and
//! `2^k / k` AES calls. Rounds: one message, from the receiver of the COTs. Leakage: none.
//!
//! ```text
//!   receiver: all leaves r_x            sender: all but r_delta_j           for each group j
//!     u_j = sum r_x
//!     v_j = sum x r_x                     w_j = sum (x xor delta_j) r_x = v_j xor delta_j u_j
//!     c   = u_0
//!     d_j = u_j xor c, j > 0     -->      w_j ^= delta_j d_j               now w_j = v_j xor delta_j c
//!
//!     t = rows of (v_0 .. v_last)         q = rows of (w_0 .. w_last)      q_i = t_i xor c_i delta
//! ```
//!
//! `x r_x` with `r_x` a string of bits has, in column `b` of the group, `r_x` where bit `b` of `x` is set. Every
//! stream is read from a counter that only advances, so no two extensions share output. Work goes in tiles
//! of 8192 COTs, which also order the message: all `d_j` of the first tile, then all of the second.

use super::base::KeyPair;
use super::puncture::{full_tree, punctured_tree};
use crate::bits::BitVec;
use crate::crypto::Block;
use crate::crypto::block::{blocks_from_bytes, blocks_to_bytes};
use crate::crypto::streams::StreamBank;
use crate::crypto::transpose::transpose;
use crate::error::{Error, Result};
use picc_ir::mpc::cot;
use rayon::prelude::*;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Columns: bits of delta.
pub const COLUMNS: usize = 128;
const TILE_BLOCKS: usize = 64;
const TILE_COTS: usize = TILE_BLOCKS * 128;

/// The OT sender's global correlation.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Delta(Block);

impl Delta {
    #[must_use]
    pub fn new(delta: Block) -> Delta {
        Delta(delta)
    }

    pub(crate) fn block(&self) -> Block {
        self.0
    }

    fn bit(&self, column: usize) -> bool {
        self.0.0 >> column & 1 == 1
    }

    /// For each base OT the direction of delta's path; base OT `j k + l` is level `l` of tree `j`, and level 0 decides
    /// the most significant of the tree's bits.
    fn path(&self, k: usize) -> Zeroizing<Vec<bool>> {
        Zeroizing::new((0..COLUMNS).map(|i| self.bit(i / k * k + (k - 1 - i % k))).collect())
    }

    /// Choice bits of the base OTs: the side that the path does not take.
    #[must_use]
    pub fn base_choices(&self, k: u32) -> Zeroizing<Vec<bool>> {
        Zeroizing::new(self.path(k as usize).iter().map(|p| !p).collect())
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

/// Refuses a field size that the extension does not offer.
pub fn check_field_bits(k: u32) -> Result<()> {
    if cot::FIELD_BITS.contains(&k) {
        Ok(())
    } else {
        Err(Error::Program(format!("SoftSpokenOT with k = {k}: k must be one of {:?}", cot::FIELD_BITS)))
    }
}

impl ExtensionSender {
    /// `keys`: the keys chosen by [`Delta::base_choices`]; `corrections`: the receiver's, `16 * 2 * (k-1) * 128/k` bytes.
    pub fn new(k: u32, delta: Delta, keys: &[Block], corrections: &[u8]) -> Result<ExtensionSender> {
        check_field_bits(k)?;
        let k = k as usize;
        if keys.len() != COLUMNS || corrections.len() != COLUMNS / k * (k - 1) * 32 {
            return Err(Error::Peer(format!("puncturing: {} bytes of corrections", corrections.len())));
        }
        let corrections = blocks_from_bytes(corrections);
        let path = delta.path(k);
        let banks = (0..COLUMNS / k)
            .map(|j| {
                let base = j * k..(j + 1) * k;
                let sums = &corrections[j * 2 * (k - 1)..(j + 1) * 2 * (k - 1)];
                StreamBank::new(k, &punctured_tree(&path[base.clone()], &keys[base], sums))
            })
            .collect();
        Ok(ExtensionSender { k, delta, banks, counter: 0 })
    }

    #[must_use]
    pub fn delta(&self) -> &Delta {
        &self.delta
    }

    /// Fills `q` from the receiver's message, which has the length that [`cot::extension_payload`] gives.
    pub fn extend(&mut self, message: &[u8], q: &mut [Block]) -> Result<()> {
        let groups = COLUMNS / self.k;
        let blocks = q.len().div_ceil(128);
        if message.len() != (groups - 1) * blocks * 16 {
            return Err(Error::Peer(format!("OT extension: {} bytes for {} COTs", message.len(), q.len())));
        }
        let start = self.counter;
        self.counter += blocks as u64;
        let this = &*self;
        let tile = |scratch: &mut Scratch, at: usize, q: &mut [Block], d: &[u8]| {
            let len = q.len().div_ceil(128);
            for (j, bank) in this.banks.iter().enumerate() {
                let counter = start + (at * TILE_BLOCKS) as u64;
                let mut columns = group(&mut scratch.columns, j * this.k, this.k, len);
                bank.sums(counter, &mut scratch.all[..len], &mut columns);
                if j > 0 {
                    let d = d[(j - 1) * len * 16..j * len * 16].as_chunks::<16>().0;
                    for (b, column) in columns.iter_mut().enumerate() {
                        let bit = Block::mask(this.delta.bit(j * this.k + b));
                        column.iter_mut().zip(d).for_each(|(w, d)| *w ^= Block::from_bytes(*d) & bit);
                    }
                }
            }
            transpose(&scratch.columns, TILE_BLOCKS, q);
        };
        let tile_bytes = (groups - 1) * TILE_BLOCKS * 16;
        q.par_chunks_mut(TILE_COTS)
            .zip(message.par_chunks(tile_bytes))
            .enumerate()
            .for_each_init(Scratch::new, |scratch, (at, (q, d))| tile(scratch, at, q, d));
        Ok(())
    }
}

impl ExtensionReceiver {
    /// The receiver and the corrections that it sends.
    pub fn new(k: u32, keys: &[KeyPair]) -> Result<(ExtensionReceiver, Vec<u8>)> {
        check_field_bits(k)?;
        let k = k as usize;
        let mut corrections = Vec::new();
        let banks = keys
            .chunks(k)
            .map(|keys| {
                let (leaves, sums) = full_tree(keys);
                corrections.extend(blocks_to_bytes(&sums));
                StreamBank::new(k, &leaves)
            })
            .collect();
        Ok((ExtensionReceiver { k, banks, counter: 0 }, corrections))
    }

    /// Fills `t`; returns the choice bits and the message to the sender.
    #[must_use]
    pub fn extend(&mut self, t: &mut [Block]) -> (BitVec, Vec<u8>) {
        let groups = COLUMNS / self.k;
        let blocks = t.len().div_ceil(128);
        let start = self.counter;
        self.counter += blocks as u64;
        let mut message = vec![0; (groups - 1) * blocks * 16];
        let mut choices = vec![0u64; 2 * blocks];
        let this = &*self;
        let tile = |scratch: &mut Scratch, at: usize, t: &mut [Block], d: &mut [u8], c: &mut [u64]| {
            let len = t.len().div_ceil(128);
            let mut u0 = [Block::ZERO; TILE_BLOCKS];
            for (j, bank) in this.banks.iter().enumerate() {
                let counter = start + (at * TILE_BLOCKS) as u64;
                let mut columns = group(&mut scratch.columns, j * this.k, this.k, len);
                let u = &mut scratch.all[..len];
                bank.sums(counter, u, &mut columns);
                if j == 0 {
                    u0[..len].copy_from_slice(u);
                } else {
                    let d = &mut d[(j - 1) * len * 16..j * len * 16];
                    for (bytes, (u, c)) in d.chunks_mut(16).zip(u.iter().zip(&u0)) {
                        bytes.copy_from_slice(&(*u ^ *c).to_bytes());
                    }
                }
            }
            for (words, u) in c.chunks_mut(2).zip(&u0) {
                words.copy_from_slice(&[u.low(), Block(u.0 >> 64).low()]);
            }
            transpose(&scratch.columns, TILE_BLOCKS, t);
        };
        let tile_bytes = (groups - 1) * TILE_BLOCKS * 16;
        t.par_chunks_mut(TILE_COTS)
            .zip(message.par_chunks_mut(tile_bytes))
            .zip(choices.par_chunks_mut(2 * TILE_BLOCKS))
            .enumerate()
            .for_each_init(Scratch::new, |scratch, (at, ((t, d), c))| tile(scratch, at, t, d, c));
        (BitVec::from_words(choices, t.len()), message)
    }
}

/// Columns of one tile.
struct Scratch {
    columns: Vec<Block>,
    all: [Block; TILE_BLOCKS],
}

impl Scratch {
    fn new() -> Scratch {
        Scratch { columns: vec![Block::ZERO; COLUMNS * TILE_BLOCKS], all: [Block::ZERO; TILE_BLOCKS] }
    }
}

/// The first `len` blocks of columns `first..first + k` of a tile.
fn group(columns: &mut [Block], first: usize, k: usize, len: usize) -> Vec<&mut [Block]> {
    let range = first * TILE_BLOCKS..(first + k) * TILE_BLOCKS;
    columns[range].chunks_mut(TILE_BLOCKS).map(|c| &mut c[..len]).collect()
}

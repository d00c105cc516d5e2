//! Leaves of a comparison: 1-of-2^w OT of the two bits (greater, equal) of w-bit digits.
//!
//! Paper: CrypTFlow2 (Rathee et al., CCS 2020), algorithm 1, steps 1 to 8, with OTs from correlated OTs without any
//! further extension. Adversary: semi-honest. Two messages for all digits of all elements: choices
//! `ceil(n bits / 8)` bytes, then masked bits `ceil(n leaf_bits / 8)` bytes. Leakage: none.
//!
//! **1-of-2^w OT from w correlated OTs.** From `t_i = q_i + c_i delta` in GF(2^128) both parties form
//! `Q = sum x^i q_i` and `T = sum x^i t_i = Q + c delta`, where `c = sum c_i x^i` is a uniform w-bit number that only the
//! receiver knows, read as a polynomial of degree below w. The receiver sends `d = y xor c`, uniform to the sender. With
//! `Q' = Q + d delta` it holds that `T = Q' + y delta`: pad `v` is `H(Q' + v delta)`, and the receiver knows pad `y`.
//! For `v != y` the point is `T + (v - y) delta`, and `v - y` is a nonzero polynomial of degree below 4, invertible in
//! the field, so `(v - y) delta` is as unpredictable as delta: the pad is uniform to the receiver by the correlation
//! robustness of H (see [`crate::crypto::hash`], which is stated for exactly this family of offsets).
//!
//! **One message fewer.** The sender's share of a bit `f(v)` is `r = pad_0 + f(0)`, so that message 0 is zero and is not
//! sent. To a receiver with `y != 0`, pad 0 is uniform and so is r; one with `y = 0` learns `f(0) + r`, its own share.
//!
//! ```text
//!   of group of 64 elements: for each digit, for each element: [gt(1) .. gt(2^w - 1) | eq(1) .. eq(2^w - 1)]
//! ```
//! The lowest digit has no eq part.

use super::low_mask;
use super::pack::{BitReader, BitWriter, pack, unpack};
use super::planes::{LANES, Planes};
use crate::bits::BitVec;
use crate::channel::Kind;
use crate::crypto::{Block, CrHash};
use crate::error::Result;
use crate::session::Session;
use picc_ir::mpc::cost::Comparison;
use rayon::prelude::*;

/// Most bits of a digit.
const MAX_WIDTH: u32 = 4;

/// A digit: its number, its position in the integer and its width.
fn digits(plan: &Comparison) -> impl Iterator<Item = (usize, u32, u32)> + '_ {
    let mut start = 0;
    plan.leaves.iter().enumerate().map(move |(j, &width)| {
        start += width;
        (j, start - width, width)
    })
}

/// `sum x^i blocks_i`.
fn combine(blocks: &[Block]) -> Block {
    blocks.iter().rev().fold(Block::ZERO, |acc, b| acc.double() ^ *b)
}

/// `v delta` for every polynomial v of degree below 4.
fn multiples(delta: Block) -> [Block; 1 << MAX_WIDTH] {
    let mut table = [Block::ZERO; 1 << MAX_WIDTH];
    let mut power = delta;
    for i in 0..MAX_WIDTH {
        for v in 0..1usize << i {
            table[v | 1 << i] = table[v] ^ power;
        }
        power = power.double();
    }
    table
}

/// The sender's side, with digits of `x`: shares of `[y > x]` (planes `0..q`) and `[y = x]` (planes `q..2q`), digit
/// by digit. The equality of the lowest digit is not computed; its plane is zero.
pub(super) fn send(session: &mut Session, x: &[u64], plan: &Comparison) -> Result<Planes> {
    let (n, bits) = (x.len(), plan.bits as usize);
    let choices = session.channel.recv(Kind::Choice, (n * bits).div_ceil(8))?;
    let choices = unpack(&choices, n, plan.bits as u8);
    let q = session.cot_sender.take(n * bits)?;
    let table = multiples(session.cot_sender.delta());
    let hash = &session.hash;

    let leaf_bits = plan.leaf_bits() as usize;
    let mut message = vec![0; (n * leaf_bits).div_ceil(8)];
    let mut shares = Planes::zeros(n, 2 * plan.leaves.len());
    shares.par_groups().zip(message.par_chunks_mut(8 * leaf_bits)).for_each(|(group, message)| {
        let elements = group.first..group.first + group.lanes;
        let q = &q[elements.start * bits..elements.end * bits];
        let (choices, x) = (&choices[elements.clone()], &x[elements]);
        send_group(hash, &table, plan, q, choices, x, group.words, message);
    });
    session.channel.send(Kind::OtMessage, &message)?;
    session.channel.flush()?;
    Ok(shares)
}

fn send_group(
    hash: &CrHash,
    table: &[Block; 1 << MAX_WIDTH],
    plan: &Comparison,
    q: &[Block],
    choices: &[u64],
    x: &[u64],
    shares: &mut [u64],
    message: &mut [u8],
) {
    let lanes = x.len();
    let bits = plan.bits as usize;
    let equal = plan.leaves.len();
    let mut out = BitWriter::new(message);
    let mut base = [Block::ZERO; LANES];
    for (j, start, width) in digits(plan) {
        let digit = |v: u64| v >> start & low_mask(width);
        for e in 0..lanes {
            let at = e * bits + start as usize;
            // The opened choice is public: it may be an address.
            base[e] = combine(&q[at..at + width as usize]) ^ table[digit(choices[e]) as usize];
        }
        let (gt_pads, eq_pads) = pads(hash, &table[..1 << width], &base[..lanes]);
        let all = low_mask(1 << width);
        for e in 0..lanes {
            let value = digit(x[e]);
            // Bit v: [v > value] and [v = value].
            let (gt, eq) = (!0u64 << value << 1 & all, 1u64 << value);
            let (gt, eq) = (gt ^ u64::from(gt_pads[e]), eq ^ u64::from(eq_pads[e]));
            shares[j] |= (gt & 1) << e;
            let mask = |bits: u64| (bits ^ (bits & 1).wrapping_neg()) >> 1 & (all >> 1);
            let sent = (1 << width) - 1;
            if j == 0 {
                out.put(mask(gt), sent);
            } else {
                shares[equal + j] |= (eq & 1) << e;
                out.put(mask(gt) | mask(eq) << sent, 2 * sent);
            }
        }
    }
    out.finish();
}

/// Bit `v` of each entry: the first and the second bit of `H(base + offsets[v])`.
fn pads(hash: &CrHash, offsets: &[Block], base: &[Block]) -> ([u32; LANES], [u32; LANES]) {
    let (mut first, mut second) = ([0; LANES], [0; LANES]);
    let mut buf = [Block::ZERO; LANES];
    let buf = &mut buf[..base.len()];
    for (v, offset) in offsets.iter().enumerate() {
        buf.copy_from_slice(base);
        hash.hash_blocks_offset(*offset, buf);
        for (e, block) in buf.iter().enumerate() {
            let low = block.low() as u32;
            first[e] |= (low & 1) << v;
            second[e] |= (low >> 1 & 1) << v;
        }
    }
    (first, second)
}

/// The receiver's side, with digits of `y`; see [`send`].
pub(super) fn receive(session: &mut Session, y: &[u64], plan: &Comparison) -> Result<Planes> {
    let (n, bits) = (y.len(), plan.bits as usize);
    let (t, c) = session.cot_receiver.take(n * bits)?;
    session.channel.send(Kind::Choice, &masked_choices(y, plan.bits as u8, &c))?;
    session.channel.flush()?;

    // The pads of the chosen messages; they become the shares.
    let hash = &session.hash;
    let equal = plan.leaves.len();
    let mut shares = Planes::zeros(n, 2 * equal);
    shares.par_groups().for_each(|group| {
        let mut pads = [Block::ZERO; LANES];
        let pads = &mut pads[..group.lanes];
        for (j, start, width) in digits(plan) {
            for (e, pad) in pads.iter_mut().enumerate() {
                let at = (group.first + e) * bits + start as usize;
                *pad = combine(&t[at..at + width as usize]);
            }
            hash.hash_blocks(pads);
            for (e, pad) in pads.iter().enumerate() {
                group.words[j] |= (pad.low() & 1) << e;
                group.words[equal + j] |= (pad.low() >> 1 & u64::from(j > 0)) << e;
            }
        }
    });
    drop(t);

    let leaf_bits = plan.leaf_bits() as usize;
    let message = session.channel.recv(Kind::OtMessage, (n * leaf_bits).div_ceil(8))?;
    shares.par_groups().zip(message.par_chunks(8 * leaf_bits)).for_each(|(group, message)| {
        let mut input = BitReader::new(message);
        for (j, start, width) in digits(plan) {
            let sent = (1 << width) - 1;
            for e in 0..group.lanes {
                let digit = y[group.first + e] >> start & low_mask(width);
                let bits = input.get(if j == 0 { sent } else { 2 * sent });
                // Message 0 is zero.
                let choose = |bits: u64| (bits & low_mask(sent)) << 1 >> digit & 1;
                group.words[j] ^= choose(bits) << e;
                group.words[equal + j] ^= choose(bits >> sent) << e;
            }
        }
    });
    Ok(shares)
}

/// `y xor c`, packed.
pub(super) fn masked_choices(y: &[u64], bits: u8, c: &BitVec) -> Vec<u8> {
    let mut message = pack(y, bits);
    message.iter_mut().zip(c.to_bytes()).for_each(|(m, c)| *m ^= c);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_products_with_polynomials() {
        let delta = Block(0x9d2c_5680_1234_5678_9abc_def0_1122_3344);
        let table = multiples(delta);
        let x = |b: Block| b.double();
        assert_eq!(table[0].0, 0);
        assert_eq!(table[1].0, delta.0);
        assert_eq!(table[0b1101].0, (delta ^ x(x(delta)) ^ x(x(x(delta)))).0);
        let four = [Block(3), Block(5), Block(7), delta];
        assert_eq!(combine(&four).0, (Block(3) ^ x(Block(5)) ^ x(x(Block(7))) ^ x(x(x(delta)))).0);
    }
}

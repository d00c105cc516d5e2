//! Correlated OT of ring elements: the sender has `v`, the receiver a bit `y`; they end with shares of `y v`.
//!
//! Paper: Asharov, Lindell, Schneider, Zohner (CCS 2013), correlated OT, with a choice correction because the session's
//! choices are random. Adversary: semi-honest. Two messages: `y xor c` (1 bit), then the width of v. With
//! `q' = q + (y xor c) delta` the receiver knows `q' + y delta`, so the sender sends `u = H(q') + v - H(q' + delta)`
//! and holds `-H(q')`; the receiver computes `H(q' + y delta) + y u = H(q') + y v`. Leakage: none: to a receiver with
//! `y = 0`, `H(q' + delta)` is uniform, and so is u; with `y = 1`, `H(q')` is.
//!
//! The hash has 128 bits, so up to two values of at most 64 bits go under one choice.

use super::low_mask;
use super::pack::{pack, unpack};
use crate::bits::BitVec;
use crate::channel::Kind;
use crate::crypto::hash::Tiles;
use crate::crypto::{Block, CrHash};
use crate::error::Result;
use crate::ot::Taken;
use crate::session::Session;
use rayon::prelude::*;
use zeroize::Zeroizing;

/// Elements that one thread works on at once: whole tiles of the hash.
const CHUNK: usize = 1 << 10;

/// The receiver after its choice: holds `t` and `y` until the message comes.
pub(super) struct Choice {
    t: Taken,
    y: BitVec,
}

/// Receiver: takes correlations and sends the choices.
pub(super) fn choose(session: &mut Session, y: &BitVec) -> Result<Choice> {
    let (t, mut c) = session.cot_receiver.take(y.len())?;
    c.xor_assign(y);
    session.channel.send(Kind::Choice, &c.to_bytes())?;
    session.channel.flush()?;
    Ok(Choice { t, y: y.clone() })
}

/// Sender: receives the choices and sends `values` (each with its width in bits). Returns its shares of `y v`.
pub(super) fn offer(session: &mut Session, values: &[(&[u64], u8)]) -> Result<Vec<Vec<u64>>> {
    let n = values[0].0.len();
    let d = session.channel.recv(Kind::Choice, n.div_ceil(8))?;
    let d = BitVec::from_bytes(&d, n);
    let mut q = session.cot_sender.take(n)?;
    let delta = session.cot_sender.delta();
    q.par_chunks_mut(CHUNK).enumerate().for_each(|(i, q)| {
        for (e, q) in q.iter_mut().enumerate() {
            *q ^= delta & d.bit(i * CHUNK + e).block();
        }
    });
    let mut shares = Vec::new();
    let mut message = Vec::new();
    let (zero, one) = pads(&session.hash, q.tiles(), &q, delta);
    for (lane, &(v, width)) in values.iter().enumerate() {
        let mask = low_mask(width.into());
        let own = zero.iter().map(|pad| half(*pad, lane).wrapping_neg() & mask).collect();
        let sent: Vec<u64> = (0..n)
            .map(|e| half(zero[e], lane).wrapping_add(v[e]).wrapping_sub(half(one[e], lane)) & mask)
            .collect();
        message.extend(pack(&sent, width));
        shares.push(own);
    }
    session.channel.send(Kind::OtMessage, &message)?;
    session.channel.flush()?;
    Ok(shares)
}

/// Receiver: its shares of `y v`, for values of the given widths.
pub(super) fn accept(session: &mut Session, choice: Choice, widths: &[u8]) -> Result<Vec<Vec<u64>>> {
    let Choice { mut t, y } = choice;
    let n = t.len();
    let len = |width: u8| (n * width as usize).div_ceil(8);
    let message = session.channel.recv(Kind::OtMessage, widths.iter().copied().map(len).sum())?;
    let (hash, tiles) = (&session.hash, t.tiles());
    t.par_chunks_mut(CHUNK).enumerate().for_each(|(i, t)| hash.hash_blocks(tiles.after(i * CHUNK), t));
    let mut rest = message.as_slice();
    let mut shares = Vec::new();
    for (lane, &width) in widths.iter().enumerate() {
        let (own, after) = rest.split_at(len(width));
        rest = after;
        let mut share = unpack(own, n, width);
        for (e, u) in share.iter_mut().enumerate() {
            *u = half(t[e], lane).wrapping_add(*u & y.bit(e).mask()) & low_mask(width.into());
        }
        shares.push(share);
    }
    Ok(shares)
}

/// `H(q)` and `H(q + delta)`.
fn pads(hash: &CrHash, tiles: Tiles, q: &[Block], delta: Block) -> (Zeroizing<Vec<Block>>, Zeroizing<Vec<Block>>) {
    let (mut zero, mut one) = (Zeroizing::new(q.to_vec()), Zeroizing::new(q.to_vec()));
    zero.par_chunks_mut(CHUNK).zip(one.par_chunks_mut(CHUNK)).enumerate().for_each(|(i, (zero, one))| {
        hash.hash_both(tiles.after(i * CHUNK), delta, zero, one);
    });
    (zero, one)
}

/// The low or the high 64 bits.
fn half(pad: Block, lane: usize) -> u64 {
    Block(pad.0 >> (64 * lane)).low()
}

//! Leaves of a comparison: 1-of-2^w OT of the two bits (greater, equal) of w-bit digits.
//!
//! Paper: CrypTFlow2 (Rathee et al., CCS 2020), algorithm 1, steps 1 to 8. Adversary: semi-honest. Two messages for all
//! digits of all elements: choices `ceil(n bits / 8)` bytes, then masked bits `ceil(n leaf_bits / 8)` bytes. Leakage:
//! none.
//!
//! **1-of-2^w OT from a correlated OT of width w** ([`crate::ot::code`]). The receiver has a uniform choice c of w bits
//! and `t = q + offset(c)`. It sends `d = y xor c`, uniform to the sender. With `q' = q + offset(d)` it holds that
//! `t = q' + offset(y)`: pad `v` is `H(q' + offset(v))`, and the receiver knows pad `y`. For `v != y` the point is
//! `t + offset(v xor y)`, as unpredictable as 128 bits of delta: the pad is uniform to the receiver by the correlation
//! robustness of H (see [`crate::crypto::hash`]).
//!
//! **Which widths.** A leaf of w bits costs at k = 4 (k = 8), with its choice and both of its masked bits:
//!
//! | w | extension | all bits | for each bit compared | keys hashed |
//! |---|---|---|---|---|
//! | 1 | 31 (15) | 34 (18) | 34 (18) | 2 |
//! | 2 | 46 (22) | 54 (30) | 27 (15) | 4 |
//! | 3 | 53 (25) | 70 (42) | 23 (14) | 8 |
//! | 4 | 56 (26) | 90 (60) | 22.5 (15) | 16 |
//! | 5 | 57 (26) | 124 (93) | 25 (19) | 32 |
//!
//! where the lowest leaf, which has no second bit, saves 15 bits at width 4 and 31 at width 5. Every leaf but one costs
//! a node of the tree on top, 51 to 68 bits (27 to 36) and 5 or 6 hashes, and fewer leaves can save a level and its
//! flight. For integers of 17 bits (the CIFAR ResNets), in bits at k = 4 (k = 8), hashes, columns of extension and
//! levels:
//!
//! | radix | leaves | bits | hashes | columns | levels |
//! |---|---|---|---|---|---|
//! | 3 | 3 3 3 3 3 2 | 686 (386) | 77 | 2400 | 3 |
//! | 4 | 4 4 3 3 3 | 596 (348) | 82 | 1984 | 3 |
//! | 5 | 5 4 4 4 | 533 (332) | 100 | 1608 | 2 |
//!
//! At k = 4 radix 5 never sends more for 11 to 36 bits (0 to 18% less than 4), and what it hashes more (an AES call
//! each) it extends less (32 columns are one, at each party); at k = 8 it sends up to 8% more for some lengths and less
//! for others. A width of its own for every leaf, instead of padding all to the widest, is worth up to 26 bits a leaf
//! and takes no further seeds: narrow words are the wide ones cut short.
//!
//! **One message fewer.** The sender's share of a bit `f(v)` is `r = pad_0 + f(0)`, so that message 0 is zero and is
//! not sent. To a receiver with `y != 0`, pad 0 is uniform and so is r; one with `y = 0` learns `f(0) + r`, its own
//! share.
//!
//! ```text
//!   a group of 64 elements: for each digit, for each element: [gt(1) .. gt(2^w - 1) | eq(1) .. eq(2^w - 1)]
//! ```
//! The lowest digit has no eq part.

use super::low_mask;
use super::pack::{BitReader, BitWriter, pack, unpack};
use super::planes::{Group, LANES, Planes, bits_at, transpose};
use crate::bits::BitVec;
use crate::channel::Kind;
use crate::crypto::ct::{self, Bit};
use crate::crypto::hash::Tiles;
use crate::crypto::{Block, CrHash};
use crate::error::Result;
use crate::ot::Taken;
use crate::ot::code::MAX_KEYS;
use crate::session::Session;
use picc_ir::cost::CotCounts;
use picc_ir::mpc::cost::Comparison;
use rayon::prelude::*;

/// A digit: its number, its position in the integer, its width, and how many of that width come before it.
struct Digit {
    number: usize,
    start: u32,
    width: u32,
    before: usize,
}

fn digits(plan: &Comparison) -> impl Iterator<Item = Digit> + '_ {
    let mut start = 0;
    plan.leaves.iter().enumerate().map(move |(number, &width)| {
        start += width;
        let before = plan.leaves[..number].iter().filter(|w| **w == width).count();
        Digit { number, start: start - width, width, before }
    })
}

/// The correlations of the digits of all elements, by width; within a width group by group, digit by digit.
struct ByWidth<T> {
    counts: CotCounts,
    taken: Vec<T>,
}

impl<T> ByWidth<T> {
    fn take(plan: &Comparison, n: usize, mut take: impl FnMut(u32, usize) -> Result<T>) -> Result<ByWidth<T>> {
        let counts = plan.leaf_cots();
        let taken =
            counts.by_width().map(|(width, count)| take(width, n * count as usize)).collect::<Result<_>>()?;
        Ok(ByWidth { counts, taken })
    }

    /// The correlations of one width, and where those of a digit of a group start.
    fn of(&self, first: usize, lanes: usize, digit: &Digit) -> (&T, usize) {
        let count = self.counts.width(digit.width) as usize;
        (&self.taken[digit.width as usize - 1], first * count + digit.before * lanes)
    }
}

/// The sender's side, with digits of `x`: shares of `[y > x]` (planes `0..q`) and `[y = x]` (planes `q..2q`), digit
/// by digit. The equality of the lowest digit is not computed; its plane is zero. `rider` goes with the message.
pub(super) fn send(session: &mut Session, x: &[u64], plan: &Comparison, rider: &[u8]) -> Result<Planes> {
    let (n, bits) = (x.len(), plan.bits as usize);
    let choices = session.channel.recv(Kind::Choice, (n * bits).div_ceil(8))?;
    let choices = unpack(&choices, n, plan.bits as u8);
    let q = ByWidth::take(plan, n, |width, n| session.cot_sender.take_wide(width, n))?;
    let offsets = session.cot_sender.offsets();
    let hash = &session.hash;

    let leaf_bits = plan.leaf_bits() as usize;
    let mut message = vec![0; (n * leaf_bits).div_ceil(8)];
    let mut shares = Planes::zeros(n, 2 * plan.leaves.len());
    shares.par_groups().zip(message.par_chunks_mut(8 * leaf_bits)).for_each(|(group, message)| {
        let elements = group.first..group.first + group.lanes;
        send_group(hash, offsets, plan, &q, &choices[elements.clone()], &x[elements], group, message);
    });
    message.extend_from_slice(rider);
    session.channel.send(Kind::OtMessage, &message)?;
    session.channel.flush()?;
    Ok(shares)
}

fn send_group(
    hash: &CrHash,
    offsets: &[Block],
    plan: &Comparison,
    q: &ByWidth<Taken>,
    choices: &[u64],
    x: &[u64],
    group: Group<'_>,
    message: &mut [u8],
) {
    let Group { first, lanes, words: shares } = group;
    let equal = plan.leaves.len();
    let mut out = BitWriter::new(message);
    let mut base = [Block::ZERO; LANES];
    for digit in digits(plan) {
        let Digit { number: j, start, width, .. } = digit;
        let (q, at) = q.of(first, lanes, &digit);
        let of = |v: u64| v >> start & low_mask(width);
        for ((base, q), d) in base.iter_mut().zip(&q[at..at + lanes]).zip(choices) {
            // The opened choice is public: it may be an address.
            *base = *q ^ offsets[of(*d) as usize];
        }
        let pads = pads(hash, q.tiles().after(at), &offsets[..1 << width], &base[..lanes]);
        let all = low_mask(1 << width);
        for e in 0..lanes {
            let value = of(x[e]);
            // Bit v: [v > value] and [v = value].
            let (gt, eq) = (!0u64 << value << 1 & all, ct::one() << value);
            let (gt, eq) = (gt ^ pads[e] & all, eq ^ pads[e] >> MAX_KEYS);
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

/// Bit `v`, and bit `MAX_KEYS + v`, of each entry: the first and the second bit of `H(base + offsets[v])`.
fn pads(hash: &CrHash, tiles: Tiles, offsets: &[Block], base: &[Block]) -> [u64; LANES] {
    let keys = offsets.len();
    let mut pads = [0; LANES];
    for (i, (base, pads)) in base.chunks(tiles.ots()).zip(pads.chunks_mut(tiles.ots())).enumerate() {
        let hash = hash.tile(tiles.after(i * tiles.ots()));
        // All keys of an element, one after the other, for as many elements as make 64 points.
        let mut points = [Block::ZERO; LANES];
        for (base, pads) in base.chunks(LANES / keys).zip(pads.chunks_mut(LANES / keys)) {
            for (points, base) in points.chunks_mut(keys).zip(base) {
                points.iter_mut().zip(offsets).for_each(|(p, offset)| *p = *base ^ *offset);
            }
            let bits = hash.hash_bits(Block::ZERO, &points[..keys * base.len()]);
            for (e, pads) in pads.iter_mut().enumerate().take(base.len()) {
                let [first, second] = bits.map(|bits| bits >> (keys * e) & low_mask(keys as u32));
                *pads = first | second << MAX_KEYS;
            }
        }
    }
    pads
}

/// The receiver after its choices, with digits of `y`, waiting for the message.
pub(super) struct Leaves<'a> {
    y: &'a [u64],
    plan: &'a Comparison,
    taken: ByWidth<(Taken, Vec<BitVec>)>,
}

/// The receiver's side, with digits of `y`; see [`send`].
pub(super) fn choose<'a>(session: &mut Session, y: &'a [u64], plan: &'a Comparison) -> Result<Leaves<'a>> {
    let n = y.len();
    let taken = ByWidth::take(plan, n, |width, n| session.cot_receiver.take_wide(width, n))?;
    let mut masked = y.to_vec();
    masked.par_chunks_mut(LANES).enumerate().with_min_len(8).for_each(|(g, masked)| {
        // Row b: bit b of all choices.
        let mut choices = [0; LANES];
        for digit in digits(plan) {
            let ((_, c), at) = taken.of(g * LANES, masked.len(), &digit);
            let rows = &mut choices[digit.start as usize..][..digit.width as usize];
            for (row, c) in rows.iter_mut().zip(c) {
                *row = bits_at(c.words(), at, masked.len());
            }
        }
        transpose(&mut choices);
        masked.iter_mut().zip(choices).for_each(|(m, c)| *m ^= c);
    });
    session.channel.send(Kind::Choice, &pack(&masked, plan.bits as u8))?;
    session.channel.flush()?;
    Ok(Leaves { y, plan, taken })
}

impl Leaves<'_> {
    /// The shares of [`send`], and the `rider` bytes at the end of the message.
    pub(super) fn accept(self, session: &mut Session, rider: usize) -> Result<(Planes, Vec<u8>)> {
        let Leaves { y, plan, taken } = self;
        let n = y.len();
        // The pads of the chosen messages; they become the shares.
        let hash = &session.hash;
        let equal = plan.leaves.len();
        let mut shares = Planes::zeros(n, 2 * equal);
        shares.par_groups().for_each(|group| {
            for digit in digits(plan) {
                let ((t, _), at) = taken.of(group.first, group.lanes, &digit);
                let [[gt, eq]] = hash.hash_bits(t.tiles().after(at), [Block::ZERO], &t[at..at + group.lanes]);
                let j = digit.number;
                group.words[j] = gt;
                group.words[equal + j] = if j == 0 { 0 } else { eq };
            }
        });
        drop(taken);

        let leaf_bits = plan.leaf_bits() as usize;
        let own = (n * leaf_bits).div_ceil(8);
        let mut message = session.channel.recv(Kind::OtMessage, own + rider)?;
        let rider = message.split_off(own);
        shares.par_groups().zip(message.par_chunks(8 * leaf_bits)).for_each(|(group, message)| {
            let mut input = BitReader::new(message);
            for Digit { number: j, start, width, .. } in digits(plan) {
                let sent = (1 << width) - 1;
                for e in 0..group.lanes {
                    let digit = y[group.first + e] >> start & low_mask(width);
                    let bits = input.get(if j == 0 { sent } else { 2 * sent });
                    // Message 0 is zero.
                    let choose = |bits: u64| Bit::lowest((bits & low_mask(sent)) << 1 >> digit).word();
                    group.words[j] ^= choose(bits) << e;
                    group.words[equal + j] ^= choose(bits >> sent) << e;
                }
            }
        });
        Ok((shares, rider))
    }
}

/// `y xor c`, packed.
pub(super) fn masked_choices(y: &[u64], bits: u8, c: &BitVec) -> Vec<u8> {
    let mut message = pack(y, bits);
    message.iter_mut().zip(c.to_bytes()).for_each(|(m, c)| *m ^= c);
    message
}

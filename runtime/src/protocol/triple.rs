//! Bit triples, `[a b]` for uniform shared a and b: made from correlated OTs, with little or no message.
//!
//! Paper: Beaver's triples; 1-of-4 OT for them as in CrypTFlow2 (Rathee et al., CCS 2020), appendix A, here on random
//! OTs. Adversary: semi-honest. Leakage: none.
//!
//! | | correlated OTs | bits of extension at k = 4 (8) | bits of message | hashes at both parties |
//! |---|---|---|---|---|
//! | a pair `x y`, `x z` | 1 of width 1 each way | 62 (30) | none | 6 |
//! | a single `x y` | 1 of width 2 one way | 46 (22) | 1 | 5 |
//!
//! A pair from one OT of width 3 would cost 53 (25) and 11 bits of message and nine hashes; two singles from one of
//! width 4 56 (26) and 26 bits: 41 (26) for each, and 8.5 hashes. Neither is worth its hashes.
//!
//! **Pairs.** In one direction the OT sender has `q` and the receiver `t = q + c delta`, c random. With `u = H(q)` and
//! `b = H(q) + H(q + delta)` (bits of the hashes, added mod 2) the receiver's `H(t)` is `u + c b`: the parties share
//! the product of the receiver's random `a = c` and the sender's random `b`. With one COT in each direction each party
//! has an `a` and a `b`, and `(a0 + a1)(b0 + b1) = a0 b0 + a1 b1 + (u + H(t)) + (u' + H(t'))`. Every bit of the hash
//! gives another `b` for the same `a`: two of them make the pair. To its receiver, an opened `x + a`, `y + b` or `z +
//! b'` is uniform: the sender's `a` is the choice bit of a random OT, its `b`s are pads that the receiver cannot
//! compute.
//!
//! **Singles.** The receiver's choice is `(a0, b0)`. Let `P_v` be a bit of the hash of key v, as a polynomial
//! `P = f0 + f1 v0 + f2 v1 + f3 v0 v1`: `f1 = P_0 + P_1`, `f2 = P_0 + P_2`, `f3` the sum of all four. The sender takes
//! `a1 = f2`, `b1 = f1`, the share `f0 + a1 b1`, and sends `f3`; the receiver's share is
//! `P(a0, b0) + f3 a0 b0 + a0 b0 = f0 + f1 a0 + f2 b0 + a0 b0`. To the receiver, which knows one `P_v` and the sum of
//! all, two of the three other pads are uniform and so are `(f1, f2)`: what the sender opens with them is uniform. The
//! receiver's `a0`, `b0` are the uniform choice of a random OT.

use super::planes::{Group, Planes, bits_at};
use crate::bits::BitVec;
use crate::crypto::{Block, CrHash};
use crate::error::Result;
use crate::ot::Taken;
use crate::session::Session;
use rayon::prelude::*;

/// Words that a party keeps of a pair: a, b, b', ab, ab'.
pub(super) const PAIR: usize = 5;
/// Words that a party keeps of a single: a, b, ab.
pub(super) const SINGLE: usize = 3;

/// `count` pairs for each of `n` elements, [`PAIR`] planes each. No message.
pub(super) fn pairs(session: &mut Session, n: usize, count: usize) -> Result<Planes> {
    let q = session.cot_sender.take(n * count)?;
    let (t, c) = session.cot_receiver.take(n * count)?;
    let delta = session.cot_sender.delta();
    let hash = &session.hash;
    let mut out = Planes::zeros(n, PAIR * count);
    out.par_groups().for_each(|Group { first, lanes, words }| {
        for (k, triple) in words.as_chunks_mut::<PAIR>().0.iter_mut().enumerate() {
            let start = position(first, lanes, count, k);
            let range = start..start + lanes;
            let [[u, u2], [w, w2]] =
                hash.hash_bits(q.tiles().after(start), [Block::ZERO, delta], &q[range.clone()]);
            let [[h, h2]] = hash.hash_bits(t.tiles().after(start), [Block::ZERO], &t[range]);
            let a = bits_at(c.words(), start, lanes);
            let (b, b2) = (u ^ w, u2 ^ w2);
            *triple = [a, b, b2, (a & b) ^ u ^ h, (a & b2) ^ u2 ^ h2];
        }
    });
    Ok(out)
}

/// `count` singles for each of `n` elements at the OT sender: [`SINGLE`] planes each, and the message for the receiver.
pub(super) fn offer_singles(session: &mut Session, n: usize, count: usize) -> Result<(Planes, Vec<u8>)> {
    let q = session.cot_sender.take_wide(2, n * count)?;
    let offsets: [Block; 4] = std::array::from_fn(|v| session.cot_sender.offsets()[v]);
    let hash = &session.hash;
    let mut triples = Planes::zeros(n, SINGLE * count);
    let mut corrections = Planes::zeros(n, count);
    triples.par_groups().zip(corrections.par_groups()).for_each(|(triples, corrections)| {
        let out = triples.words.as_chunks_mut::<SINGLE>().0.iter_mut().zip(corrections.words);
        for (k, (triple, correction)) in out.enumerate() {
            let start = position(triples.first, triples.lanes, count, k);
            let pads = hash.hash_bits(q.tiles().after(start), offsets, &q[start..start + triples.lanes]);
            let [p0, p1, p2, p3] = pads.map(|[first, _]| first);
            let (a, b) = (p0 ^ p2, p0 ^ p1);
            *correction = p0 ^ p1 ^ p2 ^ p3;
            *triple = [a, b, p0 ^ (a & b)];
        }
    });
    Ok((triples, corrections.to_bytes()))
}

/// The OT receiver of singles, its correlations taken, waiting for the sender's message.
pub(super) struct Singles {
    n: usize,
    count: usize,
    t: Taken,
    choices: Vec<BitVec>,
}

/// `count` singles for each of `n` elements at the OT receiver.
pub(super) fn accept_singles(session: &mut Session, n: usize, count: usize) -> Result<Singles> {
    let (t, choices) = session.cot_receiver.take_wide(2, n * count)?;
    Ok(Singles { n, count, t, choices })
}

impl Singles {
    /// Bytes of the sender's message.
    pub(super) fn message_len(&self) -> usize {
        Planes::wire_len(self.n, self.count)
    }

    /// [`SINGLE`] planes for each.
    pub(super) fn finish(self, hash: &CrHash, message: &[u8]) -> Planes {
        let mut corrections = Planes::zeros(self.n, self.count);
        corrections.xor_bytes(message);
        let mut triples = Planes::zeros(self.n, SINGLE * self.count);
        triples.par_groups().for_each(|Group { first, lanes, words }| {
            let corrections = corrections.group(first);
            for (k, triple) in words.as_chunks_mut::<SINGLE>().0.iter_mut().enumerate() {
                let start = position(first, lanes, self.count, k);
                let [a, b] = [0, 1].map(|bit| bits_at(self.choices[bit].words(), start, lanes));
                let tiles = self.t.tiles().after(start);
                let [[p, _]] = hash.hash_bits(tiles, [Block::ZERO], &self.t[start..start + lanes]);
                *triple = [a, b, p ^ (a & b & !corrections[k])];
            }
        });
        triples
    }
}

/// Correlations are used group by group, `count` in each: where number `k` of a group starts.
fn position(first: usize, lanes: usize, count: usize, k: usize) -> usize {
    first * count + k * lanes
}

#[cfg(test)]
mod tests {
    use super::super::testing::Pair;
    use super::*;
    use crate::channel::Kind;
    use picc_ir::Party;
    use picc_ir::cost::{Cost, CotCounts, CotDemand};

    /// `a b = ab` for every triple, and each of the four `(a, b)` about equally often.
    #[track_caller]
    fn check(shares: &[Planes; 2], planes: usize, products: &[[usize; 3]]) {
        let [x, y] = shares;
        for [a, b, ab] in products {
            let mut seen = [0u32; 4];
            for g in 0..x.words.len() / planes {
                let [a, b, ab] = [a, b, ab].map(|p| x.words[g * planes + p] ^ y.words[g * planes + p]);
                assert_eq!(a & b, ab, "group {g}");
                for (count, which) in seen.iter_mut().zip([!a & !b, !a & b, a & !b, a & b]) {
                    *count += which.count_ones();
                }
            }
            // 64 x 64 triples: standard deviation 28.
            assert!(x.n < 4096 || seen.iter().all(|n| n.abs_diff(1024) < 6 * 28), "{seen:?}");
        }
    }

    #[test]
    fn triples_are_products_of_uniform_bits() {
        let mut pair = Pair::new(1);
        for n in [1, 63, 64, 65, 4096] {
            let one = |width| CotCounts::of(width, 2 * n as u64);
            let demand = CotDemand { client_sends: one(1), server_sends: one(1) };
            let shares = pair.run(Cost { cots: demand, ..Cost::default() }, |s| pairs(s, n, 2));
            check(&shares, 2 * PAIR, &[[0, 1, 3], [0, 2, 4], [5, 6, 8], [5, 7, 9]]);

            for sender in Party::BOTH {
                let online = picc_ir::cost::Traffic::message(sender, 2 * n.div_ceil(8) as u64);
                let cots = match sender {
                    Party::Client => CotDemand { client_sends: one(2), ..CotDemand::default() },
                    Party::Server => CotDemand { server_sends: one(2), ..CotDemand::default() },
                };
                let shares = pair.run(Cost { online, cots, ..Cost::default() }, |s| {
                    if s.party() == sender {
                        let (triples, message) = offer_singles(s, n, 2)?;
                        s.channel.send(Kind::OtMessage, &message)?;
                        s.channel.flush()?;
                        return Ok(triples);
                    }
                    let singles = accept_singles(s, n, 2)?;
                    let message = s.channel.recv(Kind::OtMessage, singles.message_len())?;
                    Ok(singles.finish(&s.hash, &message))
                });
                check(&shares, 2 * SINGLE, &[[0, 1, 2], [3, 4, 5]]);
            }
        }
    }
}

//! ReLU of a truncated value in a larger ring: `extend(relu(trunc_faithful x))` in the flights of one comparison.
//!
//! Papers: the comparison of CrypTFlow2 (Rathee et al., CCS 2020), truncation and extension of SIRNN (Rathee et al.,
//! S&P 2021); their fusion is ours. Adversary: semi-honest. Rounds and bytes: [`picc_ir::mpc::cost::relu_rescale`].
//! Leakage: none: it is a composition of leaves, ANDs, correlated OTs and multiplexers, of which nothing is opened but
//! masked choices.
//!
//! With `x0 + x1 = x + 2^(s-1)` modulo `2^l`, cut s bits: `low` and `high`, of s and m = l - s bits. Then
//! `t = high0 + high1 + c` modulo `2^m`, where c is the carry out of the low part, and the carry into the sign of t
//! is `gt + eq c`: one comparison of l - 1 bits gives both, its tree stopping at (c) and (gt, eq).
//!
//! ```text
//!   positive  b = 1 + msb0 + msb1 + gt + eq c                                  (bits, modulo 2)
//!   and       b c = c + (msb0 + msb1 + gt + eq) c                              the same factor c: a pair of ANDs
//!   result    b (high0 + high1 - w 2^m) + b c    in the ring of L bits         multiplexer beside a B2A
//! ```
//! The wrap `w` of the high shares is that of [`super::extend`]: `high0 + high1 - w 2^m = t - c` lies in a quarter of
//! the ring either way, since t lies strictly inside. Its correlated OT depends on the shares alone and shares the
//! leaves' flights. Without a truncation c is 0 and the pair and the B2A vanish; with L = m the wrap does.

use super::call::{Call, Run};
use super::extend::{Range, Wrap};
use super::planes::Planes;
use super::{and, compare, low_mask, select, signed, trunc};
use crate::error::Result;
use crate::session::Session;
use picc_ir::Party;
use picc_ir::mpc::ReluRescaleOt;
use picc_ir::mpc::cost::{Comparison, TreeNode};
use rayon::prelude::*;

impl Run for ReluRescaleOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        relu_rescale(session, call.elements(0)?, call.ring()?, self.shift, self.ring_bits, self.radix)
    }
}

/// Shares modulo `2^to` of the positive part of `floor((x + 2^(shift-1)) / 2^shift)`, a signed value of `ring - shift`
/// bits (2 or more); `to >= ring - shift`. If it is greater, the value must lie strictly inside a quarter of its ring.
pub fn relu_rescale(session: &mut Session, x: &[u64], ring: u8, shift: u8, to: u8, radix: u8) -> Result<Vec<u64>> {
    if x.is_empty() {
        return Ok(Vec::new());
    }
    let left = ring - shift;
    let server = session.party() == Party::Server;
    let half = if server && shift > 0 { 1 << (shift - 1) } else { 0 };
    let x: Vec<u64> = x.iter().map(|v| v.wrapping_add(half) & low_mask(ring.into())).collect();
    let high: Vec<u64> = x.iter().map(|v| v >> shift).collect();

    // As in `compare::carry`, on both parts at once.
    let flip = u64::from(server).wrapping_neg();
    let mine: Vec<u64> = x.iter().map(|v| (v ^ flip) & low_mask(u32::from(ring) - 1)).collect();
    let plan = Comparison::split(shift.into(), u32::from(left) - 1, radix);
    let wrap = (to > left).then(|| Wrap::new(session.party(), &high, left, Range::Quarter));
    let alongside = wrap.as_ref().map(|w| (&w.factor, to - left));
    let (items, product) = compare::run(session, &mine, &plan, Party::Server, alongside)?;
    let high = match wrap {
        Some(wrap) => wrap.extended(product, to),
        None => high,
    };

    let msb = compare::msb(&x, ring);
    if shift == 0 {
        let mut positive = items.plane(0);
        positive.xor_assign(&msb);
        let positive = if server { positive.not() } else { positive };
        return Ok(select::mux(session, &positive, &[(&high, to)])?.swap_remove(0));
    }

    // gt: eq, gt; eq: msb + gt + eq, c. A node gives gt + eq c and (msb + gt + eq) c.
    let mut factors = Planes::zeros(items.n, 4);
    factors.par_groups().for_each(|group| {
        if let (&[c, gt, _, eq], [a, b, z, x]) = (items.group(group.first), group.words) {
            let msb = msb.words()[group.first / super::planes::LANES];
            (*a, *b, *z, *x) = (eq, gt, msb ^ gt ^ eq, c);
        }
    });
    let none = Planes::zeros(items.n, 0);
    let pair = and::level(session, &factors, &[TreeNode::Both { hi: 1, lo: 0 }], &none, 0)?;
    let (mut positive, mut carry) = (pair.plane(0), pair.plane(1));
    positive.xor_assign(&msb);
    let positive = if server { positive.not() } else { positive };
    carry.xor_assign(&items.plane(0));

    let (mut shares, product) = select::mux_beside(session, &positive, &[(&high, to)], Some((&carry, to - 1)))?;
    let mut out = shares.swap_remove(0);
    // The carry in the ring: its bits less twice their product.
    out.par_iter_mut().zip(&product).enumerate().for_each(|(i, (out, product))| {
        let carry = carry.bit(i).word().wrapping_sub(product << 1);
        *out = out.wrapping_add(carry) & low_mask(to.into());
    });
    Ok(out)
}

/// The positive part of the truncated value.
#[must_use]
pub fn ideal_relu_rescale(x: u64, ring: u8, shift: u8) -> u64 {
    let t = trunc::ideal_trunc(x, ring, shift);
    signed(t, ring - shift).max(0).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, RADICES, SIZES, assert_balanced, assert_uniform_messages, open, record};
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn relu_rescale_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        for (ring, shift) in
            [(8, 0), (8, 5), (19, 0), (20, 1), (25, 12), (31, 12), (37, 12), (60, 20), (64, 0), (64, 33)]
        {
            let left = ring - shift;
            for to in [left, left + 1, left + 12, 64].into_iter().filter(|to| (left..=64).contains(to)) {
                for radix in RADICES {
                    for n in SIZES {
                        // Strictly inside a quarter, after rounding, where the ring grows.
                        let bits = if to > left { ring - 1 } else { ring };
                        let edge = low_mask(u32::from(ring) - 2) - low_mask(shift.into());
                        let x: Vec<u64> = pair
                            .samples_below(n, bits, ring)
                            .iter()
                            .map(|x| match signed(*x, ring) {
                                v if to > left && v.unsigned_abs() > edge => 0,
                                _ => *x,
                            })
                            .collect();
                        let shares = pair.share(&x, ring);
                        let price = cost::relu_rescale(n as u64, ring, shift, to, radix);
                        let out = pair
                            .run(price, |s| relu_rescale(s, &shares[s.party() as usize], ring, shift, to, radix));
                        let ideal: Vec<u64> = x.iter().map(|x| ideal_relu_rescale(*x, ring, shift)).collect();
                        assert_eq!(open(&out, to), ideal, "{ring} by {shift} to {to}, radix {radix}");
                    }
                }
            }
        }
    }

    /// All sharings of all values of a small ring: every carry, wrap and sign.
    #[test]
    fn every_sharing_of_a_small_ring_is_right() {
        let mut pair = Pair::new(2);
        for (ring, shift, to) in [(6, 2, 4), (7, 2, 9), (6, 0, 9), (7, 3, 4)] {
            let (quarter, modulus) = (1i64 << (ring - 2), 1u64 << ring);
            let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
            let inside = |x: &u64| to == ring - shift || signed(*x, ring).abs() + half < quarter;
            let cases: Vec<(u64, u64)> =
                (0..modulus).filter(inside).flat_map(|x| (0..modulus).map(move |r| (x, r))).collect();
            let client: Vec<u64> = cases.iter().map(|(_, r)| *r).collect();
            let server: Vec<u64> = cases.iter().map(|(x, r)| x.wrapping_sub(*r) & (modulus - 1)).collect();
            let shares = [client, server];
            let price = cost::relu_rescale(cases.len() as u64, ring, shift, to, 3);
            let out = pair.run(price, |s| relu_rescale(s, &shares[s.party() as usize], ring, shift, to, 3));
            let ideal: Vec<u64> = cases.iter().map(|(x, _)| ideal_relu_rescale(*x, ring, shift)).collect();
            assert_eq!(open(&out, to), ideal, "{ring} by {shift} to {to}");
        }
    }

    #[test]
    fn messages_and_shares_are_uniform() {
        let n = 4096;
        for value in [0, 1 << 16, (1 << 30) - (1 << 18)] {
            let x = vec![value; n];
            let price = cost::relu_rescale(n as u64, 30, 12, 28, 4);
            let ([client, server], messages) = record(price, |s| relu_rescale(s, &x, 30, 12, 28, 4));
            assert_uniform_messages(&messages);
            assert_balanced(&client, 28, "the client's share");
            assert_balanced(&server, 28, "the server's share");
        }
    }
}

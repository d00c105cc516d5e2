//! Truncation into a shorter ring: division by `2^s`, the quotient in the ring of `l - s` bits.
//!
//! Paper: SIRNN (Rathee et al., S&P 2021), truncate-and-reduce. Adversary: semi-honest. Leakage: none.
//!
//! Shifting both shares divides up to the carry out of the low s bits: with integers `x0 + x1 = 2^s (..) + low0 +
//! low1`, `floor((x0 + x1) / 2^s) = floor(x0 / 2^s) + floor(x1 / 2^s) + [low0 + low1 >= 2^s]`. The wrap of the ring is
//! a multiple of `2^(l-s)` and vanishes in the shorter ring, so neither form needs to know the sign or has a large
//! error.
//!
//! * **faithful**: `floor((x + 2^(s-1)) / 2^s)`, bit-exact. The carry is a comparison of s bits and a B2A.
//!   [`picc_ir::mpc::cost::trunc_faithful`].
//! * **local**: no message. One party first adds `2^s - 1`, so the result is `ceil(x / 2^s)`, minus one if the low bits
//!   carry: for uniform shares that has the probability `1 - frac`, where `frac = x / 2^s - floor(x / 2^s)`, and never
//!   happens at `frac = 0`. So the result is `floor(x / 2^s)` or `ceil(x / 2^s)`, exact where x is a multiple of `2^s`,
//!   with expectation exactly `x / 2^s`: below one ulp from the quotient, and -1, 0 or 1 ulp from the faithful result.

use super::call::{Call, Run};
use super::{compare, low_mask, select};
use crate::error::Result;
use crate::session::Session;
use picc_ir::Party;
use picc_ir::mpc::TruncReduceFaithful;

/// Shares of `floor((x + 2^(shift-1)) / 2^shift)` modulo `2^(ring - shift)`. `shift < ring`.
pub fn trunc_faithful(session: &mut Session, x: &[u64], ring: u8, shift: u8, radix: u8) -> Result<Vec<u64>> {
    if shift == 0 {
        return Ok(x.to_vec());
    }
    let half = if session.party() == Party::Server { 1 << (shift - 1) } else { 0 };
    let x: Vec<u64> = x.iter().map(|v| v.wrapping_add(half) & low_mask(ring.into())).collect();
    let carry = compare::carry(session, &x, shift, radix)?;
    let mut out = select::b2a(session, &carry, ring - shift)?;
    for (carry, x) in out.iter_mut().zip(&x) {
        *carry = carry.wrapping_add(x >> shift) & low_mask((ring - shift).into());
    }
    Ok(out)
}

impl Run for TruncReduceFaithful {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        trunc_faithful(session, call.elements(0)?, call.ring()?, self.shift, self.radix)
    }
}

/// Shares of `floor(x / 2^shift)` or `ceil(x / 2^shift)` modulo `2^(ring - shift)`. `shift < ring`. No message.
#[must_use]
pub fn trunc_local(party: Party, x: &[u64], ring: u8, shift: u8) -> Vec<u64> {
    let offset = if party == Party::Server { low_mask(shift.into()) } else { 0 };
    x.iter().map(|v| (v.wrapping_add(offset) & low_mask(ring.into())) >> shift).collect()
}

/// `floor((x + 2^(shift-1)) / 2^shift)` modulo `2^(ring - shift)`.
#[must_use]
pub fn ideal_trunc(x: u64, ring: u8, shift: u8) -> u64 {
    let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
    (x.wrapping_add(half) & low_mask(ring.into())) >> shift & low_mask((ring - shift).into())
}

/// The one or two values that [`trunc_local`] may give.
#[must_use]
pub fn ideal_trunc_local(x: u64, ring: u8, shift: u8) -> [u64; 2] {
    let mask = low_mask((ring - shift).into());
    let floor = x >> shift;
    let up = u64::from(x & low_mask(shift.into()) != 0);
    [floor & mask, floor.wrapping_add(up) & mask]
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, RADICES, RINGS, SIZES, assert_uniform_messages, open, record};
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn faithful_truncation_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        for ring in RINGS {
            for shift in [0, 1, 2, 5, ring / 2, ring - 1] {
                for radix in RADICES {
                    for n in SIZES {
                        let x = pair.samples(n, ring);
                        let shares = pair.share(&x, ring);
                        let cost = cost::trunc_faithful(n as u64, ring, shift, radix);
                        let out =
                            pair.run(cost, |s| trunc_faithful(s, &shares[s.party() as usize], ring, shift, radix));
                        let ideal: Vec<u64> = x.iter().map(|x| ideal_trunc(*x, ring, shift)).collect();
                        assert_eq!(open(&out, ring - shift), ideal, "ring {ring}, shift {shift}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_ideal_rounds_to_nearest() {
        for x in -128i64..128 {
            for shift in 1..7u8 {
                let rounded = (x + (1 << (shift - 1))) >> shift;
                let expect = rounded.cast_unsigned() & low_mask((8 - shift).into());
                assert_eq!(ideal_trunc(x.cast_unsigned() & 0xff, 8, shift), expect);
            }
        }
    }

    /// All sharings of all values of a small ring.
    #[test]
    fn local_truncation_errs_exactly_as_stated() {
        let ring = 7;
        for shift in 1..ring {
            let (modulus, out_mask) = (1u64 << ring, low_mask((ring - shift).into()));
            for x in 0..modulus {
                let allowed = ideal_trunc_local(x, ring, shift);
                let mut ups = 0;
                for client in 0..modulus {
                    let server = x.wrapping_sub(client) & (modulus - 1);
                    let y = trunc_local(Party::Client, &[client], ring, shift)[0]
                        .wrapping_add(trunc_local(Party::Server, &[server], ring, shift)[0])
                        & out_mask;
                    assert!(allowed.contains(&y), "{x} >> {shift} gave {y}");
                    ups += u64::from(y != allowed[0]);
                    let off = signed_difference(y, ideal_trunc(x, ring, shift), ring - shift);
                    assert!(off.abs() <= 1 || ring - shift == 1, "{off} ulp");
                }
                // The expectation is the quotient: up as often as its fraction says.
                assert_eq!(ups << shift, (x & low_mask(shift.into())) << ring);
            }
        }
    }

    /// The functionality of SECURITY.md: with r the low bits of the client's share, the result is `ceil((x - r) /
    /// 2^s)`.
    #[test]
    fn the_client_knows_the_coin_of_a_local_truncation() {
        let ring = 7;
        for shift in 0..ring {
            for (x, client) in (0..1u64 << ring).flat_map(|x| (0..1u64 << ring).map(move |c| (x, c))) {
                let server = x.wrapping_sub(client) & low_mask(ring.into());
                let [c, s] = [(Party::Client, client), (Party::Server, server)]
                    .map(|(party, share)| trunc_local(party, &[share], ring, shift)[0]);
                let r = client & low_mask(shift.into());
                let rounded = x.wrapping_sub(r).wrapping_add(low_mask(shift.into())).cast_signed() >> shift;
                let mask = low_mask((ring - shift).into());
                assert_eq!(
                    c.wrapping_add(s) & mask,
                    rounded.cast_unsigned() & mask,
                    "{x} by {shift} bits, coin {r}"
                );
            }
        }
    }

    fn signed_difference(a: u64, b: u64, ring: u8) -> i64 {
        super::super::signed(a.wrapping_sub(b), ring)
    }

    #[test]
    fn local_truncation_holds_in_every_ring() {
        let mut pair = Pair::new(2);
        for ring in RINGS {
            for shift in [0, 1, 5, ring / 2, ring - 1] {
                let x = pair.samples(1000, ring);
                let shares = pair.share(&x, ring);
                let out = pair.run(cost::trunc_local(), |s| {
                    Ok(trunc_local(s.party(), &shares[s.party() as usize], ring, shift))
                });
                for (x, y) in x.iter().zip(open(&out, ring - shift)) {
                    assert!(ideal_trunc_local(*x, ring, shift).contains(&y), "ring {ring}, shift {shift}");
                }
            }
        }
    }

    #[test]
    fn messages_are_uniform() {
        let x = vec![0; 4096];
        let (_, messages) = record(cost::trunc_faithful(4096, 30, 12, 4), |s| trunc_faithful(s, &x, 30, 12, 4));
        assert_uniform_messages(&messages);
    }
}

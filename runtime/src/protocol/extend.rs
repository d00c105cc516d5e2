//! The same signed value in a larger ring, where the sign is known.
//!
//! Paper: SIRNN (Rathee et al., S&P 2021), zero extension with known most significant bit. Adversary: semi-honest.
//! Rounds: 2. Client 1 bit, server `to - from` bits, one COT: [`picc_ir::mpc::cost::extend`]. Leakage: none.
//!
//! For `0 <= x < 2^(m-1)` the sharing `x0 + x1 = x + w 2^m` wraps (w = 1) exactly if one of the shares has its most
//! significant bit: without a wrap both are at most x, with one their sum is at least `2^m`. So
//! `w = msb0 + (1 - msb0) msb1`, whose product is one correlated OT modulo `2^(to - from)`, and `x = x0 + x1 - w 2^m`.

use super::call::{Call, Run};
use super::{compare, low_mask, select, signed};
use crate::bits::BitVec;
use crate::error::Result;
use crate::session::Session;
use picc_ir::Party;
use picc_ir::mpc::ExtendOt;

/// What is known of the values of a ring of m bits. A value outside gives a wrong result, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// `0 <= x < 2^(m-1)`.
    NonNegative,
    /// `-2^(m-2) <= x < 2^(m-2)`: an offset of a quarter of the ring makes it non-negative. Needs m of at least 2.
    Quarter,
}

/// Shares in the ring of `to` bits of the values that `x` shares in the ring of `from` bits, `from <= to`.
pub fn extend(session: &mut Session, x: &[u64], from: u8, to: u8, range: Range) -> Result<Vec<u64>> {
    if from == to {
        return Ok(x.to_vec());
    }
    let wrap = Wrap::new(session.party(), x, from, range);
    let product = select::product_of_bits(session, &wrap.factor, to - from)?;
    Ok(wrap.extended(product, to))
}

impl Run for ExtendOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        let range = if call.format(0)?.lo >= 0 { Range::NonNegative } else { Range::Quarter };
        extend(session, call.elements(0)?, call.ring()?, self.ring_bits, range)
    }
}

/// A sharing whose wrap is `msb0 + (1 - msb0) msb1`.
pub(super) struct Wrap {
    from: u8,
    server: bool,
    offset: u64,
    /// The shares after the offset.
    x: Vec<u64>,
    /// This party's factor of `(1 - msb0) msb1`, party 0 being the server.
    pub(super) factor: BitVec,
}

impl Wrap {
    pub(super) fn new(party: Party, x: &[u64], from: u8, range: Range) -> Wrap {
        let server = party == Party::Server;
        let offset = if server { offset(from, range) } else { 0 };
        let x: Vec<u64> = x.iter().map(|v| v.wrapping_add(offset) & low_mask(from.into())).collect();
        let msb = compare::msb(&x, from);
        Wrap { from, server, offset, factor: if server { msb.not() } else { msb }, x }
    }

    /// Shares in the ring of `to` bits, from shares of the product of the factors modulo `2^(to - from)`.
    pub(super) fn extended(self, mut product: Vec<u64>, to: u8) -> Vec<u64> {
        let server = u64::from(self.server);
        for (i, wrap) in product.iter_mut().enumerate() {
            let own = (!self.factor.bit(i)).word() & server;
            let wrap_share = wrap.wrapping_add(own) << self.from;
            *wrap = self.x[i].wrapping_sub(wrap_share).wrapping_sub(self.offset) & low_mask(to.into());
        }
        product
    }
}

fn offset(from: u8, range: Range) -> u64 {
    match range {
        Range::NonNegative => 0,
        Range::Quarter => 1 << (from - 2),
    }
}

/// The same signed value.
#[must_use]
pub fn ideal_extend(x: u64, from: u8, to: u8) -> u64 {
    signed(x, from).cast_unsigned() & low_mask(to.into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, RINGS, SIZES, assert_uniform_messages, open, record};
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn extend_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        for from in [2, 3, 8, 12, 17, 25, 32, 37, 60, 63, 64] {
            for to in RINGS.into_iter().chain([from, from + 1]).filter(|to| *to >= from && *to <= 64) {
                for n in SIZES {
                    for range in [Range::NonNegative, Range::Quarter] {
                        let x: Vec<u64> = match range {
                            Range::NonNegative => {
                                pair.samples(n, from).iter().map(|x| x & low_mask(u32::from(from) - 1)).collect()
                            }
                            Range::Quarter => pair.samples_below(n, from - 1, from),
                        };
                        let shares = pair.share(&x, from);
                        let out = pair.run(cost::extend(n as u64, from, to), |s| {
                            extend(s, &shares[s.party() as usize], from, to, range)
                        });
                        let ideal: Vec<u64> = x.iter().map(|x| ideal_extend(*x, from, to)).collect();
                        assert_eq!(open(&out, to), ideal, "{from} to {to}, {range:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn messages_are_uniform() {
        let x = vec![0; 4096];
        let (_, messages) = record(cost::extend(4096, 20, 32), |s| extend(s, &x, 20, 32, Range::Quarter));
        assert_uniform_messages(&messages);
    }
}

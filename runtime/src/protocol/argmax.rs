//! Index of the maximum.
//!
//! A tournament of neighbours that carries the index along: both are selected by one bit, under one correlated OT each
//! way ([`super::mux`] with two payloads). Adversary: semi-honest. Leakage: none; exact where any two values of a row
//! differ by less than half the ring. Rounds and bytes: [`picc_ir::mpc::cost::argmax`].

use super::call::{Call, Run, fixed};
use super::{compare, low_mask, select, signed};
use crate::error::Result;
use crate::session::Session;
use picc_ir::Party;
use picc_ir::mpc::ArgMaxOt;

/// Shares, in a ring of `index_bits` bits, of the index of the maximum of each row of `x`, which is `[groups, len]`.
/// Of equal values the first wins, or the last one if `last`.
pub fn argmax(
    session: &mut Session,
    x: &[u64],
    len: usize,
    ring: u8,
    index_bits: u8,
    last: bool,
    radix: u8,
) -> Result<Vec<u64>> {
    let groups = x.len() / len.max(1);
    let server = session.party() == Party::Server;
    // (values, indices), one entry a group. Indices are public at first: the server's share.
    let mut items: Vec<(Vec<u64>, Vec<u64>)> = (0..len)
        .map(|i| {
            let index = if server { i as u64 & low_mask(index_bits.into()) } else { 0 };
            (x.iter().skip(i).step_by(len).copied().collect(), vec![index; groups])
        })
        .collect();
    while items.len() > 1 {
        let rest = if items.len() % 2 == 1 { items.pop() } else { None };
        // The winner is `loses_ties + [wins_ties >= loses_ties] (wins_ties - loses_ties)`.
        let side = |second: usize| {
            let chosen = || items.iter().skip(second).step_by(2);
            let values: Vec<u64> = chosen().flat_map(|(v, _)| v).copied().collect();
            let indices: Vec<u64> = chosen().flat_map(|(_, i)| i).copied().collect();
            (values, indices)
        };
        let ((values, indices), (other_values, other_indices)) =
            (side(usize::from(last)), side(usize::from(!last)));
        let values = minus(&values, &other_values, ring);
        let indices = minus(&indices, &other_indices, index_bits);

        let wins = compare::drelu(session, &values, ring, radix)?;
        let final_round = items.len() == 2 && rest.is_none();
        let (values, indices) = if final_round {
            (vec![0; groups], select::mux(session, &wins, &[(&indices, index_bits)])?.swap_remove(0))
        } else {
            let mut both = select::mux(session, &wins, &[(&values, ring), (&indices, index_bits)])?;
            let indices = both.swap_remove(1);
            (both.swap_remove(0), indices)
        };
        let values = plus(&values, &other_values, ring);
        let indices = plus(&indices, &other_indices, index_bits);
        let chunks = values.chunks(groups.max(1)).zip(indices.chunks(groups.max(1)));
        items = chunks.map(|(v, i)| (v.to_vec(), i.to_vec())).collect();
        items.extend(rest);
    }
    Ok(items.pop().map(|(_, indices)| indices).unwrap_or_default())
}

/// The axis stands last.
impl Run for ArgMaxOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        let (len, bits) = (call.tys[0].shape[self.axis], fixed(call.ty)?.ring_bits);
        argmax(session, call.units(0, len)?, len, call.ring()?, bits, self.last, self.radix)
    }
}

fn minus(a: &[u64], b: &[u64], ring: u8) -> Vec<u64> {
    a.iter().zip(b).map(|(a, b)| a.wrapping_sub(*b) & low_mask(ring.into())).collect()
}

fn plus(a: &[u64], b: &[u64], ring: u8) -> Vec<u64> {
    a.iter().zip(b).map(|(a, b)| a.wrapping_add(*b) & low_mask(ring.into())).collect()
}

/// Index of the first or the last maximum of each row of `len` values.
#[must_use]
pub fn ideal_argmax(x: &[u64], len: usize, ring: u8, last: bool) -> Vec<u64> {
    x.chunks(len)
        .map(|row| {
            let best = row.iter().map(|&v| signed(v, ring)).max();
            let is_best = |v: &u64| Some(signed(*v, ring)) == best;
            let index = if last { row.iter().rposition(is_best) } else { row.iter().position(is_best) };
            index.unwrap_or(0) as u64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, open};
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn argmax_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        for (groups, len) in [(1, 1), (1, 2), (7, 3), (2, 10), (64, 5), (1, 1000)] {
            for (ring, radix, index_bits) in [(8, 4, 10), (25, 4, 32), (37, 3, 10), (64, 1, 64)] {
                for last in [false, true] {
                    let mut x = pair.samples_below(groups * len, ring - 1, ring);
                    // Ties, also of the maximum.
                    for i in 0..x.len() {
                        if i % 3 == 2 {
                            x[i] = x[i / 2];
                        }
                    }
                    let shares = pair.share(&x, ring);
                    let out = pair.run(cost::argmax(groups as u64, len as u64, ring, index_bits, radix), |s| {
                        argmax(s, &shares[s.party() as usize], len, ring, index_bits, last, radix)
                    });
                    assert_eq!(open(&out, index_bits), ideal_argmax(&x, len, ring, last), "{groups} x {len}");
                }
            }
        }
    }

    #[test]
    fn all_equal_gives_the_first_or_the_last() {
        let mut pair = Pair::new(2);
        for (last, expect) in [(false, 0), (true, 8)] {
            let shares = pair.share(&[77; 9], 20);
            let out = pair
                .run(cost::argmax(1, 9, 20, 4, 4), |s| argmax(s, &shares[s.party() as usize], 9, 20, 4, last, 4));
            assert_eq!(open(&out, 4), [expect]);
        }
    }
}

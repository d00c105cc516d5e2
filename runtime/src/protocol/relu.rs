//! ReLU and elementwise maximum.
//!
//! Paper: CrypTFlow2 (Rathee et al., CCS 2020), algorithm 4, with both multiplexer directions in the same two rounds.
//! Adversary: semi-honest. Leakage: none, the result is exact. Rounds and bytes: [`picc_ir::mpc::cost::relu`].

use super::{compare, low_mask, select};
use crate::error::Result;
use crate::session::Session;

/// Shares of `max(x, 0)`.
pub fn relu(session: &mut Session, x: &[u64], ring: u8, radix: u8) -> Result<Vec<u64>> {
    let positive = compare::drelu(session, x, ring, radix)?;
    Ok(select::mux(session, &positive, &[(x, ring)])?.swap_remove(0))
}

/// Shares of `max(x, y)`, exact where `|x - y| < 2^(ring - 1)`.
pub fn max(session: &mut Session, x: &[u64], y: &[u64], ring: u8, radix: u8) -> Result<Vec<u64>> {
    let mask = low_mask(ring.into());
    let difference: Vec<u64> = x.iter().zip(y).map(|(x, y)| x.wrapping_sub(*y) & mask).collect();
    let mut above = relu(session, &difference, ring, radix)?;
    above.iter_mut().zip(y).for_each(|(d, y)| *d = d.wrapping_add(*y) & mask);
    Ok(above)
}

/// `max(x, 0)`.
#[must_use]
pub fn ideal_relu(x: u64, ring: u8) -> u64 {
    if compare::ideal_drelu(x, ring) { x } else { 0 }
}

/// `y + max(x - y, 0)`.
#[must_use]
pub fn ideal_max(x: u64, y: u64, ring: u8) -> u64 {
    let mask = low_mask(ring.into());
    ideal_relu(x.wrapping_sub(y) & mask, ring).wrapping_add(y) & mask
}

#[cfg(test)]
mod tests {
    use super::super::signed;
    use super::super::testing::{
        Pair, RADICES, RINGS, SIZES, assert_balanced, assert_uniform_messages, open, record,
    };
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn relu_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        for ring in RINGS {
            for radix in RADICES {
                for n in SIZES {
                    let x = pair.samples(n, ring);
                    let shares = pair.share(&x, ring);
                    let out = pair.run(cost::relu(n as u64, ring, radix), |s| {
                        relu(s, &shares[s.party() as usize], ring, radix)
                    });
                    let ideal: Vec<u64> = x.iter().map(|x| ideal_relu(*x, ring)).collect();
                    assert_eq!(open(&out, ring), ideal, "ring {ring}, radix {radix}");
                }
            }
        }
    }

    #[test]
    fn max_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(2);
        for ring in RINGS {
            let n = 100;
            let (x, y) = (pair.samples_below(n, ring - 1, ring), pair.samples_below(n, ring - 1, ring));
            let (xs, ys) = (pair.share(&x, ring), pair.share(&y, ring));
            let out = pair.run(cost::max(n as u64, ring, 4), |s| {
                max(s, &xs[s.party() as usize], &ys[s.party() as usize], ring, 4)
            });
            let ideal: Vec<u64> = x.iter().zip(&y).map(|(x, y)| ideal_max(*x, *y, ring)).collect();
            assert_eq!(open(&out, ring), ideal, "ring {ring}");
            let by_definition = |(x, y): (&u64, &u64)| if signed(*x, ring) > signed(*y, ring) { *x } else { *y };
            assert_eq!(ideal, x.iter().zip(&y).map(by_definition).collect::<Vec<_>>());
        }
    }

    #[test]
    fn messages_and_shares_are_uniform() {
        let n = 4096;
        for value in [0, 1, 1 << 19] {
            let x = vec![value; n];
            let ([client, server], messages) = record(cost::relu(n as u64, 20, 4), |s| relu(s, &x, 20, 4));
            assert_uniform_messages(&messages);
            assert_balanced(&client, 20, "the client's share");
            assert_balanced(&server, 20, "the server's share");
        }
    }

    #[test]
    fn nothing_costs_nothing() {
        let out = Pair::new(3).run(cost::relu(0, 32, 4), |s| relu(s, &[], 32, 4));
        assert!(out[0].is_empty() && out[1].is_empty());
    }
}

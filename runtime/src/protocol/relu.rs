//! ReLU and elementwise maximum.
//!
//! Paper: CrypTFlow2 (Rathee et al., CCS 2020), algorithm 4, with both multiplexer directions in the same two rounds.
//! Adversary: semi-honest. Leakage: none, the result is exact. Rounds and bytes: [`picc_ir::mpc::cost::relu`].

use super::call::{Call, Run};
use super::{compare, low_mask, select};
use crate::error::Result;
use crate::session::Session;
use picc_ir::mpc::{MaxOt, ReluOt};

/// Shares of `max(x, 0)`.
pub fn relu(session: &mut Session, x: &[u64], ring: u8, radix: u8) -> Result<Vec<u64>> {
    relu_window(session, x, ring, 0, radix)
}

/// Shares of one of [`ideal_relu_window`]: the sign is that of `x >> skip_low`, which both parties compute on their
/// shares alone, in the ring that is `skip_low` bits shorter. `skip_low < ring - 1`.
pub fn relu_window(session: &mut Session, x: &[u64], ring: u8, skip_low: u8, radix: u8) -> Result<Vec<u64>> {
    let high: Vec<u64> = x.iter().map(|v| v >> skip_low).collect();
    let positive = compare::drelu(session, &high, ring - skip_low, radix)?;
    Ok(select::mux(session, &positive, &[(x, ring)])?.swap_remove(0))
}

/// Shares of `max(x, y)`, exact where `|x - y| < 2^(ring - 1)`.
pub fn max(session: &mut Session, x: &[u64], y: &[u64], ring: u8, radix: u8) -> Result<Vec<u64>> {
    max_window(session, x, y, ring, 0, radix)
}

/// Shares of `max(x, y)`, or of either where x is larger by less than `2^skip_low`.
pub fn max_window(
    session: &mut Session,
    x: &[u64],
    y: &[u64],
    ring: u8,
    skip_low: u8,
    radix: u8,
) -> Result<Vec<u64>> {
    let mask = low_mask(ring.into());
    let difference: Vec<u64> = x.iter().zip(y).map(|(x, y)| x.wrapping_sub(*y) & mask).collect();
    let mut above = relu_window(session, &difference, ring, skip_low, radix)?;
    above.iter_mut().zip(y).for_each(|(d, y)| *d = d.wrapping_add(*y) & mask);
    Ok(above)
}

impl Run for ReluOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        relu_window(session, call.elements(0)?, call.ring()?, self.skip_low, self.radix)
    }
}

impl Run for MaxOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        max(session, call.elements(0)?, call.elements(1)?, call.ring()?, self.radix)
    }
}

/// `max(x, 0)`.
#[must_use]
pub fn ideal_relu(x: u64, ring: u8) -> u64 {
    if compare::ideal_drelu(x, ring) { x } else { 0 }
}

/// The values that [`relu_window`] may give: the second one only where `0 <= x < 2^skip_low`.
#[must_use]
pub fn ideal_relu_window(x: u64, ring: u8, skip_low: u8) -> [u64; 2] {
    let exact = ideal_relu(x, ring);
    [exact, if exact >> skip_low == 0 { 0 } else { exact }]
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

    /// Exact outside the band; inside, zero as often as the low bits of uniform shares carry.
    #[test]
    fn a_window_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(4);
        for (ring, skip_low) in [(8, 1), (12, 4), (17, 6), (21, 3), (37, 30), (64, 20), (5, 3)] {
            let n = 500;
            let mut x = pair.samples_below(n, ring - 2, ring);
            let band = x.iter_mut().step_by(2);
            band.for_each(|x| *x &= low_mask(u32::from(skip_low)));
            let shares = pair.share(&x, ring);
            let out = pair.run(cost::relu_window(n as u64, ring, skip_low, 4), |s| {
                relu_window(s, &shares[s.party() as usize], ring, skip_low, 4)
            });
            for (x, got) in x.iter().zip(open(&out, ring)) {
                assert!(ideal_relu_window(*x, ring, skip_low).contains(&got), "ring {ring}: {x} gives {got}");
            }
        }
        let (n, ring, skip_low) = (4000, 16, 6);
        for x in [0u64, 7, 31, 60, 63] {
            let values = vec![x + 1; n];
            let shares = pair.share(&values, ring);
            let out = pair.run(cost::relu_window(n as u64, ring, skip_low, 4), |s| {
                relu_window(s, &shares[s.party() as usize], ring, skip_low, 4)
            });
            let kept = open(&out, ring).iter().filter(|&&v| v != 0).count() as f64 / n as f64;
            let expected = ((x + 2) as f64 / 64.0).min(1.0);
            assert!((kept - expected).abs() < 0.04, "{x}: kept {kept}, expected {expected}");
        }
    }

    #[test]
    fn a_window_of_maxima_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(5);
        let (n, ring, skip_low) = (300, 14, 4);
        let (x, y) = (pair.samples_below(n, ring - 1, ring), pair.samples_below(n, ring - 1, ring));
        let near: Vec<u64> = x.iter().zip(&y).map(|(x, y)| if x % 2 == 0 { x ^ (y & 7) } else { *y }).collect();
        let (xs, ys) = (pair.share(&x, ring), pair.share(&near, ring));
        let out = pair.run(cost::relu_window(n as u64, ring, skip_low, 4), |s| {
            max_window(s, &xs[s.party() as usize], &ys[s.party() as usize], ring, skip_low, 4)
        });
        for ((x, y), got) in x.iter().zip(&near).zip(open(&out, ring)) {
            let lost = signed(ideal_max(*x, *y, ring), ring) - signed(got, ring);
            assert!((got == *x || got == *y) && (0..1 << skip_low).contains(&lost), "{x} {y} {got}");
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
            let cost = cost::relu_window(n as u64, 20, 5, 4);
            let (_, messages) = record(cost, |s| relu_window(s, &x, 20, 5, 4));
            assert_uniform_messages(&messages);
        }
    }

    #[test]
    fn nothing_costs_nothing() {
        let out = Pair::new(3).run(cost::relu(0, 32, 4), |s| relu(s, &[], 32, 4));
        assert!(out[0].is_empty() && out[1].is_empty());
    }
}

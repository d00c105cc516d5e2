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

//! Selection by a shared bit: multiplexer and bit-to-ring conversion.
//!
//! Paper: SIRNN (Rathee et al., S&P 2021), multiplexer and B2A from correlated OTs. Adversary: semi-honest.
//!
//! | | rounds | COTs | bits each way |
//! |---|---|---|---|
//! | mux, l bits | 2 exchanges | 1 each way | 1 + l |
//! | b2a, l bits | 2 messages | 1, the server sends | client 1, server l - 1 |
//!
//! Leakage: none, the results are exact. Bytes: [`picc_ir::mpc::cost::mux`], [`picc_ir::mpc::cost::b2a`].

use super::{correlate, low_mask};
use crate::bits::BitVec;
use crate::error::Result;
use crate::session::Session;
use picc_ir::Party;

/// Shares of `b x` for each of `xs` (one or two vectors with their ring bits), all under the same bits `b`.
///
/// `b x = b0 x0 + b1 x1 + b1 (x0 - 2 b0 x0) + b0 (x1 - 2 b1 x1)`: the last two terms are one correlated OT each.
pub fn mux(session: &mut Session, b: &BitVec, xs: &[(&[u64], u8)]) -> Result<Vec<Vec<u64>>> {
    if b.is_empty() {
        return Ok(vec![Vec::new(); xs.len()]);
    }
    // x if b is 0, -x if b is 1.
    let values: Vec<Vec<u64>> = xs
        .iter()
        .map(|(x, _)| {
            let one = |i: usize| u64::from(b.get(i));
            x.iter().enumerate().map(|(i, v)| (v ^ one(i).wrapping_neg()).wrapping_add(one(i))).collect()
        })
        .collect();
    let values: Vec<(&[u64], u8)> = values.iter().zip(xs).map(|(v, (_, width))| (v.as_slice(), *width)).collect();
    let widths: Vec<u8> = xs.iter().map(|(_, width)| *width).collect();

    let choice = correlate::choose(session, b)?;
    let mut shares = correlate::offer(session, &values)?;
    let chosen = correlate::accept(session, choice, &widths)?;
    for ((share, chosen), (x, width)) in shares.iter_mut().zip(&chosen).zip(xs) {
        for (i, s) in share.iter_mut().enumerate() {
            let own = x[i] & u64::from(b.get(i)).wrapping_neg();
            *s = s.wrapping_add(chosen[i]).wrapping_add(own) & low_mask((*width).into());
        }
    }
    Ok(shares)
}

/// Shares of the bits `b` in a ring of `ring` bits: `b0 + b1 - 2 b0 b1`.
pub fn b2a(session: &mut Session, b: &BitVec, ring: u8) -> Result<Vec<u64>> {
    let mut own: Vec<u64> = b.iter().map(u64::from).collect();
    if ring > 1 {
        let product = product_of_bits(session, b, ring - 1)?;
        for (own, product) in own.iter_mut().zip(product) {
            *own = own.wrapping_sub(2 * product) & low_mask(ring.into());
        }
    }
    Ok(own)
}

/// Shares of `width` bits of the product of the server's bit and the client's bit; each passes its own.
pub(super) fn product_of_bits(session: &mut Session, own: &BitVec, width: u8) -> Result<Vec<u64>> {
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let mut shares = match session.party() {
        Party::Client => {
            let choice = correlate::choose(session, own)?;
            correlate::accept(session, choice, &[width])?
        }
        Party::Server => {
            let bits: Vec<u64> = own.iter().map(u64::from).collect();
            correlate::offer(session, &[(&bits, width)])?
        }
    };
    Ok(shares.swap_remove(0))
}

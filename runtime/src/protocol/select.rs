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

use super::correlate::Choice;
use super::{correlate, low_mask};
use crate::bits::BitVec;
use crate::crypto::ct::Bit;
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
    let (mut shares, _) = mux_beside(session, b, xs, None)?;
    for (share, (_, width)) in shares.iter_mut().zip(xs) {
        share.iter_mut().for_each(|s| *s &= low_mask((*width).into()));
    }
    Ok(shares)
}

/// [`mux`] with unreduced shares, and in the same flights shares of the product of the server's and the client's bit,
/// of so many bits, if both pass theirs.
pub(super) fn mux_beside(
    session: &mut Session,
    b: &BitVec,
    xs: &[(&[u64], u8)],
    product: Option<(&BitVec, u8)>,
) -> Result<(Vec<Vec<u64>>, Vec<u64>)> {
    // x if b is 0, -x if b is 1.
    let values: Vec<Vec<u64>> = xs
        .iter()
        .map(|(x, _)| {
            let negated = |(v, bit): (&u64, Bit)| (v ^ bit.mask()).wrapping_add(bit.word());
            x.iter().zip(b.bits()).map(negated).collect()
        })
        .collect();
    let values: Vec<(&[u64], u8)> = values.iter().zip(xs).map(|(v, (_, width))| (v.as_slice(), *width)).collect();
    let widths: Vec<u8> = xs.iter().map(|(_, width)| *width).collect();

    let server = session.party() == Party::Server;
    let choice = correlate::choose(session, b)?;
    let chooses = product.filter(|_| !server);
    let second = chooses.map(|(bits, _)| correlate::choose(session, bits)).transpose()?;
    let mut shares = correlate::offer(session, &values)?;
    let offered = match product.filter(|_| server) {
        Some((bits, width)) => offer_bits(session, bits, width)?,
        None => Vec::new(),
    };
    let chosen = correlate::accept(session, choice, &widths)?;
    let product = match second.zip(chooses) {
        Some((second, (_, width))) => accept_bits(session, second, width)?,
        None => offered,
    };
    for ((share, chosen), (x, _)) in shares.iter_mut().zip(&chosen).zip(xs) {
        for (i, s) in share.iter_mut().enumerate() {
            let own = x[i] & b.bit(i).mask();
            *s = s.wrapping_add(chosen[i]).wrapping_add(own);
        }
    }
    Ok((shares, product))
}

/// Shares of the bits `b` in a ring of `ring` bits: `b0 + b1 - 2 b0 b1`.
pub fn b2a(session: &mut Session, b: &BitVec, ring: u8) -> Result<Vec<u64>> {
    let mut own: Vec<u64> = b.bits().map(Bit::word).collect();
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
    match session.party() {
        Party::Client => {
            let choice = correlate::choose(session, own)?;
            accept_bits(session, choice, width)
        }
        Party::Server => offer_bits(session, own, width),
    }
}

/// The OT sender's part of a product of bits.
pub(super) fn offer_bits(session: &mut Session, own: &BitVec, width: u8) -> Result<Vec<u64>> {
    let bits: Vec<u64> = own.bits().map(Bit::word).collect();
    Ok(correlate::offer(session, &[(&bits, width)])?.swap_remove(0))
}

/// The OT receiver's part of a product of bits, after its choice.
pub(super) fn accept_bits(session: &mut Session, choice: Choice, width: u8) -> Result<Vec<u64>> {
    Ok(correlate::accept(session, choice, &[width])?.swap_remove(0))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, RINGS, SIZES, assert_balanced, assert_uniform_messages, open, record};
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn mux_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        for ring in RINGS.into_iter().chain([1]) {
            for n in SIZES {
                let (x, index) = (pair.samples(n, ring), pair.samples(n, 10));
                let (xs, indices) = (pair.share(&x, ring), pair.share(&index, 10));
                let bits = [BitVec::random(n, &mut pair.rng), BitVec::random(n, &mut pair.rng)];
                let b = bits[0].xor(&bits[1]);
                let select =
                    |x: &[u64]| x.iter().enumerate().map(|(i, v)| v * u64::from(b.get(i))).collect::<Vec<_>>();

                let shares = pair.run(cost::mux(n as u64, &[ring]), |s| {
                    let me = s.party() as usize;
                    Ok(mux(s, &bits[me], &[(&xs[me], ring)])?.swap_remove(0))
                });
                assert_eq!(open(&shares, ring), select(&x));

                let [a, b] = pair.run(cost::mux(n as u64, &[ring, 10]), |s| {
                    let me = s.party() as usize;
                    mux(s, &bits[me], &[(&xs[me], ring), (&indices[me], 10)])
                });
                assert_eq!(open(&[a[0].clone(), b[0].clone()], ring), select(&x));
                assert_eq!(open(&[a[1].clone(), b[1].clone()], 10), select(&index));
            }
        }
    }

    #[test]
    fn b2a_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(2);
        for ring in RINGS.into_iter().chain([1, 2]) {
            for n in SIZES {
                let bits = [BitVec::random(n, &mut pair.rng), BitVec::random(n, &mut pair.rng)];
                let shares = pair.run(cost::b2a(n as u64, ring), |s| b2a(s, &bits[s.party() as usize], ring));
                let ideal: Vec<u64> = bits[0].xor(&bits[1]).iter().map(u64::from).collect();
                assert_eq!(open(&shares, ring), ideal, "ring {ring}");
            }
        }
    }

    #[test]
    fn messages_and_shares_are_uniform() {
        let n = 4096;
        for bit in [false, true] {
            let b: BitVec = (0..n).map(|_| bit).collect();
            let x = vec![5; n];
            let ([client, server], messages) = record(cost::mux(n as u64, &[20]), |s| mux(s, &b, &[(&x, 20)]));
            assert_uniform_messages(&messages);
            assert_balanced(&client[0], 20, "the client's share");
            assert_balanced(&server[0], 20, "the server's share");
        }
    }
}

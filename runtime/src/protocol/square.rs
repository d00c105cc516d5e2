//! Elementwise squares.
//!
//! Gilboa's product ([`super::product`]) of the cross term of `x^2 = x0^2 + x1^2 + 2 x0 x1`. Its factor 2 leaves the
//! top bit of the ring out: `l - 1 + l (l - 1) / 2` bits. Two flights. Adversary: semi-honest. Leakage: none; exact.
//! Bytes: [`SquareOt::price`].

use super::call::{Call, Run};
use super::mul::{Elementwise, local};
use super::{low_mask, product};
use crate::error::Result;
use crate::session::Session;
use picc_ir::Party;
use picc_ir::mpc::SquareOt;

/// Shares of `x^2` for shared x; the bits of `receiver`'s share choose.
pub fn square(session: &mut Session, x: &[u64], ring: u8, receiver: Party) -> Result<Vec<u64>> {
    let shape = SquareOt::shape(x.len() as u64, ring);
    let mut cross = vec![0; x.len()];
    if session.party() == receiver {
        let scalars = product::choose(session, &shape, &Elementwise, x)?;
        product::receive(session, &shape, &Elementwise, scalars, &mut cross)?;
    } else {
        product::send(session, &shape, &Elementwise, x, &mut cross)?;
    }
    let own = local(x, x, ring);
    Ok(own.into_iter().zip(cross).map(|(o, c)| o.wrapping_add(c << 1) & low_mask(ring.into())).collect())
}

impl Run for SquareOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        square(session, call.elements(0)?, call.ring()?, self.receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, RINGS, SIZES, assert_balanced, assert_uniform_messages, open, record};
    use super::*;

    #[test]
    fn square_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(4);
        for ring in RINGS.into_iter().chain([1, 2, 3]) {
            for (n, receiver) in SIZES.into_iter().flat_map(|n| Party::BOTH.map(|p| (n, p))) {
                let x = pair.samples(n, ring);
                let xs = pair.share(&x, ring);
                let cost = SquareOt::price(n as u64, ring, receiver);
                let out = pair.run(cost, |s| square(s, &xs[s.party() as usize], ring, receiver));
                assert_eq!(open(&out, ring), local(&x, &x, ring), "ring {ring}, {receiver:?} receives");
            }
        }
    }

    #[test]
    fn messages_and_shares_of_squares_are_uniform() {
        for receiver in Party::BOTH {
            let x = vec![3; 4096];
            // The messages of one element fill 15 whole bytes.
            let ([client, server], messages) =
                record(SquareOt::price(4096, 16, receiver), |s| square(s, &x, 16, receiver));
            assert_uniform_messages(&messages);
            // What is left of a share without its party's own square is even.
            let halves =
                |share: &[u64]| share.iter().map(|s| (s.wrapping_sub(9) & 0xffff) >> 1).collect::<Vec<_>>();
            assert_balanced(&halves(&client), 15, "the client's share");
            assert_balanced(&halves(&server), 15, "the server's share");
        }
    }
}

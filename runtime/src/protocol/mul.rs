//! Elementwise products.
//!
//! Gilboa's product ([`super::product`]) of each cross term: `x y = x0 y0 + x1 y1 + x0 y1 + x1 y0`. Shared times shared
//! has two cross terms, in the same two rounds: `2 (l + l (l + 1) / 2)` bits. Shared times the server's has one, whose
//! scalars are either the server's (few bits) or the client's share. Adversary: semi-honest. Leakage: none; exact.
//! Bytes: [`picc_ir::mpc::cost::mul`], [`picc_ir::mpc::cost::mul_server`].

use super::call::{Call, Run};
use super::{low_mask, product};
use crate::bits::BitVec;
use crate::channel::Kind;
use crate::error::{Error, Result};
use crate::session::Session;
use picc_ir::mpc::MulOt;
use picc_ir::mpc::cost::{ProductShape, RowRun};
use picc_ir::mpc::node_cost::value_bits;
use picc_ir::{Owner, Party};

/// Scalar i times value i.
pub(super) struct Elementwise;

impl product::Rows for Elementwise {
    fn scalar(&self, _run: usize, scalar: usize) -> usize {
        scalar
    }

    fn visit(&self, _run: usize, scalar: usize, visit: &mut dyn FnMut(usize, usize)) {
        visit(scalar, scalar);
    }
}

fn shape(n: usize, ring: u8, choice_bits: u8) -> ProductShape {
    ProductShape::new(ring, choice_bits, [RowRun { scalars: n as u64, row: 1 }])
}

pub(super) fn local(x: &[u64], y: &[u64], ring: u8) -> Vec<u64> {
    x.iter().zip(y).map(|(x, y)| x.wrapping_mul(*y) & low_mask(ring.into())).collect()
}

/// Shares of `x y` for shared x and y.
pub fn mul(session: &mut Session, x: &[u64], y: &[u64], ring: u8) -> Result<Vec<u64>> {
    let mut out = local(x, y, ring);
    if x.is_empty() {
        return Ok(out);
    }
    let shape = shape(x.len(), ring, ring);
    // Own x times the other's y, and the other way round.
    let scalars = product::choose(session, &shape, &Elementwise, x)?;
    let n = x.len() * ring as usize;
    let choices = BitVec::from_bytes(&session.channel.recv(Kind::Choice, n.div_ceil(8))?, n);
    product::answer(session, &shape, &Elementwise, y, &choices, &mut out)?;
    product::receive(session, &shape, &Elementwise, scalars, &mut out)?;
    Ok(out)
}

/// Shares of `x w` for shared x and the server's w of `weight_bits` bits in two's complement (`Some` at the server).
pub fn mul_server(
    session: &mut Session,
    x: &[u64],
    w: Option<&[u64]>,
    ring: u8,
    weight_bits: u8,
    receiver: Party,
) -> Result<Vec<u64>> {
    let (mine, mut out) = match (session.party(), w) {
        (Party::Server, Some(w)) if w.len() == x.len() => (w, local(x, w, ring)),
        (Party::Client, None) => (x, vec![0; x.len()]),
        _ => {
            return Err(Error::Bug(
                "mul_server: the server passes one weight an element, the client none".to_owned(),
            ));
        }
    };
    let shape = shape(x.len(), ring, if receiver == Party::Server { weight_bits } else { ring });
    if session.party() == receiver {
        let scalars = product::choose(session, &shape, &Elementwise, mine)?;
        product::receive(session, &shape, &Elementwise, scalars, &mut out)?;
    } else {
        product::send(session, &shape, &Elementwise, mine, &mut out)?;
    }
    Ok(out)
}

/// With two shares, or with values that the server knows.
impl Run for MulOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        let (x, ring) = (call.elements(0)?, call.ring()?);
        if call.tys[1].owner != Owner::Server {
            return mul(session, x, call.elements(1)?, ring);
        }
        let bits = value_bits(call.format(1)?);
        let w = call.own(1).is_some().then(|| call.elements(1)).transpose()?;
        mul_server(session, x, w, ring, bits, Party::Server)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, RINGS, SIZES, assert_balanced, assert_uniform_messages, open, record};
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn mul_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        for ring in RINGS.into_iter().chain([1, 2]) {
            for n in SIZES {
                let (x, y) = (pair.samples(n, ring), pair.samples(n, ring));
                let (xs, ys) = (pair.share(&x, ring), pair.share(&y, ring));
                let out = pair.run(cost::mul(n as u64, ring), |s| {
                    mul(s, &xs[s.party() as usize], &ys[s.party() as usize], ring)
                });
                assert_eq!(open(&out, ring), local(&x, &y, ring), "ring {ring}");
            }
        }
    }

    #[test]
    fn mul_server_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(2);
        for ring in RINGS {
            for weight_bits in [1, 2, 8, ring] {
                for (n, receiver) in SIZES.into_iter().flat_map(|n| Party::BOTH.map(|p| (n, p))) {
                    let (x, w) = (pair.samples(n, ring), pair.samples_below(n, weight_bits, ring));
                    let xs = pair.share(&x, ring);
                    let cost = cost::mul_server(n as u64, ring, weight_bits, receiver);
                    let out = pair.run(cost, |s| {
                        let weights = (s.party() == Party::Server).then_some(w.as_slice());
                        mul_server(s, &xs[s.party() as usize], weights, ring, weight_bits, receiver)
                    });
                    assert_eq!(open(&out, ring), local(&x, &w, ring), "ring {ring}, weights {weight_bits}");
                }
            }
        }
    }

    #[test]
    fn messages_and_shares_are_uniform() {
        // The messages of one element fill 17 whole bytes.
        let x = vec![3; 4096];
        let ([client, server], messages) = record(cost::mul(4096, 16), |s| mul(s, &x, &x, 16));
        assert_uniform_messages(&messages);
        assert_balanced(&client, 16, "the client's share");
        assert_balanced(&server, 16, "the server's share");
    }

    #[test]
    fn weights_at_the_wrong_party_are_a_bug() {
        let out = Pair::new(3).run(cost::trunc_local(), |s| {
            let weights = (s.party() == Party::Client).then_some([1].as_slice());
            Ok(matches!(mul_server(s, &[1], weights, 8, 8, Party::Server), Err(Error::Bug(_))))
        });
        assert_eq!(out, [true, true]);
    }
}

//! Elementwise products.
//!
//! Gilboa's product ([`super::product`]) of each cross term: `x y = x0 y0 + x1 y1 + x0 y1 + x1 y0`. Shared times shared has
//! two cross terms, in the same two rounds: `2 (l + l (l + 1) / 2)` bits. Shared times the server's has one, whose
//! scalars are either the server's (few bits) or the client's share. Adversary: semi-honest. Leakage: none; exact.
//! Bytes: [`picc_ir::mpc::cost::mul`], [`picc_ir::mpc::cost::mul_server`].

use super::{low_mask, product};
use crate::bits::BitVec;
use crate::channel::Kind;
use crate::error::{Error, Result};
use crate::session::Session;
use picc_ir::Party;
use picc_ir::mpc::cost::{ProductShape, RowRun};

/// Scalar i times value i.
struct Elementwise;

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

fn local(x: &[u64], y: &[u64], ring: u8) -> Vec<u64> {
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

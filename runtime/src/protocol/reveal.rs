//! Opening a value to one party: the other one sends its share.
//!
//! Adversary: semi-honest. One message of `ceil(n l / 8)` bytes. Leakage: `to` learns the value, and nothing else: the
//! other share is the value minus its own.

use super::{low_mask, pack, unpack};
use crate::channel::Kind;
use crate::crypto::ct;
use crate::error::Result;
use crate::session::Session;
use picc_ir::Party;

/// The values at `to`, nothing at the other party.
pub fn reveal(session: &mut Session, share: &[u64], ring: u8, to: Party) -> Result<Option<Vec<u64>>> {
    let n = share.len();
    if session.party() != to {
        if n > 0 {
            session.channel.send(Kind::Reveal, &pack(share, ring))?;
            session.channel.flush()?;
        }
        return Ok(None);
    }
    if n == 0 {
        return Ok(Some(Vec::new()));
    }
    let theirs = session.channel.recv(Kind::Reveal, (n * ring as usize).div_ceil(8))?;
    let mut x = unpack(&theirs, n, ring);
    // What is revealed may be known to this party, and decide what it does next.
    x.iter_mut().zip(share).for_each(|(x, s)| *x = ct::public(x.wrapping_add(*s) & low_mask(ring.into())));
    Ok(Some(x))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, RINGS, SIZES};
    use super::*;
    use picc_ir::mpc::cost;

    #[test]
    fn only_the_named_party_learns() {
        let mut pair = Pair::new(1);
        for ring in RINGS {
            for n in SIZES.into_iter().chain([0]) {
                for to in Party::BOTH {
                    let x = pair.samples(n, ring);
                    let shares = pair.share(&x, ring);
                    let out = pair.run(cost::reveal(n as u64, ring, to), |s| {
                        reveal(s, &shares[s.party() as usize], ring, to)
                    });
                    assert!(out[to as usize].as_ref() == Some(&x));
                    assert!(out[to.other() as usize].is_none());
                }
            }
        }
    }
}

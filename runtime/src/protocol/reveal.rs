//! Opening a value to one party: the other one sends its share.
//!
//! Adversary: semi-honest. One message of `ceil(n l / 8)` bytes. Leakage: `to` learns the value, and nothing else: the
//! other share is the value minus its own.

use super::{low_mask, pack, unpack};
use crate::channel::Kind;
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
    x.iter_mut().zip(share).for_each(|(x, s)| *x = x.wrapping_add(*s) & low_mask(ring.into()));
    Ok(Some(x))
}

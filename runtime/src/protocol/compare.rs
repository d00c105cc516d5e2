//! Comparison of two private integers, and the sign of a shared value.
//!
//! Paper: CrypTFlow2 (Rathee et al., CCS 2020), algorithms 1 (millionaires) and 2 (DReLU). Adversary: semi-honest.
//! Parameters: digits of at most `radix` bits (1 to 4), laid out by [`Comparison`]. Rounds: 2 for the leaves, one for
//! each level of the tree, of which the first overlaps with the leaves' second message. Bytes:
//! [`picc_ir::mpc::cost::greater`]. Leakage: none; the result is exact.

use super::{and, leaf, low_mask, signed};
use crate::bits::BitVec;
use crate::error::Result;
use crate::session::Session;
use picc_ir::{Party, mpc::cost::Comparison};

/// Shares of `[y > x]`, where `x` are the integers of `sender` and `y` those of the other party: each party passes its
/// own as `mine`, below `2^bits`.
pub fn greater(session: &mut Session, mine: &[u64], bits: u8, radix: u8, sender: Party) -> Result<BitVec> {
    let n = mine.len();
    if n == 0 || bits == 0 {
        return Ok(BitVec::zeros(n));
    }
    let plan = Comparison::new(u32::from(bits), radix);
    let mut items = if session.party() == sender {
        leaf::send(session, mine, &plan)?
    } else {
        leaf::receive(session, mine, &plan)?
    };
    for level in &plan.levels {
        items = and::level(session, &items, level)?;
    }
    // One item is left: its gt plane, then its (unused) eq plane.
    Ok(BitVec::from_words(items.words.chunks(2).map(|w| w[0]).collect(), n))
}

/// Shares of `[low bits of x0 + low bits of x1 >= 2^bits]`, the carry out of the low `bits` bits of a sharing.
pub(super) fn carry(session: &mut Session, x: &[u64], bits: u8, radix: u8) -> Result<BitVec> {
    // x_c + x_s >= 2^bits if and only if x_c > 2^bits - 1 - x_s.
    let flip = u64::from(session.party() == Party::Server).wrapping_neg();
    let mine: Vec<u64> = x.iter().map(|v| (v ^ flip) & low_mask(bits.into())).collect();
    greater(session, &mine, bits, radix, Party::Server)
}

/// Shares of `[x >= 0]` for signed values of a ring of `ring` bits.
pub fn drelu(session: &mut Session, x: &[u64], ring: u8, radix: u8) -> Result<BitVec> {
    let mut share = carry(session, x, ring - 1, radix)?;
    // msb(x) = msb(x0) ^ msb(x1) ^ carry into it.
    share.xor_assign(&msb(x, ring));
    Ok(if session.party() == Party::Server { share.not() } else { share })
}

/// The most significant bit of each share.
pub(super) fn msb(x: &[u64], ring: u8) -> BitVec {
    let words = x.chunks(64).map(|c| c.iter().enumerate().fold(0, |w, (i, v)| w | (v >> (ring - 1) & 1) << i));
    BitVec::from_words(words.collect(), x.len())
}

/// `[x >= 0]`.
#[must_use]
pub fn ideal_drelu(x: u64, ring: u8) -> bool {
    signed(x, ring) >= 0
}

//! Protocols that change the ring, and the reveal.

use super::compare::Comparison;
use super::select::{b2a_run, product_of_bits};
use super::{free, packed, script};
use crate::Party;
use crate::cost::Cost;

/// Truncation by shifting each share: no message.
#[must_use]
pub fn trunc_local() -> Cost {
    free()
}

/// Bit-exact truncation of `n` elements by `shift` bits into a ring of `ring - shift` bits.
#[must_use]
pub fn trunc_faithful(n: u64, ring: u8, shift: u8, radix: u8) -> Cost {
    script(|t| {
        Comparison::new(u32::from(shift), radix).run(t, n, Party::Server);
        if shift > 0 {
            b2a_run(t, n, ring - shift);
        }
    })
}

/// `n` elements from a ring of `from` bits into one of `to` bits, where the sign is known up to an offset.
#[must_use]
pub fn extend(n: u64, from: u8, to: u8) -> Cost {
    script(|t| {
        if to > from {
            product_of_bits(t, n, to - from);
        }
    })
}

/// `n` elements of `ring` bits opened to `to`.
#[must_use]
pub fn reveal(n: u64, ring: u8, to: Party) -> Cost {
    script(|t| {
        if n > 0 {
            t.message(to.other(), packed(n, u64::from(ring)));
        }
    })
}

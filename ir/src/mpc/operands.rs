//! What protocols ask of their operands.

use crate::semantics::elementwise::fixed;
use crate::ty::{Fixed, Owner, Ty, TypeError, ring_limits};

/// Largest number of bits that one leaf of an OT comparison looks at.
pub const MAX_RADIX: u8 = crate::cost::CotCounts::WIDEST as u8;

/// A shared fixed-point value.
pub(crate) fn shared(ty: &Ty) -> Result<Fixed, TypeError> {
    if ty.owner == Owner::Shared {
        fixed(ty)
    } else {
        Err(TypeError::new(format!("needs a shared value, got {ty}")))
    }
}

/// The server's weights, whose magnitude is below `2^(weight_bits - 1)`.
pub(crate) fn weights(ty: &Ty, weight_bits: u8) -> Result<Fixed, TypeError> {
    if ty.owner != Owner::Server {
        return Err(TypeError::new(format!("needs the server's weights, got {ty}")));
    }
    let f = fixed(ty)?;
    if weight_bits == 0 || weight_bits > f.ring_bits {
        return Err(TypeError::new(format!("weights of {weight_bits} bits in {ty}")));
    }
    if f.max_abs() >= 1 << (weight_bits - 1) {
        return Err(TypeError::new(format!("weights of {weight_bits} bits cannot hold {ty}")));
    }
    Ok(f)
}

pub(crate) fn radix_exists(radix: u8) -> Result<(), TypeError> {
    if (1..=MAX_RADIX).contains(&radix) {
        Ok(())
    } else {
        Err(TypeError::new(format!("radix is 1 to {MAX_RADIX}, not {radix}")))
    }
}

/// Differences of two values fit the ring: magnitudes are below a quarter of it.
pub(crate) fn differences_fit(f: Fixed) -> Result<(), TypeError> {
    if f.ring_bits >= 2 && f.max_abs() < 1 << (f.ring_bits - 2) {
        Ok(())
    } else {
        Err(TypeError::new(format!(
            "differences may wrap: [{}, {}] in a ring of {} bits (magnitudes must be below 2^(ring_bits - 2))",
            f.lo, f.hi, f.ring_bits
        )))
    }
}

/// The sign of `x >> skip_low`, one too small, is still that of a value of the shorter ring.
pub(crate) fn window_fits(f: Fixed, skip_low: u8) -> Result<(), TypeError> {
    // A comparison of no bits, and one of a value that the lost carry pushes out of the ring, mean nothing.
    let room = f.ring_bits.checked_sub(2).is_some_and(|most| skip_low <= most)
        && i128::from(f.lo) - i128::from(ring_limits(f.ring_bits).0) >= 1 << skip_low;
    if skip_low == 0 || room {
        Ok(())
    } else {
        Err(TypeError::new(format!(
            "a comparison without its {skip_low} low bits needs values from {skip_low} bits above the bottom of the \
             ring, got [{}, {}] in {} bits",
            f.lo, f.hi, f.ring_bits
        )))
    }
}

/// The geometry that a program states must be the one that its shapes give.
pub(crate) fn geometry_is<G: PartialEq + std::fmt::Debug>(stated: &G, derived: &G) -> Result<(), TypeError> {
    if stated == derived {
        Ok(())
    } else {
        Err(TypeError::new(format!("geometry {stated:?} is stated, shapes give {derived:?}")))
    }
}

//! Numbers of bits that [`crate::Options`] may ask for: once, for the library and for command lines.

use crate::error::{CompileError, Result};
use std::ops::RangeInclusive;

/// One ring for every value.
pub const RING: RangeInclusive<u8> = 8..=64;
/// Fraction bits of activations, or of weights.
pub const FRAC: RangeInclusive<u8> = 1..=24;
/// Significant bits of activations.
pub const PRECISION: RangeInclusive<u8> = 4..=24;
/// Bits by which values may get larger than calibration has shown.
pub const MARGIN: RangeInclusive<u8> = 0..=8;
/// Bits of a weight, its sign included.
pub const WEIGHT: RangeInclusive<u8> = 2..=16;

/// Refuses what lies outside.
pub(crate) fn check(option: &'static str, bits: Option<u8>, range: &RangeInclusive<u8>, what: &str) -> Result<()> {
    match bits {
        Some(bits) if !range.contains(&bits) => {
            let why = format!("{bits} is not among {} to {} {what}", range.start(), range.end());
            Err(CompileError::Options { option, why })
        }
        _ => Ok(()),
    }
}

//! Integers that products read and write.

use super::select::Tiles;

/// An integer of a ring in memory: unsigned types hold residues, signed ones signed representatives.
pub trait Element: Copy + Send + Sync + 'static {
    /// The same integer mod 2^64.
    fn to_u64(self) -> u64;
    /// The representative of `v` mod `2^(64 - shift)`.
    fn from_u64(v: u64, shift: u32) -> Self;
    /// These elements as lanes, where they are the same.
    #[doc(hidden)]
    #[allow(private_bounds)]
    fn lanes<L: Tiles>(_elements: &[Self]) -> Option<&[L]> {
        None
    }
}

macro_rules! element {
    ($($T:ty, $signed:literal, $lane:ty);*) => {$(
        impl Element for $T {
            #[inline(always)]
            fn to_u64(self) -> u64 {
                self as u64
            }

            #[inline(always)]
            fn from_u64(v: u64, shift: u32) -> $T {
                if $signed { ((v << shift).cast_signed() >> shift) as $T } else { (v << shift >> shift) as $T }
            }

            #[allow(private_bounds)]
            fn lanes<L: Tiles>(elements: &[$T]) -> Option<&[L]> {
                if std::any::TypeId::of::<L>() != std::any::TypeId::of::<$lane>() {
                    return None;
                }
                // SAFETY: `L` is an unsigned integer of the size of this one (or itself): every bit pattern is valid.
                Some(unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), elements.len()) })
            }
        }
    )*};
}

// The last column is the lane that is the same in memory.
element!(u64, false, u64; i64, true, u64; u32, false, u32; i32, true, u32; u16, false, u16; i16, true, u16);

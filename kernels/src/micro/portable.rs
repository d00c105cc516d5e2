//! The portable twin of every tile.

use super::arith::Lane;
use super::tile::{Raw, Start};

/// Sum of the products of two pairs of signed 16-bit numbers.
fn pairs(a: u32, b: u32) -> u32 {
    let product = |s: u32| i32::from((a >> s) as i16).wrapping_mul(i32::from((b >> s) as i16));
    product(0).wrapping_add(product(16)).cast_unsigned()
}

macro_rules! portable {
    ($name:ident, $L:ty, $lanes:literal, |$c:ident, $a:ident, $b:ident| $step:expr, |$u:ident| $upper:expr) => {
        /// # Safety
        /// As [`Raw`] states, with vectors of `$lanes`.
        pub(super) unsafe fn $name<const MR: usize, const NV: usize>(t: &Raw<$L>) {
            const LANES: usize = $lanes;
            // SAFETY: `Raw` states these lengths.
            let (c, offsets, bases, a) = unsafe {
                (
                    std::slice::from_raw_parts_mut(t.c, MR * NV * LANES),
                    std::slice::from_raw_parts(t.offsets, t.taps),
                    std::slice::from_raw_parts(t.bases, NV),
                    std::slice::from_raw_parts(t.a, t.taps * MR),
                )
            };
            for j in 0..NV {
                let mut sums = [[<$L as Lane>::ZERO; LANES]; MR];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let old = &c[(i * NV + j) * LANES..][..LANES];
                    for (s, &$u) in sums.iter_mut().zip(old) {
                        *s = match t.start {
                            Start::Zero => <$L as Lane>::ZERO,
                            Start::UpperLimb => $upper,
                        };
                    }
                }
                for (&offset, a) in offsets.iter().zip(a.chunks_exact(MR)) {
                    // SAFETY: `Raw` states that a vector at every base from every offset lies in the planes.
                    let row = unsafe {
                        std::slice::from_raw_parts(t.planes.add(offset as usize + bases[j] as usize), LANES)
                    };
                    for i in 0..MR {
                        for l in 0..LANES {
                            let ($c, $a, $b) = (sums[i][l], a[i], row[l]);
                            sums[i][l] = $step;
                        }
                    }
                }
                for (i, sums) in sums.iter().enumerate() {
                    c[(i * NV + j) * LANES..][..LANES].copy_from_slice(sums);
                }
            }
        }
    };
}

portable!(wide, u64, 4, |c, a, b| c.wrapping_add(a.wrapping_mul(b)), |u| u);
portable!(float, f64, 4, |c, a, b| c + a * b, |u| u);
portable!(word, u32, 8, |c, a, b| c.wrapping_add(a.wrapping_mul(b)), |u| u);
portable!(half, u32, 8, |c, a, b| c.wrapping_add(pairs(a, b)), |u| u << 16);

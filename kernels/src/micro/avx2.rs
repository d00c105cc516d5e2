//! Tiles for AVX2 and FMA: four 64-bit or eight 32-bit lanes.

use super::tile::{Raw, Start};
use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_add_epi64, _mm256_fmadd_pd, _mm256_loadu_pd, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_mul_epu32, _mm256_mullo_epi32, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_pd,
    _mm256_setzero_pd, _mm256_setzero_si256, _mm256_shuffle_epi32, _mm256_slli_epi32, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_storeu_pd, _mm256_storeu_si256,
};

macro_rules! tile {
    ($name:ident, $features:literal, $L:ty, $lanes:literal, $zero:ident, $load:ident, $store:ident, $cast:ty,
     |$u:ident| $upper:expr, |$s:ident| $splat:expr, |$c:ident, $a:ident, $b:ident| $step:expr) => {
        /// # Safety
        /// The processor has the features, and the buffers are as [`Raw`] states, with vectors of `$lanes`.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name<const MR: usize, const NV: usize>(t: &Raw<$L>) {
            let mut sums = [[$zero(); NV]; MR];
            if t.start == Start::UpperLimb {
                for i in 0..MR {
                    for j in 0..NV {
                        // SAFETY: `c` has `MR * NV * $lanes` elements.
                        let $u = unsafe { $load(t.c.add((i * NV + j) * $lanes).cast::<$cast>()) };
                        sums[i][j] = $upper;
                    }
                }
            }
            let mut bases = [0; NV];
            for j in 0..NV {
                // SAFETY: `bases` has `NV` elements.
                bases[j] = unsafe { *t.bases.add(j) } as usize;
            }
            for k in 0..t.taps {
                // SAFETY: `offsets` has `taps` elements.
                let offset = unsafe { *t.offsets.add(k) } as usize;
                let mut b = [$zero(); NV];
                for j in 0..NV {
                    // SAFETY: a vector at every base from every offset lies in the planes.
                    b[j] = unsafe { $load(t.planes.add(offset + bases[j]).cast::<$cast>()) };
                }
                for i in 0..MR {
                    // SAFETY: `a` has `taps * MR` elements.
                    let $s = unsafe { *t.a.add(k * MR + i) };
                    let $a = $splat;
                    for j in 0..NV {
                        let ($c, $b) = (sums[i][j], b[j]);
                        sums[i][j] = $step;
                    }
                }
            }
            for i in 0..MR {
                for j in 0..NV {
                    // SAFETY: `c` has `MR * NV * $lanes` elements.
                    unsafe { $store(t.c.add((i * NV + j) * $lanes).cast::<$cast>(), sums[i][j]) };
                }
            }
        }
    };
}

macro_rules! words {
    ($name:ident, $features:literal, $L:ty, $lanes:literal, |$u:ident| $upper:expr, |$s:ident| $splat:expr,
     |$c:ident, $a:ident, $b:ident| $step:expr) => {
        tile!(
            $name,
            $features,
            $L,
            $lanes,
            _mm256_setzero_si256,
            _mm256_loadu_si256,
            _mm256_storeu_si256,
            __m256i,
            |$u| $upper,
            |$s| $splat,
            |$c, $a, $b| $step
        );
    };
}

words!(word, "avx2", u32, 8, |u| u, |s| _mm256_set1_epi32(s.cast_signed()), |c, a, b| {
    _mm256_add_epi32(c, _mm256_mullo_epi32(a, b))
});
words!(half, "avx2", u32, 8, |u| _mm256_slli_epi32::<16>(u), |s| _mm256_set1_epi32(s.cast_signed()), |c, a, b| {
    _mm256_add_epi32(c, _mm256_madd_epi16(a, b))
});
tile!(
    float,
    "avx2,fma",
    f64,
    4,
    _mm256_setzero_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    f64,
    |u| u,
    |s| _mm256_set1_pd(s),
    |c, a, b| _mm256_fmadd_pd(a, b, c)
);

/// u64 lanes from 32-bit products: `a b = a_lo b_lo + 2^32 (a_hi b_lo + a_lo b_hi)`, the terms summed apart.
///
/// # Safety
/// The processor has the features, and the buffers are as [`Raw`] states, with vectors of 4.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn wide<const MR: usize, const NV: usize>(t: &Raw<u64>) {
    let mut low = [[_mm256_setzero_si256(); NV]; MR];
    let mut cross = low;
    if t.start == Start::UpperLimb {
        for i in 0..MR {
            for j in 0..NV {
                // SAFETY: `c` has `MR * NV * 4` elements.
                low[i][j] = unsafe { _mm256_loadu_si256(t.c.add((i * NV + j) * 4).cast()) };
            }
        }
    }
    for k in 0..t.taps {
        let mut b = [_mm256_setzero_si256(); NV];
        for j in 0..NV {
            // SAFETY: `offsets` has `taps` elements, `bases` has `NV`, and a vector at every base from every offset
            // lies in the planes.
            b[j] = unsafe {
                let at = *t.offsets.add(k) as usize + *t.bases.add(j) as usize;
                _mm256_loadu_si256(t.planes.add(at).cast())
            };
        }
        for i in 0..MR {
            // SAFETY: `a` has `taps * MR` elements.
            let a = _mm256_set1_epi64x(unsafe { *t.a.add(k * MR + i) }.cast_signed());
            let swapped = _mm256_shuffle_epi32::<0xb1>(a);
            for j in 0..NV {
                low[i][j] = _mm256_add_epi64(low[i][j], _mm256_mul_epu32(a, b[j]));
                cross[i][j] = _mm256_add_epi32(cross[i][j], _mm256_mullo_epi32(swapped, b[j]));
            }
        }
    }
    for i in 0..MR {
        for j in 0..NV {
            let both = _mm256_add_epi32(cross[i][j], _mm256_srli_epi64::<32>(cross[i][j]));
            let sum = _mm256_add_epi64(low[i][j], _mm256_slli_epi64::<32>(both));
            // SAFETY: `c` has `MR * NV * 4` elements.
            unsafe { _mm256_storeu_si256(t.c.add((i * NV + j) * 4).cast(), sum) };
        }
    }
}

//! Tiles for AVX-512: eight 64-bit or sixteen 32-bit lanes, 24 accumulators of the 32 registers.

use super::tile::{Raw, Start};
use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_add_epi64, _mm512_dpwssd_epi32, _mm512_fmadd_pd, _mm512_loadu_pd,
    _mm512_loadu_si512, _mm512_madd_epi16, _mm512_madd52lo_epu64, _mm512_mullo_epi32, _mm512_mullo_epi64,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set1_pd, _mm512_setzero_pd, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_storeu_pd, _mm512_storeu_si512,
};

macro_rules! tile {
    ($name:ident, $features:literal, $L:ty, $lanes:literal, $zero:ident, $load:ident, $store:ident, $cast:ty,
     |$u:ident| $upper:expr, |$s:ident| $splat:expr, |$c:ident, $a:ident, $b:ident| $step:expr) => {
        /// # Safety
        /// The processor has the features, and the buffers are as [`Raw`] states, with vectors of `$lanes`.
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name<const MR: usize, const NV: usize>(t: &Raw<$L>) {
            let mut sums = [[$zero(); NV]; MR];
            if t.start != Start::Zero {
                for i in 0..MR {
                    for j in 0..NV {
                        // SAFETY: `c` has `MR * NV * $lanes` elements.
                        let $u = unsafe { $load(t.c.add((i * NV + j) * $lanes).cast::<$cast>()) };
                        sums[i][j] = if t.start == Start::UpperLimb { $upper } else { $u };
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
            _mm512_setzero_si512,
            _mm512_loadu_si512,
            _mm512_storeu_si512,
            __m512i,
            |$u| $upper,
            |$s| $splat,
            |$c, $a, $b| $step
        );
    };
}

words!(wide, "avx512f,avx512dq", u64, 8, |u| u, |s| _mm512_set1_epi64(s.cast_signed()), |c, a, b| {
    _mm512_add_epi64(c, _mm512_mullo_epi64(a, b))
});
words!(wide52, "avx512f,avx512ifma", u64, 8, |u| u, |s| _mm512_set1_epi64(s.cast_signed()), |c, a, b| {
    _mm512_madd52lo_epu64(c, a, b)
});
words!(word, "avx512f", u32, 16, |u| u, |s| _mm512_set1_epi32(s.cast_signed()), |c, a, b| {
    _mm512_add_epi32(c, _mm512_mullo_epi32(a, b))
});
words!(
    half,
    "avx512f,avx512bw",
    u32,
    16,
    |u| _mm512_slli_epi32::<16>(u),
    |s| _mm512_set1_epi32(s.cast_signed()),
    |c, a, b| _mm512_add_epi32(c, _mm512_madd_epi16(a, b))
);
words!(
    half_vnni,
    "avx512f,avx512vnni",
    u32,
    16,
    |u| _mm512_slli_epi32::<16>(u),
    |s| _mm512_set1_epi32(s.cast_signed()),
    |c, a, b| _mm512_dpwssd_epi32(c, a, b)
);
tile!(
    float,
    "avx512f",
    f64,
    8,
    _mm512_setzero_pd,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    f64,
    |u| u,
    |s| _mm512_set1_pd(s),
    |c, a, b| _mm512_fmadd_pd(a, b, c)
);

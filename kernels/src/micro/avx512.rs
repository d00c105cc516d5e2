//! Tiles for AVX-512: eight 64-bit or sixteen 32-bit lanes, 24 accumulators of the 32 registers.

use super::tile::{Raw, Start};
use std::arch::asm;
use std::arch::x86_64::{
    __m512d, __m512i, _mm512_dpwssd_epi32, _mm512_fmadd_pd, _mm512_loadu_pd, _mm512_loadu_si512,
    _mm512_madd52lo_epu64, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set1_pd, _mm512_setzero_pd,
    _mm512_setzero_si512, _mm512_slli_epi32, _mm512_storeu_pd, _mm512_storeu_si512,
};

macro_rules! tile {
    ($name:ident, $features:literal, $L:ty, $lanes:literal, $zero:ident, $load:ident, $store:ident, $cast:ty,
     |$u:ident| $upper:expr, |$s:ident| $splat:expr, $two:ident) => {
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
                let row = |i: usize| {
                    // SAFETY: `a` has `taps * MR` elements.
                    let $s = unsafe { *t.a.add(k * MR + i) };
                    $splat
                };
                if MR % 2 == 0 {
                    for half in 0..MR / 2 {
                        let (i, m) = (2 * half, 2 * half + 1);
                        let a = [row(i), row(m)];
                        for j in 0..NV {
                            [sums[i][j], sums[m][j]] = $two([sums[i][j], sums[m][j]], a, [b[j], b[j]]);
                        }
                    }
                } else {
                    const { assert!(MR % 2 == 0 || NV % 2 == 0) };
                    for i in 0..MR {
                        let a = [row(i), row(i)];
                        for half in 0..NV / 2 {
                            let (j, n) = (2 * half, 2 * half + 1);
                            [sums[i][j], sums[i][n]] = $two([sums[i][j], sums[i][n]], a, [b[j], b[n]]);
                        }
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
     $two:ident) => {
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
            $two
        );
    };
}

/// Two sums of products by two instructions each.
///
/// Both products come first: compilers alternate products and sums, and some processors then send sums to the
/// multipliers' ports (1.36 cycles a product on Zen 4 instead of 1.12).
macro_rules! two_products {
    ($name:ident, $features:literal, $times:literal, $plus:literal) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn $name([mut c, mut d]: [__m512i; 2], a: [__m512i; 2], b: [__m512i; 2]) -> [__m512i; 2] {
            // SAFETY: arithmetic on registers; the function has the features.
            unsafe {
                asm!(
                    concat!($times, " {p}, {a0}, {b0}"),
                    concat!($times, " {q}, {a1}, {b1}"),
                    concat!($plus, " {c}, {c}, {p}"),
                    concat!($plus, " {d}, {d}, {q}"),
                    p = out(zmm_reg) _,
                    q = out(zmm_reg) _,
                    a0 = in(zmm_reg) a[0],
                    a1 = in(zmm_reg) a[1],
                    b0 = in(zmm_reg) b[0],
                    b1 = in(zmm_reg) b[1],
                    c = inout(zmm_reg) c,
                    d = inout(zmm_reg) d,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            [c, d]
        }
    };
}

two_products!(wide_two, "avx512f,avx512dq", "vpmullq", "vpaddq");
two_products!(word_two, "avx512f", "vpmulld", "vpaddd");
two_products!(half_two, "avx512f,avx512bw", "vpmaddwd", "vpaddd");

/// Two sums of products by one instruction each.
macro_rules! two_fused {
    ($name:ident, $features:literal, $V:ty, |$c:ident, $a:ident, $b:ident| $step:expr) => {
        #[inline]
        #[target_feature(enable = $features)]
        fn $name(c: [$V; 2], a: [$V; 2], b: [$V; 2]) -> [$V; 2] {
            let one = |i: usize| {
                let ($c, $a, $b) = (c[i], a[i], b[i]);
                $step
            };
            [one(0), one(1)]
        }
    };
}

two_fused!(wide52_two, "avx512f,avx512ifma", __m512i, |c, a, b| _mm512_madd52lo_epu64(c, a, b));
two_fused!(vnni_two, "avx512f,avx512vnni", __m512i, |c, a, b| _mm512_dpwssd_epi32(c, a, b));
two_fused!(float_two, "avx512f", __m512d, |c, a, b| _mm512_fmadd_pd(a, b, c));

words!(wide, "avx512f,avx512dq", u64, 8, |u| u, |s| _mm512_set1_epi64(s.cast_signed()), wide_two);
words!(wide52, "avx512f,avx512ifma", u64, 8, |u| u, |s| _mm512_set1_epi64(s.cast_signed()), wide52_two);
words!(word, "avx512f", u32, 16, |u| u, |s| _mm512_set1_epi32(s.cast_signed()), word_two);
words!(
    half,
    "avx512f,avx512bw",
    u32,
    16,
    |u| _mm512_slli_epi32::<16>(u),
    |s| _mm512_set1_epi32(s.cast_signed()),
    half_two
);
words!(
    half_vnni,
    "avx512f,avx512vnni",
    u32,
    16,
    |u| _mm512_slli_epi32::<16>(u),
    |s| _mm512_set1_epi32(s.cast_signed()),
    vnni_two
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
    float_two
);

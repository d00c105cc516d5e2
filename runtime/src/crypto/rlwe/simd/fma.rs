//! AVX2 and FMA: four lanes of f64, whose 53 bits hold every integer of a transform exactly.
//!
//! A factor w is centred, `|w| < p / 2`, and comes with `ratio = w / p` rounded to f64 (off by at most 2^-54). All
//! numbers below are integers, p is odd and below 2^51, and rounding is to nearest.
//!
//! **Product** ([`Lanes::mul`]), for `|a| <= 2p`: `high = fl(a w)` and `low = a w - high` (one FMA, exact) are
//! integers, since `|a w| < 2^102`, and `|low| <= 2^48`. Adding `3 * 2^51` to `a * ratio` in one FMA rounds it to an
//! integer q: `|a ratio| < 2^51`, so the sum lies in `[2^52, 2^53]`, where f64 are the integers. Hence
//! `|a w / p - q| <= 1/2 + |a| / 2^54`, and `r = a w - q p` has `|r| <= p / 2 + |a| / 8 <= 3p / 4`. The FMA
//! `high - q p = r - low` and the sum with `low` are integers below 2^53: both exact.
//!
//! **Reduction** ([`Lanes::reduce`]), for `|a| <= 4p < 2^53`: likewise `|a - q p| <= p / 2 + 1`, exact, with `1 / p`
//! for the ratio.
//!
//! **Bounds**, in multiples of p, up to 2^-49. Forward, two stages at a time: values enter within 2, the untwiddled
//! halves are reduced to 1/2, products are within 3/4, so sums are within 5/4; in the second stage products are within
//! 1/2 + 5/32 and sums within 61/32 < 2. Inverse, two stages at a time: values enter within 1, so sums of four are
//! within 4, and are reduced; differences of two are within 2, and so their products within 3/4; a difference of two
//! sums is reduced first; a sum of two products is reduced, the product of their difference is within 1/2 + 3/16. A
//! last product by `1 / N` leaves 3/4, from where one conditional addition of p gives the residue.
//!
//! No operand is subnormal, infinite or not a number: those alone make the time of an addition, a product or an FMA
//! depend on data.

use std::arch::x86_64::{
    __m256d, __m256i, _CMP_LT_OQ, _mm256_add_pd, _mm256_and_pd, _mm256_castsi256_pd, _mm256_cmp_pd,
    _mm256_fmadd_pd, _mm256_fmsub_pd, _mm256_fnmadd_pd, _mm256_loadu_pd, _mm256_loadu_si256, _mm256_mul_pd,
    _mm256_or_pd, _mm256_set1_pd, _mm256_setzero_pd, _mm256_storeu_pd, _mm256_sub_pd, _mm256_xor_pd,
};

/// Words of a register.
pub(super) type Word4 = [u64; 4];
/// The four values of a butterfly of two stages, or a square of 4 x 4.
pub(super) type Four = [__m256d; 4];

/// Proof of AVX2 and FMA.
#[derive(Clone, Copy)]
pub(in super::super) struct Fma(());

impl Fma {
    pub(super) fn detect() -> Option<Fma> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Fma(()))
    }
}

/// A factor in every lane, or four of them.
#[derive(Clone, Copy)]
pub(super) struct Twiddle {
    pub(super) w: __m256d,
    pub(super) ratio: __m256d,
}

/// Factors of one butterfly of two stages: of the stage with one, then of the stage with two.
pub(super) struct Twiddles(pub(super) [Twiddle; 3]);

pub(super) struct Lanes {
    pub(super) p: __m256d,
    inverse: __m256d,
    round: __m256d,
}

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new(p: u64) -> Lanes {
        let p = p as f64;
        Lanes {
            p: _mm256_set1_pd(p),
            inverse: _mm256_set1_pd(1.0 / p),
            round: _mm256_set1_pd(3.0 * (1u64 << 51) as f64),
        }
    }

    /// `a * w mod p` within 3p / 4, for `a` within 2p.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn mul(&self, a: __m256d, t: Twiddle) -> __m256d {
        let high = _mm256_mul_pd(a, t.w);
        let low = _mm256_fmsub_pd(a, t.w, high);
        let q = _mm256_sub_pd(_mm256_fmadd_pd(a, t.ratio, self.round), self.round);
        _mm256_add_pd(_mm256_fnmadd_pd(q, self.p, high), low)
    }

    /// `a mod p` within p / 2 + 1, for `a` within 4p.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn reduce(&self, a: __m256d) -> __m256d {
        let q = _mm256_sub_pd(_mm256_fmadd_pd(a, self.inverse, self.round), self.round);
        _mm256_fnmadd_pd(q, self.p, a)
    }

    /// The residue in `[0, p)` as integer words, for `-p < a < p`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn residue(&self, a: __m256d) -> __m256d {
        let negative = _mm256_cmp_pd::<_CMP_LT_OQ>(a, _mm256_setzero_pd());
        let a = _mm256_add_pd(a, _mm256_and_pd(negative, self.p));
        let two52 = _mm256_set1_pd((1u64 << 52) as f64);
        _mm256_xor_pd(_mm256_add_pd(a, two52), two52)
    }

    /// Both stages of a forward transform on values at a quarter's distance; see the bounds above.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn forward(&self, [x0, x1, x2, x3]: Four, Twiddles([one, left, right]): &Twiddles) -> Four {
        let (x0, x1) = (self.reduce(x0), self.reduce(x1));
        let (x2, x3) = (self.mul(x2, *one), self.mul(x3, *one));
        let (y0, y2) = (_mm256_add_pd(x0, x2), _mm256_sub_pd(x0, x2));
        let (y1, y3) = (_mm256_add_pd(x1, x3), _mm256_sub_pd(x1, x3));
        let (y1, y3) = (self.mul(y1, *left), self.mul(y3, *right));
        [_mm256_add_pd(y0, y1), _mm256_sub_pd(y0, y1), _mm256_add_pd(y2, y3), _mm256_sub_pd(y2, y3)]
    }

    /// Both stages of an inverse transform on values at a quarter's distance; see the bounds above.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn inverse(&self, [x0, x1, x2, x3]: Four, Twiddles([one, left, right]): &Twiddles) -> Four {
        let (y0, y1) = (_mm256_add_pd(x0, x1), self.mul(_mm256_sub_pd(x0, x1), *left));
        let (y2, y3) = (_mm256_add_pd(x2, x3), self.mul(_mm256_sub_pd(x2, x3), *right));
        [
            self.reduce(_mm256_add_pd(y0, y2)),
            self.reduce(_mm256_add_pd(y1, y3)),
            self.mul(self.reduce(_mm256_sub_pd(y0, y2)), *one),
            self.mul(_mm256_sub_pd(y1, y3), *one),
        ]
    }
}

/// Words below 2^52 as f64.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn integers(x: __m256d) -> __m256d {
    let two52 = _mm256_set1_pd((1u64 << 52) as f64);
    _mm256_sub_pd(_mm256_or_pd(x, two52), two52)
}

/// Four words, or four f64 stored as words.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(s: &Word4) -> __m256d {
    // SAFETY: four readable words, no alignment needed.
    unsafe { _mm256_castsi256_pd(_mm256_loadu_si256(s.as_ptr().cast::<__m256i>())) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store(s: &mut Word4, v: __m256d) {
    // SAFETY: four writable words, no alignment needed; any bits are a word.
    unsafe { _mm256_storeu_pd(s.as_mut_ptr().cast(), v) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_floats(s: &[f64; 4]) -> __m256d {
    // SAFETY: four readable f64, no alignment needed.
    unsafe { _mm256_loadu_pd(s.as_ptr()) }
}

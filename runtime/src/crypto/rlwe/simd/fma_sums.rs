//! Sums of products on four lanes of f64, without a reduction between them.
//!
//! A product of `x, w < 2^51` is below 2^102. Added to 2^104 in one FMA it is rounded to a multiple of 2^52, `h 2^52`,
//! which the low bits of the f64 hold as an integer h; `x w - h 2^52`, again by one FMA, is an integer within 2^51 and
//! exact. Added to `3 * 2^51` it is an integer in the low bits as well. Both are summed as the integers that their bits
//! are, less the bits of what was added. So `sum = high 2^52 + low` with a signed `low`; for
//! [`LIMIT`](super::super::ring::Accumulator::LIMIT) products `high < 2^62` and `|low| < 2^63`.

use super::super::ntt::NttTable;
use super::super::ring::{Multiplier, Term};
use super::fma::{Fma, Lanes, Twiddle, Word4, integers, load, store};
use std::arch::x86_64::{
    __m256d, __m256i, _mm256_add_epi64, _mm256_add_pd, _mm256_and_si256, _mm256_castpd_si256, _mm256_castsi256_pd,
    _mm256_fmadd_pd, _mm256_fmsub_pd, _mm256_set1_epi64x, _mm256_set1_pd, _mm256_srli_epi64, _mm256_sub_epi64,
    _mm256_sub_pd, _mm256_xor_si256,
};

/// `2^104`, to which the high parts are added.
const HIGH: u64 = (1023 + 104) << 52;
/// `3 * 2^51`, to which the low parts are added.
const LOW: u64 = 0x433 << 52 | 1 << 51;

impl Fma {
    /// Adds the parts of the products of every term's halves to `(low, high)` of each half; all slices of one length, a
    /// multiple of eight.
    pub(super) fn accumulate(self, sums: [(&mut [u64], &mut [u64]); 2], terms: &[Term<'_>]) {
        let [(l, h), (l2, h2)] = sums;
        let len = l.len();
        assert!(len.is_multiple_of(8) && [h.len(), l2.len(), h2.len()] == [len; 3]);
        for terms in terms.chunks(TERMS) {
            // SAFETY: `self` proves the features.
            unsafe { accumulate([(l, h), (l2, h2)], terms) }
        }
    }

    /// `out + sum mod p`, reduced, into `out`, of reduced values.
    pub(super) fn finish(self, table: &NttTable, low: &[u64], high: &[u64], out: &mut [u64]) {
        assert!(out.len().is_multiple_of(4) && [low.len(), high.len()] == [out.len(); 2]);
        // SAFETY: `self` proves the features.
        unsafe { finish(table, low, high, out) }
    }
}

/// Terms that are summed in registers: few enough for the processor to follow them through the memory.
const TERMS: usize = 2;

struct Split {
    high: __m256d,
    low: __m256d,
}

impl Split {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new() -> Split {
        Split { high: _mm256_set1_pd(f64::from_bits(HIGH)), low: _mm256_set1_pd(f64::from_bits(LOW)) }
    }

    /// Adds the parts of `x w` to `(low, high)`, with the bits of [`LOW`] and [`HIGH`].
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add(&self, (low, high): (__m256i, __m256i), x: __m256d, w: __m256d) -> (__m256i, __m256i) {
        let h = _mm256_fmadd_pd(x, w, self.high);
        let l = _mm256_add_pd(_mm256_fmsub_pd(x, w, _mm256_sub_pd(h, self.high)), self.low);
        (_mm256_add_epi64(low, _mm256_castpd_si256(l)), _mm256_add_epi64(high, _mm256_castpd_si256(h)))
    }
}

/// Sums of two registers of a half.
type Sums2 = [(__m256i, __m256i); 2];

#[target_feature(enable = "avx2,fma")]
fn accumulate(sums: [(&mut [u64], &mut [u64]); 2], terms: &[Term<'_>]) {
    let split = Split::new();
    let n = terms.len() as u64;
    let offsets = (constant(LOW.wrapping_mul(n)), constant(HIGH.wrapping_mul(n)));
    let [(l, h), (l2, h2)] = sums;
    let halves = pairs(l).zip(pairs(h)).zip(pairs(l2).zip(pairs(h2)));
    for (i, ((l, h), (l2, h2))) in halves.enumerate() {
        let (mut a, mut b) = (start(l, h, offsets), start(l2, h2, offsets));
        for Term { halves: [x, y], weight } in terms {
            let (w0, w1) = match weight {
                Multiplier::Each(w) => eight(w, i),
                Multiplier::All(w) => {
                    let w = _mm256_set1_pd(*w as f64);
                    (w, w)
                }
            };
            let ((x0, x1), (y0, y1)) = (eight(x, i), eight(y, i));
            a[0] = split.add(a[0], x0, w0);
            b[0] = split.add(b[0], y0, w0);
            a[1] = split.add(a[1], x1, w1);
            b[1] = split.add(b[1], y1, w1);
        }
        end(l, h, a);
        end(l2, h2, b);
    }
}

/// Words `8 i .. 8 i + 8`.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn eight(words: &[u64], i: usize) -> (__m256d, __m256d) {
    let [low, high] = &words.as_chunks::<4>().0.as_chunks::<2>().0[i];
    (integers(load(low)), integers(load(high)))
}

/// With `high = h1 2^32 + h0` and `low + 2^63 = l1 2^32 + l0`: `h1 2^84 + h0 2^52 + l1 2^32 + l0 - 2^63 + out`, three
/// products within 5/8 p, 2^32 < p / 2, and values below p / 2 and p.
#[target_feature(enable = "avx2,fma")]
fn finish(table: &NttTable, low: &[u64], high: &[u64], out: &mut [u64]) {
    let k = Lanes::new(table.modulus.p());
    let power = |(w, ratio): (f64, f64)| Twiddle { w: _mm256_set1_pd(w), ratio: _mm256_set1_pd(ratio) };
    let [two32, two52, two84] = table.centred.powers.map(power);
    let offset = _mm256_set1_pd(table.centred.minus_two63);
    let (sign, half) = (constant(1 << 63), constant(u64::from(u32::MAX)));
    let upper = |x| integers(_mm256_castsi256_pd(_mm256_srli_epi64::<32>(x)));
    let lower = |x| integers(_mm256_castsi256_pd(_mm256_and_si256(x, half)));
    let sums = low.as_chunks().0.iter().zip(high.as_chunks().0);
    for (out, (l, h)) in out.as_chunks_mut().0.iter_mut().zip(sums) {
        let (l, h) = (_mm256_xor_si256(words(l), sign), words(h));
        let products = _mm256_add_pd(k.mul(upper(h), two84), k.mul(lower(h), two52));
        let rest = _mm256_add_pd(k.mul(upper(l), two32), lower(l));
        let values = _mm256_add_pd(integers(load(out)), offset);
        let sum = _mm256_add_pd(_mm256_add_pd(products, rest), values);
        store(out, k.residue(k.reduce(sum)));
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn start(low: &[Word4; 2], high: &[Word4; 2], (less_low, less_high): (__m256i, __m256i)) -> Sums2 {
    [
        (_mm256_sub_epi64(words(&low[0]), less_low), _mm256_sub_epi64(words(&high[0]), less_high)),
        (_mm256_sub_epi64(words(&low[1]), less_low), _mm256_sub_epi64(words(&high[1]), less_high)),
    ]
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn end(low: &mut [Word4; 2], high: &mut [Word4; 2], [first, second]: Sums2) {
    store(&mut low[0], _mm256_castsi256_pd(first.0));
    store(&mut high[0], _mm256_castsi256_pd(first.1));
    store(&mut low[1], _mm256_castsi256_pd(second.0));
    store(&mut high[1], _mm256_castsi256_pd(second.1));
}

#[inline]
fn pairs(words: &mut [u64]) -> impl Iterator<Item = &mut [Word4; 2]> {
    words.as_chunks_mut::<4>().0.as_chunks_mut::<2>().0.iter_mut()
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn words(s: &Word4) -> __m256i {
    _mm256_castpd_si256(load(s))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn constant(x: u64) -> __m256i {
    _mm256_set1_epi64x(x.cast_signed())
}

//! AVX-512 IFMA: eight lanes of 52-bit multiply-add. Bounds as in [`super::super::ntt`]; lane for lane the portable
//! code.

use super::super::ntt::NttTable;
use std::arch::x86_64::{
    __m512i, _mm256_loadu_si256, _mm512_add_epi64, _mm512_and_si512, _mm512_castsi256_si512, _mm512_loadu_si512,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_min_epu64, _mm512_permutex2var_epi64,
    _mm512_permutexvar_epi64, _mm512_set1_epi64, _mm512_setr_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
    _mm512_sub_epi64,
};

/// Proof of AVX-512 F and IFMA.
#[derive(Clone, Copy)]
pub(in super::super) struct Ifma(());

impl Ifma {
    pub(super) fn detect() -> Option<Ifma> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")).then_some(Ifma(()))
    }

    /// Reduced coefficients to reduced values.
    pub(super) fn forward(self, table: &NttTable, a: &mut [u64]) {
        // SAFETY: `self` proves the features.
        unsafe { forward(table, a) }
    }

    /// Reduced values to reduced coefficients.
    pub(super) fn inverse(self, table: &NttTable, a: &mut [u64]) {
        // SAFETY: `self` proves the features.
        unsafe { inverse(table, a) }
    }

    /// `low[i], high[i] += ` the 52-bit halves of `x[i] * w[i]`; all slices of one length, a multiple of eight.
    pub(super) fn accumulate(self, low: &mut [u64], high: &mut [u64], x: &[u64], w: &[u64]) {
        assert!(x.len().is_multiple_of(8) && [low.len(), high.len(), w.len()] == [x.len(); 3]);
        // SAFETY: `self` proves the features.
        unsafe { accumulate(low, high, x, w) }
    }

    /// The same with one `w` for all.
    pub(super) fn accumulate_scalar(self, low: &mut [u64], high: &mut [u64], x: &[u64], w: u64) {
        assert!(x.len().is_multiple_of(8) && [low.len(), high.len()] == [x.len(); 2]);
        // SAFETY: `self` proves the features.
        unsafe { accumulate_scalar(low, high, x, w) }
    }
}

struct Lanes {
    p: __m512i,
    two_p: __m512i,
    /// `2^52 - p`: adding a multiple of it subtracts one of p, modulo 2^52.
    minus_p: __m512i,
    mask: __m512i,
    zero: __m512i,
}

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(p: u64) -> Lanes {
        Lanes {
            p: _mm512_set1_epi64(p as i64),
            two_p: _mm512_set1_epi64(2 * p as i64),
            minus_p: _mm512_set1_epi64(((1u64 << 52) - p) as i64),
            mask: _mm512_set1_epi64((1i64 << 52) - 1),
            zero: _mm512_setzero_si512(),
        }
    }

    /// `x * w mod p` in `[0, 2p)`, `x < 2^52`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn mul(&self, x: __m512i, w: __m512i, w_quotient: __m512i) -> __m512i {
        let q = _mm512_madd52hi_epu64(self.zero, x, w_quotient);
        let low = _mm512_madd52lo_epu64(self.zero, x, w);
        _mm512_and_si512(_mm512_madd52lo_epu64(low, q, self.minus_p), self.mask)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn below(&self, x: __m512i, bound: __m512i) -> __m512i {
        _mm512_min_epu64(x, _mm512_sub_epi64(x, bound))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn forward(&self, u: __m512i, v: __m512i, w: __m512i, wq: __m512i) -> (__m512i, __m512i) {
        let t = self.mul(v, w, wq);
        let sum = _mm512_add_epi64(u, t);
        let difference = _mm512_sub_epi64(_mm512_add_epi64(u, self.two_p), t);
        (self.below(sum, self.two_p), self.below(difference, self.two_p))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn inverse(&self, u: __m512i, v: __m512i, w: __m512i, wq: __m512i) -> (__m512i, __m512i) {
        let sum = _mm512_add_epi64(u, v);
        let difference = _mm512_sub_epi64(_mm512_add_epi64(u, self.two_p), v);
        (self.below(sum, self.two_p), self.mul(self.below(difference, self.two_p), w, wq))
    }
}

/// Lane `i` of the result is lane `index[i]` of the sixteen in `(a, b)`.
#[inline]
#[target_feature(enable = "avx512f")]
fn pick(a: __m512i, index: [i64; 8], b: __m512i) -> __m512i {
    let [i0, i1, i2, i3, i4, i5, i6, i7] = index;
    _mm512_permutex2var_epi64(a, _mm512_setr_epi64(i0, i1, i2, i3, i4, i5, i6, i7), b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(s: &[u64]) -> __m512i {
    let s: &[u64; 8] = s[..8].try_into().expect("eight lanes");
    // SAFETY: eight readable words, no alignment needed.
    unsafe { _mm512_loadu_si512(s.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(s: &mut [u64], v: __m512i) {
    let s: &mut [u64; 8] = (&mut s[..8]).try_into().expect("eight lanes");
    // SAFETY: eight writable words, no alignment needed.
    unsafe { _mm512_storeu_si512(s.as_mut_ptr().cast(), v) }
}

/// Twiddles `at..at + 2`, each in four lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn twiddle2(table: &[u64], at: usize) -> __m512i {
    let (a, b) = (table[at] as i64, table[at + 1] as i64);
    _mm512_setr_epi64(a, a, a, a, b, b, b, b)
}

/// Twiddles `at..at + 4`, each in two lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn twiddle4(table: &[u64], at: usize) -> __m512i {
    let four: &[u64; 4] = table[at..at + 4].try_into().expect("four lanes");
    // SAFETY: four readable words, no alignment needed.
    let four = unsafe { _mm256_loadu_si256(four.as_ptr().cast()) };
    _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3), _mm512_castsi256_si512(four))
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn forward(table: &NttTable, a: &mut [u64]) {
    let k = Lanes::new(table.modulus.p());
    let [w, wq] = &table.forward;
    let n = a.len();
    let (mut half, mut groups) = (n, 1);
    while half > 8 {
        half /= 2;
        for (g, block) in a.chunks_exact_mut(2 * half).enumerate() {
            let t = _mm512_set1_epi64(w[groups + g] as i64);
            let tq = _mm512_set1_epi64(wq[groups + g] as i64);
            let (us, vs) = block.split_at_mut(half);
            for (u, v) in us.chunks_exact_mut(8).zip(vs.chunks_exact_mut(8)) {
                let (x, y) = k.forward(load(u), load(v), t, tq);
                store(u, x);
                store(v, y);
            }
        }
        groups *= 2;
    }
    // The last three stages (distance 4, 2, 1) stay within sixteen values.
    for (i, block) in a.chunks_exact_mut(16).enumerate() {
        let (lo, hi) = (load(block), load(&block[8..]));
        let u = pick(lo, [0, 1, 2, 3, 8, 9, 10, 11], hi);
        let v = pick(lo, [4, 5, 6, 7, 12, 13, 14, 15], hi);
        let (x, y) = k.forward(u, v, twiddle2(w, n / 8 + 2 * i), twiddle2(wq, n / 8 + 2 * i));
        let u = pick(x, [0, 1, 8, 9, 4, 5, 12, 13], y);
        let v = pick(x, [2, 3, 10, 11, 6, 7, 14, 15], y);
        let (x, y) = k.forward(u, v, twiddle4(w, n / 4 + 4 * i), twiddle4(wq, n / 4 + 4 * i));
        let u = pick(x, [0, 8, 2, 10, 4, 12, 6, 14], y);
        let v = pick(x, [1, 9, 3, 11, 5, 13, 7, 15], y);
        let (x, y) = k.forward(u, v, load(&w[n / 2 + 8 * i..]), load(&wq[n / 2 + 8 * i..]));
        let lo = pick(x, [0, 8, 1, 9, 2, 10, 3, 11], y);
        let hi = pick(x, [4, 12, 5, 13, 6, 14, 7, 15], y);
        store(block, k.below(lo, k.p));
        store(&mut block[8..], k.below(hi, k.p));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn inverse(table: &NttTable, a: &mut [u64]) {
    let k = Lanes::new(table.modulus.p());
    let [w, wq] = &table.inverse;
    let n = a.len();
    for (i, block) in a.chunks_exact_mut(16).enumerate() {
        let (lo, hi) = (load(block), load(&block[8..]));
        let u = pick(lo, [0, 2, 4, 6, 8, 10, 12, 14], hi);
        let v = pick(lo, [1, 3, 5, 7, 9, 11, 13, 15], hi);
        let (x, y) = k.inverse(u, v, load(&w[n / 2 + 8 * i..]), load(&wq[n / 2 + 8 * i..]));
        let u = pick(x, [0, 8, 2, 10, 4, 12, 6, 14], y);
        let v = pick(x, [1, 9, 3, 11, 5, 13, 7, 15], y);
        let (x, y) = k.inverse(u, v, twiddle4(w, n / 4 + 4 * i), twiddle4(wq, n / 4 + 4 * i));
        let u = pick(x, [0, 1, 8, 9, 4, 5, 12, 13], y);
        let v = pick(x, [2, 3, 10, 11, 6, 7, 14, 15], y);
        let (x, y) = k.inverse(u, v, twiddle2(w, n / 8 + 2 * i), twiddle2(wq, n / 8 + 2 * i));
        store(block, pick(x, [0, 1, 2, 3, 8, 9, 10, 11], y));
        store(&mut block[8..], pick(x, [4, 5, 6, 7, 12, 13, 14, 15], y));
    }
    let (mut half, mut groups) = (8, n / 16);
    while groups > 0 {
        for (g, block) in a.chunks_exact_mut(2 * half).enumerate() {
            let t = _mm512_set1_epi64(w[groups + g] as i64);
            let tq = _mm512_set1_epi64(wq[groups + g] as i64);
            let (us, vs) = block.split_at_mut(half);
            for (u, v) in us.chunks_exact_mut(8).zip(vs.chunks_exact_mut(8)) {
                let (x, y) = k.inverse(load(u), load(v), t, tq);
                store(u, x);
                store(v, y);
            }
        }
        half *= 2;
        groups /= 2;
    }
    let t = _mm512_set1_epi64(table.degree_inverse.value as i64);
    let tq = _mm512_set1_epi64(table.degree_inverse.quotient as i64);
    for v in a.chunks_exact_mut(8) {
        let x = k.mul(load(v), t, tq);
        store(v, k.below(x, k.p));
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn accumulate(low: &mut [u64], high: &mut [u64], x: &[u64], w: &[u64]) {
    let lanes = low.chunks_exact_mut(8).zip(high.chunks_exact_mut(8));
    for ((l, h), (x, w)) in lanes.zip(x.chunks_exact(8).zip(w.chunks_exact(8))) {
        let (x, w) = (load(x), load(w));
        let (new_l, new_h) = (_mm512_madd52lo_epu64(load(l), x, w), _mm512_madd52hi_epu64(load(h), x, w));
        store(l, new_l);
        store(h, new_h);
    }
}

#[target_feature(enable = "avx512f,avx512ifma")]
fn accumulate_scalar(low: &mut [u64], high: &mut [u64], x: &[u64], w: u64) {
    let w = _mm512_set1_epi64(w as i64);
    for ((l, h), x) in low.chunks_exact_mut(8).zip(high.chunks_exact_mut(8)).zip(x.chunks_exact(8)) {
        let x = load(x);
        let (new_l, new_h) = (_mm512_madd52lo_epu64(load(l), x, w), _mm512_madd52hi_epu64(load(h), x, w));
        store(l, new_l);
        store(h, new_h);
    }
}

//! Transforms on four lanes of f64, two stages at a time; bounds and exactness in [`super::fma`].
//!
//! Between the first and the last pass the words hold f64. The last two forward stages, and the first two inverse ones,
//! stay within four values: sixteen are transposed, so that lane `l` holds the values of block `[0, 2, 1, 3][l]`.

use super::super::ntt::{Centred, NttTable};
use super::fma::{Fma, Four, Lanes, Twiddle, Twiddles, Word4, integers, load, load_floats, store};
use std::arch::x86_64::{
    __m256d, _mm256_add_pd, _mm256_permute2f128_pd, _mm256_permute4x64_pd, _mm256_set1_pd, _mm256_sub_pd,
    _mm256_unpackhi_pd, _mm256_unpacklo_pd,
};

impl Fma {
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
}

#[target_feature(enable = "avx2,fma")]
fn forward(table: &NttTable, a: &mut [u64]) {
    let k = Lanes::new(table.modulus.p());
    let w = &table.centred.forward;
    let (mut quarter, mut groups) = (a.len() / 4, 1);
    if a.len().ilog2() % 2 == 1 {
        first_stage(&k, broadcast(w, 1), a);
        (quarter, groups) = (quarter / 2, 2);
    } else {
        forward_pass::<true>(&k, w, groups, quarter, a);
        (quarter, groups) = (quarter / 4, 4);
    }
    while quarter > 1 {
        forward_pass::<false>(&k, w, groups, quarter, a);
        (quarter, groups) = (quarter / 4, groups * 4);
    }
    for (i, block) in a.as_chunks_mut::<4>().0.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let x = turn([load(&block[0]), load(&block[1]), load(&block[2]), load(&block[3])]);
        let y = turn_back(k.forward(x, &within_four(w, groups, i)));
        for (words, y) in block.iter_mut().zip(y) {
            store(words, k.residue(k.reduce(y)));
        }
    }
}

/// A stage alone, of words that hold integers.
#[target_feature(enable = "avx2,fma")]
fn first_stage(k: &Lanes, t: Twiddle, a: &mut [u64]) {
    let (us, vs) = a.split_at_mut(a.len() / 2);
    for (u, v) in us.as_chunks_mut().0.iter_mut().zip(vs.as_chunks_mut().0) {
        let (x, y) = (integers(load(u)), k.mul(integers(load(v)), t));
        store(u, _mm256_add_pd(x, y));
        store(v, _mm256_sub_pd(x, y));
    }
}

/// Two stages; the words are integers if `FIRST`.
#[target_feature(enable = "avx2,fma")]
fn forward_pass<const FIRST: bool>(k: &Lanes, w: &Centred, groups: usize, quarter: usize, a: &mut [u64]) {
    for (g, block) in a.chunks_exact_mut(4 * quarter).enumerate() {
        let t = broadcasts(w, groups, g);
        for [a, b, c, d] in quarters(block) {
            let mut x = [load(a), load(b), load(c), load(d)];
            if FIRST {
                x = [integers(x[0]), integers(x[1]), integers(x[2]), integers(x[3])];
            }
            let y = k.forward(x, &t);
            store(a, y[0]);
            store(b, y[1]);
            store(c, y[2]);
            store(d, y[3]);
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn inverse(table: &NttTable, a: &mut [u64]) {
    let k = Lanes::new(table.modulus.p());
    let w = &table.centred.inverse;
    let n = a.len();
    let scale = {
        let (w, ratio) = table.centred.degree_inverse;
        Twiddle { w: _mm256_set1_pd(w), ratio: _mm256_set1_pd(ratio) }
    };
    for (i, block) in a.as_chunks_mut::<4>().0.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let x = turn([load(&block[0]), load(&block[1]), load(&block[2]), load(&block[3])]);
        let x = [integers(x[0]), integers(x[1]), integers(x[2]), integers(x[3])];
        let y = turn_back(k.inverse(x, &within_four(w, n / 4, i)));
        for (words, y) in block.iter_mut().zip(y) {
            store(words, y);
        }
    }
    let (mut quarter, mut groups) = (4, n / 16);
    while groups > 1 {
        inverse_pass::<false>(&k, w, scale, groups, quarter, a);
        (quarter, groups) = (quarter * 4, groups / 4);
    }
    if groups == 1 {
        inverse_pass::<true>(&k, w, scale, groups, quarter, a);
    } else {
        last_stage(&k, broadcast(w, 1), scale, a);
    }
}

/// Two stages; `LAST` multiplies by `scale` and leaves integers.
#[target_feature(enable = "avx2,fma")]
fn inverse_pass<const LAST: bool>(
    k: &Lanes,
    w: &Centred,
    scale: Twiddle,
    groups: usize,
    quarter: usize,
    a: &mut [u64],
) {
    for (g, block) in a.chunks_exact_mut(4 * quarter).enumerate() {
        let t = broadcasts(w, groups, g);
        for [a, b, c, d] in quarters(block) {
            let mut y = k.inverse([load(a), load(b), load(c), load(d)], &t);
            if LAST {
                for y in &mut y {
                    *y = k.residue(k.mul(*y, scale));
                }
            }
            store(a, y[0]);
            store(b, y[1]);
            store(c, y[2]);
            store(d, y[3]);
        }
    }
}

/// A stage alone, multiplied by `scale`; leaves integers.
#[target_feature(enable = "avx2,fma")]
fn last_stage(k: &Lanes, t: Twiddle, scale: Twiddle, a: &mut [u64]) {
    let (us, vs) = a.split_at_mut(a.len() / 2);
    for (u, v) in us.as_chunks_mut().0.iter_mut().zip(vs.as_chunks_mut().0) {
        let (x, y) = (load(u), load(v));
        let difference = k.mul(_mm256_sub_pd(x, y), t);
        store(u, k.residue(k.mul(_mm256_add_pd(x, y), scale)));
        store(v, k.residue(k.mul(difference, scale)));
    }
}

/// The values of butterflies of two stages, four butterflies at a time.
#[inline(always)]
fn quarters(block: &mut [u64]) -> impl Iterator<Item = [&mut Word4; 4]> {
    let quarter = block.len() / 4;
    let (front, back) = block.split_at_mut(2 * quarter);
    let ((a, b), (c, d)) = (front.split_at_mut(quarter), back.split_at_mut(quarter));
    let [a, b, c, d] = [a, b, c, d].map(|part| part.as_chunks_mut::<4>().0.iter_mut());
    a.zip(b).zip(c.zip(d)).map(|((a, b), (c, d))| [a, b, c, d])
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn broadcast(w: &Centred, at: usize) -> Twiddle {
    Twiddle { w: _mm256_set1_pd(w.values[at]), ratio: _mm256_set1_pd(w.ratios[at]) }
}

/// The factors of group `g` of `groups`, and of its halves in the stage with twice as many groups.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn broadcasts(w: &Centred, groups: usize, g: usize) -> Twiddles {
    let halves = 2 * (groups + g);
    Twiddles([broadcast(w, groups + g), broadcast(w, halves), broadcast(w, halves + 1)])
}

/// The factors of the groups `4 i .. 4 i + 4` of `groups`, in the order of [`turn`].
#[inline]
#[target_feature(enable = "avx2,fma")]
fn within_four(w: &Centred, groups: usize, i: usize) -> Twiddles {
    let of = |s: &[f64]| {
        let (whole, _) = s[groups..].as_chunks::<4>();
        let (halves, _) = s[2 * groups..].as_chunks::<4>();
        let (a, b) = (load_floats(&halves[2 * i]), load_floats(&halves[2 * i + 1]));
        let one = _mm256_permute4x64_pd::<0b11_01_10_00>(load_floats(&whole[i]));
        [one, _mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)]
    };
    let ([w0, w1, w2], [r0, r1, r2]) = (of(&w.values), of(&w.ratios));
    Twiddles([Twiddle { w: w0, ratio: r0 }, Twiddle { w: w1, ratio: r1 }, Twiddle { w: w2, ratio: r2 }])
}

/// Row r holds the values of block r; row v of the result holds value v of blocks 0, 2, 1, 3.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn turn([a, b, c, d]: Four) -> Four {
    let (even, odd) = (_mm256_unpacklo_pd(a, c), _mm256_unpackhi_pd(a, c));
    let (even2, odd2) = (_mm256_unpacklo_pd(b, d), _mm256_unpackhi_pd(b, d));
    [low_halves(even, even2), low_halves(odd, odd2), high_halves(even, even2), high_halves(odd, odd2)]
}

/// The inverse of [`turn`].
#[inline]
#[target_feature(enable = "avx2,fma")]
fn turn_back([a, b, c, d]: Four) -> Four {
    let (even, odd) = (low_halves(a, c), low_halves(b, d));
    let (even2, odd2) = (high_halves(a, c), high_halves(b, d));
    [
        _mm256_unpacklo_pd(even, odd),
        _mm256_unpacklo_pd(even2, odd2),
        _mm256_unpackhi_pd(even, odd),
        _mm256_unpackhi_pd(even2, odd2),
    ]
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn low_halves(a: __m256d, b: __m256d) -> __m256d {
    _mm256_permute2f128_pd::<0x20>(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn high_halves(a: __m256d, b: __m256d) -> __m256d {
    _mm256_permute2f128_pd::<0x31>(a, b)
}

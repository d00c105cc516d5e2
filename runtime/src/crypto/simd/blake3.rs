//! Output blocks of BLAKE3, eight at a time: word w of every block in one register.

use super::transpose256::Avx2;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi32, _mm256_setr_epi8,
    _mm256_setr_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32,
    _mm256_storeu_si256, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

const IV: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];
/// Where a word of the message comes from in the next round.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS: usize = 7;

/// What all output blocks of one input have in common.
pub(crate) struct Root {
    pub(crate) key: [u32; 8],
    pub(crate) block: [u32; 16],
    pub(crate) len: u32,
    pub(crate) flags: u32,
}

/// Eight output blocks.
pub(crate) type Eight = [[[u32; 8]; 2]; 8];

impl Avx2 {
    /// Output blocks `counter .. counter + 8`, each as its two halves.
    pub(super) fn blake3(self, root: &Root, counter: u64, out: &mut Eight) {
        // SAFETY: `self` proves the features.
        unsafe { blake3(root, counter, out) }
    }
}

#[target_feature(enable = "avx2")]
fn blake3(root: &Root, counter: u64, out: &mut Eight) {
    let zero = _mm256_setzero_si256();
    let (mut low, mut high) = ([0i32; 8], [0i32; 8]);
    for (i, (low, high)) in low.iter_mut().zip(&mut high).enumerate() {
        let counter = counter.wrapping_add(i as u64).cast_signed();
        (*low, *high) = (counter as i32, (counter >> 32) as i32);
    }
    let mut v = [zero; 16];
    for (v, word) in v.iter_mut().zip(root.key.iter().chain(&IV)) {
        *v = every(*word);
    }
    (v[12], v[13], v[14], v[15]) = (lanes(low), lanes(high), every(root.len), every(root.flags));
    let mut m = root.block;
    for _ in 0..ROUNDS {
        mix(&mut v, [0, 4, 8, 12], m[0], m[1]);
        mix(&mut v, [1, 5, 9, 13], m[2], m[3]);
        mix(&mut v, [2, 6, 10, 14], m[4], m[5]);
        mix(&mut v, [3, 7, 11, 15], m[6], m[7]);
        mix(&mut v, [0, 5, 10, 15], m[8], m[9]);
        mix(&mut v, [1, 6, 11, 12], m[10], m[11]);
        mix(&mut v, [2, 7, 8, 13], m[12], m[13]);
        mix(&mut v, [3, 4, 9, 14], m[14], m[15]);
        let before = m;
        for (word, from) in m.iter_mut().zip(PERMUTATION) {
            *word = before[from];
        }
    }
    let (mut front, mut back) = ([zero; 8], [zero; 8]);
    for i in 0..8 {
        front[i] = _mm256_xor_si256(v[i], v[i + 8]);
        back[i] = _mm256_xor_si256(v[i + 8], every(root.key[i]));
    }
    for (block, (front, back)) in out.iter_mut().zip(turn(front).into_iter().zip(turn(back))) {
        store(&mut block[0], front);
        store(&mut block[1], back);
    }
}

/// The quarter-round G.
#[inline]
#[target_feature(enable = "avx2")]
fn mix(v: &mut [__m256i; 16], [a, b, c, d]: [usize; 4], x: u32, y: u32) {
    let by16 = _mm256_setr_epi8(
        2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
    );
    let by8 = _mm256_setr_epi8(
        1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12,
    );
    v[a] = _mm256_add_epi32(_mm256_add_epi32(v[a], v[b]), every(x));
    v[d] = _mm256_shuffle_epi8(_mm256_xor_si256(v[d], v[a]), by16);
    v[c] = _mm256_add_epi32(v[c], v[d]);
    let t = _mm256_xor_si256(v[b], v[c]);
    v[b] = _mm256_or_si256(_mm256_srli_epi32::<12>(t), _mm256_slli_epi32::<20>(t));
    v[a] = _mm256_add_epi32(_mm256_add_epi32(v[a], v[b]), every(y));
    v[d] = _mm256_shuffle_epi8(_mm256_xor_si256(v[d], v[a]), by8);
    v[c] = _mm256_add_epi32(v[c], v[d]);
    let t = _mm256_xor_si256(v[b], v[c]);
    v[b] = _mm256_or_si256(_mm256_srli_epi32::<7>(t), _mm256_slli_epi32::<25>(t));
}

/// Transposes a square of words.
#[inline]
#[target_feature(enable = "avx2")]
fn turn(r: [__m256i; 8]) -> [__m256i; 8] {
    let pairs = |a, b| (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (a0, a2) = pairs(r[0], r[1]);
    let (b0, b2) = pairs(r[2], r[3]);
    let (c0, c2) = pairs(r[4], r[5]);
    let (d0, d2) = pairs(r[6], r[7]);
    let fours = |a, b| (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let (e0, e1) = fours(a0, b0);
    let (e2, e3) = fours(a2, b2);
    let (f0, f1) = fours(c0, d0);
    let (f2, f3) = fours(c2, d2);
    let low = |a, b| _mm256_permute2x128_si256::<0x20>(a, b);
    let high = |a, b| _mm256_permute2x128_si256::<0x31>(a, b);
    [low(e0, f0), low(e1, f1), low(e2, f2), low(e3, f3), high(e0, f0), high(e1, f1), high(e2, f2), high(e3, f3)]
}

#[inline]
#[target_feature(enable = "avx2")]
fn every(word: u32) -> __m256i {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes([a, b, c, d, e, f, g, h]: [i32; 8]) -> __m256i {
    _mm256_setr_epi32(a, b, c, d, e, f, g, h)
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut [u32; 8], x: __m256i) {
    // SAFETY: eight words are 32 writable bytes of any value, no alignment needed.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), x) }
}

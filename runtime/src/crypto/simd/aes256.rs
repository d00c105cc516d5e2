//! VAES on 256-bit registers: two blocks of AES-128 each.

use super::aes::{self, Registers, V};
use super::round_keys::{self, RoundKeys};
use super::x86::load128;
use crate::crypto::Block;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi64, _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_broadcastsi128_si256,
    _mm256_castsi256_ps, _mm256_loadu_si256, _mm256_movemask_ps, _mm256_permutevar8x32_epi32, _mm256_set_epi64x,
    _mm256_setr_epi32, _mm256_slli_epi32, _mm256_storeu_si256, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
    _mm256_xor_si256,
};

/// Proof of AVX2, AES and VAES.
#[derive(Clone, Copy)]
pub(crate) struct Vaes(());

impl Vaes {
    pub(super) fn detect() -> Option<Vaes> {
        let present =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("aes") && is_x86_feature_detected!("vaes");
        present.then_some(Vaes(()))
    }

    pub(super) fn expand(self, key: Block) -> RoundKeys {
        // SAFETY: `self` proves the features.
        unsafe { round_keys::expand(key) }
    }

    pub(super) fn derive(self, keys: &RoundKeys, number: u64) -> RoundKeys {
        // SAFETY: `self` proves the features.
        unsafe { round_keys::derive(keys, number) }
    }

    /// `out[i] = AES(counter + i)`.
    pub(super) fn stream(self, keys: &RoundKeys, counter: u64, out: &mut [Block]) {
        // SAFETY: `self` proves the features.
        unsafe { stream(self, keys, counter, out) }
    }

    /// `x = AES(x xor offset) xor x xor offset`.
    pub(super) fn mmo(self, keys: &RoundKeys, offset: Block, blocks: &mut [Block]) {
        // SAFETY: `self` proves the features.
        unsafe { mmo(self, keys, offset, blocks) }
    }

    /// The bits 0, and the bits 1, of what [`Self::mmo`] makes of at most 64 blocks.
    pub(super) fn mmo_bits(self, keys: &RoundKeys, offset: Block, blocks: &[Block]) -> [u64; 2] {
        // SAFETY: `self` proves the features.
        unsafe { mmo_bits(self, keys, offset, blocks) }
    }

    /// See `StreamBank::sums`, for `BITS` bits.
    pub(super) fn sums<const BITS: usize>(
        self,
        keys: &[RoundKeys],
        counter: u64,
        all: &mut [Block],
        bits: &mut [&mut [Block]],
    ) {
        // SAFETY: `self` proves the features.
        unsafe { sums::<BITS>(self, keys, counter, all, bits) }
    }
}

#[target_feature(enable = "avx2,aes,vaes")]
fn stream(isa: Vaes, keys: &RoundKeys, counter: u64, out: &mut [Block]) {
    aes::stream(isa, keys, counter, out);
}

#[target_feature(enable = "avx2,aes,vaes")]
fn mmo(isa: Vaes, keys: &RoundKeys, offset: Block, blocks: &mut [Block]) {
    aes::mmo(isa, keys, offset, blocks);
}

#[target_feature(enable = "avx2,aes,vaes")]
fn mmo_bits(isa: Vaes, keys: &RoundKeys, offset: Block, blocks: &[Block]) -> [u64; 2] {
    aes::mmo_bits(isa, keys, offset, blocks)
}

#[target_feature(enable = "avx2,aes,vaes")]
fn sums<const BITS: usize>(
    isa: Vaes,
    keys: &[RoundKeys],
    counter: u64,
    all: &mut [Block],
    bits: &mut [&mut [Block]],
) {
    aes::sums::<2, BITS, Vaes>(isa, keys, counter, all, bits);
}

impl Registers<2> for Vaes {
    type Register = __m256i;

    #[inline(always)]
    fn counters(self, first: u64) -> __m256i {
        let first = first.cast_signed();
        // SAFETY: `self` proves the features.
        unsafe { _mm256_add_epi64(_mm256_set_epi64x(0, first, 0, first), _mm256_set_epi64x(0, 1, 0, 0)) }
    }

    #[inline(always)]
    fn broadcast(self, key: &Block) -> __m256i {
        // SAFETY: `self` proves the features.
        unsafe { _mm256_broadcastsi128_si256(load128(key)) }
    }

    #[inline(always)]
    fn load(self, from: &[Block; 2]) -> __m256i {
        // SAFETY: two blocks are 32 readable bytes; `self` proves the features.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, to: &mut [Block; 2], x: __m256i) {
        // SAFETY: two blocks are 32 writable bytes of any value; `self` proves the features.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), x) }
    }

    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` proves the features.
        unsafe { _mm256_xor_si256(a, b) }
    }

    #[inline(always)]
    fn round(self, x: __m256i, key: __m256i) -> __m256i {
        // SAFETY: `self` proves the features.
        unsafe { _mm256_aesenc_epi128(x, key) }
    }

    #[inline(always)]
    fn last_round(self, x: __m256i, key: __m256i) -> __m256i {
        // SAFETY: `self` proves the features.
        unsafe { _mm256_aesenclast_epi128(x, key) }
    }

    #[inline(always)]
    fn low_bits(self, [a, b, c, d, e, f, g, h]: &[__m256i; V]) -> [u64; 2] {
        // SAFETY: `self` proves the features.
        unsafe {
            // Of eight blocks the lowest words, in the order 0, 2, 4, 6, 1, 3, 5, 7, then in order.
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let x = _mm256_unpacklo_epi64(_mm256_unpacklo_epi32(*a, *b), _mm256_unpacklo_epi32(*c, *d));
            let y = _mm256_unpacklo_epi64(_mm256_unpacklo_epi32(*e, *f), _mm256_unpacklo_epi32(*g, *h));
            let (x, y) = (_mm256_permutevar8x32_epi32(x, order), _mm256_permutevar8x32_epi32(y, order));
            let signs = |x| u64::from(_mm256_movemask_ps(_mm256_castsi256_ps(x)).cast_unsigned());
            [
                signs(_mm256_slli_epi32::<31>(x)) | signs(_mm256_slli_epi32::<31>(y)) << 8,
                signs(_mm256_slli_epi32::<30>(x)) | signs(_mm256_slli_epi32::<30>(y)) << 8,
            ]
        }
    }
}

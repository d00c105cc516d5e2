//! AES-NI: one block of AES-128 in a register of 128 bits.

use super::aes::{self, Registers, V};
use super::round_keys::{self, RoundKeys};
use super::x86::load128;
use crate::crypto::Block;
use std::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_castsi128_ps, _mm_loadu_si128, _mm_movemask_ps,
    _mm_set_epi64x, _mm_slli_epi32, _mm_storeu_si128, _mm_unpacklo_epi32, _mm_unpacklo_epi64, _mm_xor_si128,
};

/// Proof of AES-NI and AVX.
#[derive(Clone, Copy)]
pub(crate) struct AesNi(());

impl AesNi {
    pub(super) fn detect() -> Option<AesNi> {
        (is_x86_feature_detected!("avx") && is_x86_feature_detected!("aes")).then_some(AesNi(()))
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

#[target_feature(enable = "avx,aes")]
fn stream(isa: AesNi, keys: &RoundKeys, counter: u64, out: &mut [Block]) {
    aes::stream(isa, keys, counter, out);
}

#[target_feature(enable = "avx,aes")]
fn mmo(isa: AesNi, keys: &RoundKeys, offset: Block, blocks: &mut [Block]) {
    aes::mmo(isa, keys, offset, blocks);
}

#[target_feature(enable = "avx,aes")]
fn mmo_bits(isa: AesNi, keys: &RoundKeys, offset: Block, blocks: &[Block]) -> [u64; 2] {
    aes::mmo_bits(isa, keys, offset, blocks)
}

#[target_feature(enable = "avx,aes")]
fn sums<const BITS: usize>(
    isa: AesNi,
    keys: &[RoundKeys],
    counter: u64,
    all: &mut [Block],
    bits: &mut [&mut [Block]],
) {
    aes::sums::<1, BITS, AesNi>(isa, keys, counter, all, bits);
}

impl Registers<1> for AesNi {
    type Register = __m128i;

    #[inline(always)]
    fn counters(self, first: u64) -> __m128i {
        let first = first.cast_signed();
        // SAFETY: `self` proves the features.
        unsafe { _mm_set_epi64x(0, first) }
    }

    #[inline(always)]
    fn broadcast(self, key: &Block) -> __m128i {
        load128(key)
    }

    #[inline(always)]
    fn load(self, from: &[Block; 1]) -> __m128i {
        // SAFETY: a block is 16 readable bytes; `self` proves the features.
        unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, to: &mut [Block; 1], x: __m128i) {
        // SAFETY: a block is 16 writable bytes of any value; `self` proves the features.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), x) }
    }

    #[inline(always)]
    fn xor(self, a: __m128i, b: __m128i) -> __m128i {
        // SAFETY: `self` proves the features.
        unsafe { _mm_xor_si128(a, b) }
    }

    #[inline(always)]
    fn round(self, x: __m128i, key: __m128i) -> __m128i {
        // SAFETY: `self` proves the features.
        unsafe { _mm_aesenc_si128(x, key) }
    }

    #[inline(always)]
    fn last_round(self, x: __m128i, key: __m128i) -> __m128i {
        // SAFETY: `self` proves the features.
        unsafe { _mm_aesenclast_si128(x, key) }
    }

    #[inline(always)]
    fn low_bits(self, [a, b, c, d, e, f, g, h]: &[__m128i; V]) -> [u64; 2] {
        // SAFETY: `self` proves the features.
        unsafe {
            // Of four blocks the lowest words.
            let x = _mm_unpacklo_epi64(_mm_unpacklo_epi32(*a, *b), _mm_unpacklo_epi32(*c, *d));
            let y = _mm_unpacklo_epi64(_mm_unpacklo_epi32(*e, *f), _mm_unpacklo_epi32(*g, *h));
            let signs = |x| u64::from(_mm_movemask_ps(_mm_castsi128_ps(x)).cast_unsigned());
            [
                signs(_mm_slli_epi32::<31>(x)) | signs(_mm_slli_epi32::<31>(y)) << 4,
                signs(_mm_slli_epi32::<30>(x)) | signs(_mm_slli_epi32::<30>(y)) << 4,
            ]
        }
    }
}

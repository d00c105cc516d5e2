//! The key schedule of AES-128, by the instructions of the cipher.

use super::x86::load128;
use crate::crypto::Block;
use std::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aeskeygenassist_si128, _mm_set_epi64x, _mm_shuffle_epi32,
    _mm_slli_si128, _mm_storeu_si128, _mm_xor_si128,
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Eleven round keys; the first may contain the start of a counter.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct RoundKeys(pub(super) [Block; 11]);

impl RoundKeys {
    /// Makes the counter start at `base`: the whitening key is added to the counter anyway.
    #[must_use]
    pub(crate) fn starting_at(mut self, base: Block) -> RoundKeys {
        self.0[0] ^= base;
        self
    }
}

#[target_feature(enable = "aes")]
pub(super) fn expand(key: Block) -> RoundKeys {
    expand128(load128(&key))
}

/// The round keys of `AES(number)`.
#[target_feature(enable = "aes")]
pub(super) fn derive(keys: &RoundKeys, number: u64) -> RoundKeys {
    let mut state = _mm_xor_si128(_mm_set_epi64x(0, number.cast_signed()), load128(&keys.0[0]));
    for key in &keys.0[1..10] {
        state = _mm_aesenc_si128(state, load128(key));
    }
    expand128(_mm_aesenclast_si128(state, load128(&keys.0[10])))
}

#[inline]
#[target_feature(enable = "aes")]
fn expand128(mut k: __m128i) -> RoundKeys {
    let mut keys = RoundKeys([Block::ZERO; 11]);
    store128(&mut keys.0[0], k);
    macro_rules! round {
        ($i:literal, $constant:literal) => {
            let word = _mm_shuffle_epi32::<0xff>(_mm_aeskeygenassist_si128::<$constant>(k));
            k = _mm_xor_si128(k, _mm_slli_si128::<4>(k));
            k = _mm_xor_si128(k, _mm_slli_si128::<8>(k));
            k = _mm_xor_si128(k, word);
            store128(&mut keys.0[$i], k);
        };
    }
    round!(1, 0x01);
    round!(2, 0x02);
    round!(3, 0x04);
    round!(4, 0x08);
    round!(5, 0x10);
    round!(6, 0x20);
    round!(7, 0x40);
    round!(8, 0x80);
    round!(9, 0x1b);
    round!(10, 0x36);
    keys
}

#[inline]
fn store128(b: &mut Block, x: __m128i) {
    // SAFETY: a block is 16 writable bytes of any value; SSE2 is part of x86-64.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(b).cast(), x) }
}

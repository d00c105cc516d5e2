//! Transposition of 128 columns, 128 rows at a time: bytes move by interleaving, bits by collecting the highest of 32 bytes.
//!
//! ```text
//!   32 columns x 16 bytes   --4 interleavings-->   16 registers, one byte of each of 32 columns
//!   each register           --8 collections-->     8 rows, 32 bits of each
//! ```
//!
//! One interleaving of the registers `i` and `i + 8` rotates the bits of a byte's address (register, place in its lane) by
//! one; four exchange the two parts of the address.

use super::x86::load128;
use crate::crypto::Block;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_castsi128_si256, _mm256_inserti128_si256, _mm256_movemask_epi8,
    _mm256_setzero_si256, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8,
};

/// Proof of AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Avx2> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }

    /// See [`crate::crypto::transpose`].
    pub(super) fn transpose(self, columns: &[Block], stride: usize, rows: &mut [Block]) {
        assert!(columns.len() >= 128 * stride && rows.len() <= 128 * stride);
        // SAFETY: `self` proves the features.
        unsafe { transpose(columns, stride, rows) }
    }
}

#[target_feature(enable = "avx2")]
fn transpose(columns: &[Block], stride: usize, rows: &mut [Block]) {
    let zero = _mm256_setzero_si256();
    // Byte r of the columns 32 g .. 32 g + 32.
    let mut bytes = [[zero; 4]; 16];
    for (at, rows) in rows.chunks_mut(128).enumerate() {
        for g in 0..4 {
            let mut group = [zero; 16];
            for (i, x) in group.iter_mut().enumerate() {
                let column = |c: usize| load128(&columns[(32 * g + c) * stride + at]);
                *x = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(column(i)), column(i + 16));
            }
            let group = interleave(&interleave(&interleave(&interleave(&group))));
            for (bytes, x) in bytes.iter_mut().zip(group) {
                bytes[g] = x;
            }
        }
        for (rows, mut x) in rows.chunks_mut(8).zip(bytes) {
            let mut eight = [Block::ZERO; 8];
            for row in eight.iter_mut().rev() {
                let mut bits = [0u32; 4];
                for (bits, x) in bits.iter_mut().zip(&mut x) {
                    *bits = _mm256_movemask_epi8(*x).cast_unsigned();
                    *x = _mm256_add_epi8(*x, *x);
                }
                let [a, b, c, d] = bits.map(u128::from);
                *row = Block(a | b << 32 | c << 64 | d << 96);
            }
            rows.copy_from_slice(&eight[..rows.len()]);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn interleave(x: &[__m256i; 16]) -> [__m256i; 16] {
    std::array::from_fn(|i| {
        let (a, b) = (x[i / 2], x[i / 2 + 8]);
        if i % 2 == 0 { _mm256_unpacklo_epi8(a, b) } else { _mm256_unpackhi_epi8(a, b) }
    })
}

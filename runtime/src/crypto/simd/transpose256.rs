//! Transposition of 128 columns, 128 rows at a time: bytes move by interleaving, bits by collecting the highest of 32
//! bytes.
//!
//! ```text
//!   32 columns x 16 bytes   --4 interleavings-->   16 registers, one byte of each of 32 columns
//!   each register           --8 collections-->     8 rows, 32 bits of each
//! ```
//!
//! One interleaving of the registers `i` and `i + 8` rotates the bits of a byte's address (register, place in its lane)
//! by one; four exchange the two parts of the address.

use super::x86::load128;
use crate::crypto::Block;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_castsi128_si256, _mm256_inserti128_si256, _mm256_movemask_epi8,
    _mm256_setzero_si256, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8,
};

/// Blocks of a column that are worked on at once: a line of the cache, before other columns displace it.
const STEP: usize = 4;

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
    // Of each of STEP blocks of the columns 32 g .. 32 g + 32: byte r.
    let mut bytes = [[[zero; 4]; 16]; STEP];
    for (step, rows) in rows.chunks_mut(128 * STEP).enumerate() {
        let squares = rows.len().div_ceil(128);
        for g in 0..4 {
            for (i, bytes) in bytes.iter_mut().enumerate().take(squares) {
                let block = |c: usize| load128(&columns[(32 * g + c) * stride + step * STEP + i]);
                let mut group = [zero; 16];
                for (c, x) in group.iter_mut().enumerate() {
                    *x = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(block(c)), block(c + 16));
                }
                let group = interleave(&interleave(&interleave(&interleave(&group))));
                for (bytes, x) in bytes.iter_mut().zip(group) {
                    bytes[g] = x;
                }
            }
        }
        for (rows, bytes) in rows.chunks_mut(8).zip(bytes.as_flattened()) {
            store_rows(*bytes, rows);
        }
    }
}

/// Up to eight rows, of whose bits `x` has a byte of each column.
#[inline]
#[target_feature(enable = "avx2")]
fn store_rows(mut x: [__m256i; 4], rows: &mut [Block]) {
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

#[inline]
#[target_feature(enable = "avx2")]
fn interleave(x: &[__m256i; 16]) -> [__m256i; 16] {
    std::array::from_fn(|i| {
        let (a, b) = (x[i / 2], x[i / 2 + 8]);
        if i % 2 == 0 { _mm256_unpacklo_epi8(a, b) } else { _mm256_unpackhi_epi8(a, b) }
    })
}

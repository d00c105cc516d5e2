//! Transposition of 128 columns, 512 rows at a time: bytes move by interleaving, bits by an affine map.
//!
//! ```text
//!   8 columns x 16 bytes     --3 interleavings-->  8-byte groups, one byte of each of 8 columns
//!   each group               --affine map------->  8 rows, 8 bits of each
//!   16 groups of 8 columns   --4 interleavings-->  rows of 16 bytes
//! ```
//!
//! One interleaving of the registers `i` and `i + half` rotates the bits of a byte's address (register, place in its
//! lane) by one, so `log2` of the number of registers of them exchange the two parts of the address.

use super::x86::Wide;
use crate::crypto::Block;
use std::arch::x86_64::{
    __m512i, _mm_storeu_si128, _mm512_extracti32x4_epi32, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_unpackhi_epi8, _mm512_unpacklo_epi8,
};

/// Rows of one step, in blocks of a column.
const STEP: usize = 4;

impl Wide {
    /// Whether [`Wide::transpose`] takes columns of `stride` blocks.
    pub(super) fn turns(stride: usize) -> bool {
        stride.is_multiple_of(STEP)
    }

    /// See [`crate::crypto::transpose`].
    pub(super) fn transpose(self, columns: &[Block], stride: usize, rows: &mut [Block]) {
        assert!(columns.len() >= 128 * stride && Wide::turns(stride) && rows.len() <= 128 * stride);
        for (step, rows) in rows.chunks_mut(128 * STEP).enumerate() {
            let columns = &columns[step * STEP..];
            if let Ok(rows) = rows.try_into() {
                // SAFETY: `self` proves the features; column 127 starts at 127 strides, with STEP blocks left.
                unsafe { transpose_step(columns, stride, rows) }
            } else {
                let mut buf = [Block::ZERO; 128 * STEP];
                // SAFETY: as above.
                unsafe { transpose_step(columns, stride, &mut buf) }
                rows.copy_from_slice(&buf[..rows.len()]);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn transpose_step(columns: &[Block], stride: usize, rows: &mut [Block; 128 * STEP]) {
    let zero = _mm512_setzero_si512();
    // Byte r of each group of the map's argument has bit r set: it picks bit r of each byte of the matrix.
    let identity = _mm512_set1_epi64(0x8040_2010_0804_0201_u64.cast_signed());
    let mut bytes = [[zero; 16]; 8];
    for c in 0..16 {
        let mut group = [zero; 8];
        for (i, g) in group.iter_mut().enumerate() {
            // The affine map numbers the rows of its matrix from the last byte.
            let column = &columns[(8 * c + 7 - i) * stride..][..STEP];
            // SAFETY: STEP blocks are the 64 bytes of a register, at any alignment.
            *g = unsafe { _mm512_loadu_si512(column.as_ptr().cast()) };
        }
        let group = interleave(&interleave(&interleave(&group)));
        for (j, g) in group.iter().enumerate() {
            bytes[j][c] = _mm512_gf2p8affine_epi64_epi8::<0>(identity, *g);
        }
    }
    for (j, group) in bytes.iter().enumerate() {
        let group = interleave(&interleave(&interleave(&interleave(group))));
        for (r, g) in group.iter().copied().enumerate() {
            // Lane l holds row 128 l + 16 j + r.
            let row = 16 * j + r;
            store(&mut rows[row], _mm512_extracti32x4_epi32::<0>(g));
            store(&mut rows[128 + row], _mm512_extracti32x4_epi32::<1>(g));
            store(&mut rows[256 + row], _mm512_extracti32x4_epi32::<2>(g));
            store(&mut rows[384 + row], _mm512_extracti32x4_epi32::<3>(g));
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn interleave<const N: usize>(x: &[__m512i; N]) -> [__m512i; N] {
    std::array::from_fn(|i| {
        let (a, b) = (x[i / 2], x[i / 2 + N / 2]);
        if i % 2 == 0 { _mm512_unpacklo_epi8(a, b) } else { _mm512_unpackhi_epi8(a, b) }
    })
}

#[inline]
fn store(b: &mut Block, x: std::arch::x86_64::__m128i) {
    // SAFETY: a block is 16 writable bytes of any value; SSE2 is part of x86-64.
    unsafe { _mm_storeu_si128(std::ptr::from_mut(b).cast(), x) }
}

//! Transposition of 128 columns of bits into rows of 128 bits.

use super::block::Block;
use super::simd::Turner;

/// `columns` holds 128 columns of `stride` blocks each; row `i` of the result has bit `c` of column `c` at `i`.
///
/// Writes `rows.len()` rows, at most `128 * stride`.
pub(crate) fn transpose(columns: &[Block], stride: usize, rows: &mut [Block]) {
    match Turner::available(stride).next() {
        Some(turner) => turner.transpose(columns, stride, rows),
        None => transpose_portable(columns, stride, rows),
    }
}

fn transpose_portable(columns: &[Block], stride: usize, rows: &mut [Block]) {
    for (at, out) in rows.chunks_mut(128).enumerate() {
        let mut square: [Block; 128] = std::array::from_fn(|c| columns[c * stride + at]);
        transpose_square(&mut square);
        out.copy_from_slice(&square[..out.len()]);
    }
}

/// Swaps ever smaller off-diagonal quarters (Hacker's Delight, 7-3).
fn transpose_square(m: &mut [Block; 128]) {
    let mut width = 64;
    let mut mask = u128::MAX >> 64;
    while width > 0 {
        let mut row = 0;
        while row < 128 {
            let swap = ((m[row].0 >> width) ^ m[row + width].0) & mask;
            m[row + width].0 ^= swap;
            m[row].0 ^= swap << width;
            row = (row + width + 1) & !width;
        }
        width /= 2;
        mask ^= mask << width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;

    #[test]
    fn rows_hold_the_bits_of_the_columns() {
        let mut rng = Rng::from_seed(6);
        for (stride, n) in [(1, 128), (1, 1), (3, 300), (4, 500), (16, 2048), (17, 2100), (64, 8192), (64, 3000)] {
            let mut columns = vec![Block::ZERO; 128 * stride];
            rng.fill_blocks(&mut columns);
            for turner in [None].into_iter().chain(Turner::available(stride).map(Some)) {
                let mut rows = vec![Block::ZERO; n];
                match turner {
                    Some(turner) => turner.transpose(&columns, stride, &mut rows),
                    None => transpose_portable(&columns, stride, &mut rows),
                }
                for i in 0..n {
                    for c in 0..128 {
                        let bit = columns[c * stride + i / 128].0 >> (i % 128) & 1;
                        assert_eq!(rows[i].0 >> c & 1, bit, "row {i} column {c}");
                    }
                }
            }
        }
    }
}

//! The code behind wide correlated OTs: 1-of-2^w OTs straight from the extension, `w` up to 4.
//!
//! Paper: SoftSpokenOT (Roy, CRYPTO 2022, ePrint 2022/192): subspace VOLE (section 3.3) turns small-field VOLEs into OTs
//! whose choices are words of a linear code; with a code of dimension w they are 1-of-2^w OTs, as in Kolesnikov,
//! Kumaresan, Rosulek, Trieu (CCS 2016) and Orru, Orsini, Scholl (CT-RSA 2017). Adversary: semi-honest.
//!
//! **The code.** The 15 *points* are the nonzero linear functions of a choice `v` of 4 bits; the word of `v` has at every
//! point the value of its function there. That is the simplex code [15, 4, 8]: each nonzero word is 1 at exactly 8
//! points. Every point stands for 16 columns, `16 / k` coordinates over GF(2^k), so that delta has 16 bits at it. The
//! points are ordered so that the functions that are not zero on the first w bits are the first `16 - 16 / 2^w` ones:
//!
//! ```text
//!   point   0 .. 7              8 .. 11            12, 13             14
//!           v0 + any of v1..v3  v1 + any of v2,v3  v2, v2 + v3        v3
//!   width 1 ------------------|
//!   width 2 -------------------------------------|
//!   width 3 -------------------------------------------------------|
//!   width 4 ---------------------------------------------------------------|
//! ```
//! Width w uses those points only. Width 1 is the correlated OT of the literature: the repetition code and 128 columns.
//!
//! **Folding.** Two words that differ do so at 8 points: 128 bits of delta. To have rows of 128 bits, not 240, and one
//! AES call for each key, points 8 to 14 are added onto the first eight by a fixed linear map ([`FOLD`]). It is chosen
//! so that, for each nonzero v, the 8 points of its word map bijectively (a test inverts all 15 matrices). So with `u`
//! the receiver's uniform choice,
//!
//! ```text
//!   q = t + offset(u),    offset linear in u, and for every v != 0: offset(v) uniform in GF(2)^128 over the choice of delta
//! ```
//! which is all that [`crate::crypto::hash`] asks for: key v of the sender is `H(q + offset(v))`, the receiver knows `H(t)`,
//! key u, and every other key is hidden as well as in an OT of width 1.
//!
//! **What the sender learns.** The receiver's `u` at the coordinates of points 0, 1, 2, 4 is its choice (these determine
//! a word), and at every other coordinate it sends `u` plus the word's value there. Each of those is masked by a stream
//! of that coordinate which the sender lacks a leaf of, so what it sees is uniform and independent of the choice.

use super::softspoken::Delta;
use crate::crypto::Block;
use picc_ir::cost::CotCounts;

/// Keys of the widest OT.
pub const MAX_KEYS: usize = 1 << CotCounts::WIDEST;
/// Columns of each point: `16 / k` coordinates of k bits.
pub(crate) const POINT_COLUMNS: usize = 16;
/// Points whose columns are rows of the result as they are.
pub(crate) const DIRECT: usize = 8;
/// Points whose values determine a word, for the widths up to 4.
pub(crate) const SYSTEMATIC: [usize; 4] = [0, 1, 2, 4];

/// Onto which of the first eight points each of the others is added, one bit for each.
const FOLD: [u8; 7] = [0x87, 0xb1, 0x2b, 0x42, 0x78, 0xe4, 0x1e];

/// Points that an OT of this width uses.
pub(crate) fn points(width: u32) -> usize {
    16 - (16 >> width)
}

/// The linear function at a point: the set of bits that it adds.
pub(crate) fn function(point: usize) -> usize {
    match point {
        0..8 => 1 | point << 1,
        8..12 => 2 | (point - 8) << 2,
        12..14 => 4 | (point - 12) << 3,
        _ => 8,
    }
}

/// The points onto which `point` is added; none for the first eight.
pub(crate) fn folds_onto(point: usize) -> impl Iterator<Item = usize> {
    let onto = point.checked_sub(DIRECT).map_or(0, |i| FOLD[i]);
    (0..DIRECT).filter(move |r| onto >> r & 1 == 1)
}

/// `offset(v)` for every choice: the difference of key `v` from key 0.
pub(crate) fn offsets(delta: &Delta) -> [Block; MAX_KEYS] {
    std::array::from_fn(|v| {
        let ones = (0..points(CotCounts::WIDEST)).filter(|p| (function(*p) & v).count_ones() % 2 == 1);
        ones.fold(Block::ZERO, |sum, p| {
            let bits = u128::from(delta.point(p));
            let direct = (p < DIRECT).then_some(p);
            direct.into_iter().chain(folds_onto(p)).fold(sum, |s, r| s ^ Block(bits << (POINT_COLUMNS * r)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;

    fn delta(rng: &mut Rng) -> Delta {
        Delta::new([rng.block(), rng.block()])
    }

    #[test]
    fn the_points_are_all_functions_and_widths_are_prefixes() {
        let mut all: Vec<usize> = (0..15).map(function).collect();
        for width in 1..=4 {
            let nonzero = |p: &usize| function(*p) % (1 << width) != 0;
            assert_eq!((0..15).filter(nonzero).collect::<Vec<_>>(), (0..points(width)).collect::<Vec<_>>());
            // The systematic points tell all choices of the width apart.
            let value = |v: usize, p: usize| (function(p) & v).count_ones() % 2;
            let words =
                (0..1 << width).map(|v| SYSTEMATIC[..width as usize].iter().map(|p| value(v, *p)).collect());
            let distinct: std::collections::BTreeSet<Vec<u32>> = words.collect();
            assert_eq!(distinct.len(), 1 << width);
        }
        all.sort_unstable();
        assert_eq!(all, (1..16).collect::<Vec<_>>());
    }

    /// Security: every difference of two keys is a bijection of 128 bits of delta.
    #[test]
    fn every_nonzero_word_folds_bijectively() {
        for v in 1..16usize {
            let word: Vec<usize> = (0..15).filter(|p| (function(*p) & v).count_ones() % 2 == 1).collect();
            assert_eq!(word.len(), 8, "minimum distance 8 points, 128 columns");
            let mut rows: Vec<u8> = word
                .iter()
                .map(|p| if *p < DIRECT { 1 << p } else { folds_onto(*p).map(|r| 1 << r).sum() })
                .collect();
            let mut rank = 0;
            for bit in 0..8 {
                if let Some(at) = rows.iter().position(|r| r >> bit & 1 == 1) {
                    let pivot = rows.swap_remove(at);
                    rows.iter_mut().for_each(|r| *r ^= if *r >> bit & 1 == 1 { pivot } else { 0 });
                    rank += 1;
                }
            }
            assert_eq!(rank, 8, "choice {v}");
        }
    }

    #[test]
    fn offsets_are_linear_and_start_with_delta() {
        let delta = delta(&mut Rng::from_seed(3));
        let table = offsets(&delta);
        assert_eq!(table[1].0, delta.block().0);
        for a in 0..16 {
            for b in 0..16 {
                assert_eq!((table[a] ^ table[b]).0, table[a ^ b].0);
            }
        }
        // Width w does not depend on points that it does not use.
        let mut cut = delta.bits();
        cut[1].0 &= (1 << (4 * POINT_COLUMNS)) - 1;
        assert_eq!(offsets(&Delta::new(cut))[3].0, table[3].0);
        assert_ne!(offsets(&Delta::new(cut))[4].0, table[4].0);
    }
}

//! The code behind wide correlated OTs: 1-of-2^w OTs straight from the extension, `w` up to 5.
//!
//! Paper: SoftSpokenOT (Roy, CRYPTO 2022, ePrint 2022/192): subspace VOLE (section 3.3) turns small-field VOLEs into
//! OTs whose choices are words of a linear code; with a code of dimension w they are 1-of-2^w OTs, as in Kolesnikov,
//! Kumaresan, Rosulek, Trieu (CCS 2016) and Orru, Orsini, Scholl (CT-RSA 2017). Adversary: semi-honest.
//!
//! **The code.** The 31 *points* are the nonzero linear functions of a choice `v` of 5 bits; the word of `v` has at
//! every point the value of its function there. That is the simplex code [31, 5, 16]: each nonzero word is 1 at exactly
//! 16 points. Every point stands for 8 columns, `8 / k` coordinates over GF(2^k), so that delta has 8 bits at it. The
//! points are ordered so that the functions that are not zero on the first w bits are the first `32 - 32 / 2^w` ones:
//!
//! ```text
//!   point   0 .. 15             16 .. 23            24 .. 27         28, 29        30
//!           v0 + any of v1..v4  v1 + any of v2..v4  v2 + any of ..   v3, v3 + v4   v4
//!   width 1 ------------------|
//!   width 2 --------------------------------------|
//!   width 3 -------------------------------------------------------|
//!   width 4 ---------------------------------------------------------------------|
//!   width 5 ----------------------------------------------------------------------------|
//! ```
//! Width w uses those points only. Width 1 is the correlated OT of the literature: the repetition code and 128 columns.
//!
//! **Folding.** Two words that differ do so at 16 points: 128 bits of delta. To have rows of 128 bits, not 248, and one
//! AES call for each key, points 16 to 30 are added onto the first sixteen by a fixed linear map (`FOLD`, found by
//! random search for few terms). It is chosen so that, for each nonzero v, the 16 points of its word map bijectively (a
//! test inverts all 31 matrices). So with `u` the receiver's uniform choice,
//!
//! ```text
//!   q = t + offset(u),    offset linear in u, and for every v != 0: offset(v) uniform in GF(2)^128 over the choice of delta
//! ```
//! which is all that [`crate::crypto::hash`] asks for: key v of the sender is `H(q + offset(v))`, the receiver knows
//! `H(t)`, key u, and every other key is hidden as well as in an OT of width 1.
//!
//! **What the sender learns.** The receiver's `u` at the coordinates of points 0, 1, 2, 4, 8 is its choice (these
//! determine a word), and at every other coordinate it sends `u` plus the word's value there. Each of those is masked
//! by a stream of that coordinate which the sender lacks a leaf of, so what it sees is uniform and independent of the
//! choice.

use super::softspoken::Delta;
use crate::crypto::Block;
use picc_ir::cost::CotCounts;

/// Keys of the widest OT.
pub const MAX_KEYS: usize = 1 << CotCounts::WIDEST;
/// Columns of each point: `8 / k` coordinates of k bits.
pub(crate) const POINT_COLUMNS: usize = 8;
/// Points whose columns are rows of the result as they are.
pub(crate) const DIRECT: usize = 16;
/// Points whose values determine a word; the first w for width w.
pub(crate) const SYSTEMATIC: [usize; CotCounts::WIDEST as usize] = [0, 1, 2, 4, 8];

/// Onto which of the first sixteen points each of the others is added, one bit for each.
const FOLD: [u16; 15] = [
    0x802c, 0x7200, 0x0074, 0x8081, 0x440c, 0x018a, 0x0682, 0xa810, 0x0a84, 0x1510, 0x10c2, 0x3c25, 0xd314, 0x4d49,
    0x2977,
];

/// Points that an OT of this width uses.
pub(crate) fn points(width: u32) -> usize {
    32 - (32 >> width)
}

/// The linear function at a point: the set of bits that it adds.
pub(crate) fn function(point: usize) -> usize {
    match point {
        0..16 => 1 | point << 1,
        16..24 => 2 | (point - 16) << 2,
        24..28 => 4 | (point - 24) << 3,
        28..30 => 8 | (point - 28) << 4,
        _ => 16,
    }
}

/// The points onto which `point` is added; none for the first sixteen.
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
        let mut all: Vec<usize> = (0..31).map(function).collect();
        for width in 1..=5 {
            let nonzero = |p: &usize| !function(*p).is_multiple_of(1 << width);
            assert_eq!((0..31).filter(nonzero).collect::<Vec<_>>(), (0..points(width)).collect::<Vec<_>>());
            // The systematic points tell all choices of the width apart.
            let value = |v: usize, p: usize| (function(p) & v).count_ones() % 2;
            let words =
                (0..1 << width).map(|v| SYSTEMATIC[..width as usize].iter().map(|p| value(v, *p)).collect());
            let distinct: std::collections::BTreeSet<Vec<u32>> = words.collect();
            assert_eq!(distinct.len(), 1 << width);
        }
        all.sort_unstable();
        assert_eq!(all, (1..32).collect::<Vec<_>>());
    }

    /// Security: every difference of two keys is a bijection of 128 bits of delta.
    #[test]
    fn every_nonzero_word_folds_bijectively() {
        for v in 1..32usize {
            let word: Vec<usize> = (0..31).filter(|p| (function(*p) & v).count_ones() % 2 == 1).collect();
            assert_eq!(word.len(), 16, "minimum distance 16 points, 128 columns");
            let mut rows: Vec<u16> = word
                .iter()
                .map(|p| if *p < DIRECT { 1 << p } else { folds_onto(*p).map(|r| 1 << r).sum() })
                .collect();
            let mut rank = 0;
            for bit in 0..16 {
                if let Some(at) = rows.iter().position(|r| r >> bit & 1 == 1) {
                    let pivot = rows.swap_remove(at);
                    rows.iter_mut().for_each(|r| *r ^= if *r >> bit & 1 == 1 { pivot } else { 0 });
                    rank += 1;
                }
            }
            assert_eq!(rank, 16, "choice {v}");
        }
    }

    #[test]
    fn offsets_are_linear_and_start_with_delta() {
        let delta = delta(&mut Rng::from_seed(3));
        let table = offsets(&delta);
        assert_eq!(table[1].0, delta.block().0);
        for a in 0..32 {
            for b in 0..32 {
                assert_eq!((table[a] ^ table[b]).0, table[a ^ b].0);
            }
        }
        // Width w does not depend on points that it does not use.
        let mut cut = delta.bits();
        cut[1].0 &= (1 << (8 * POINT_COLUMNS)) - 1;
        assert_eq!(offsets(&Delta::new(cut))[3].0, table[3].0);
        assert_ne!(offsets(&Delta::new(cut))[4].0, table[4].0);
    }
}

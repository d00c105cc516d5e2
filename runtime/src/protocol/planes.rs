//! Bitsliced boolean shares: 64 elements a word, several bits ("planes") for each element.
//!
//! ```text
//!   words   [ group 0: plane 0, plane 1, .. | group 1: plane 0, .. | .. | last group ]      64 elements a group
//! ```
//!
//! Everything that a protocol does to one group is independent of the other groups, so threads share no word.

use crate::bits::BitVec;
use rayon::prelude::*;

/// Elements of a group.
pub(super) const LANES: usize = 64;

/// `planes` bits for each of `n` elements. Bits of lanes past the end are zero.
pub(super) struct Planes {
    pub(super) n: usize,
    pub(super) planes: usize,
    pub(super) words: Vec<u64>,
}

impl Planes {
    pub(super) fn zeros(n: usize, planes: usize) -> Planes {
        Planes { n, planes, words: vec![0; n.div_ceil(LANES) * planes] }
    }

    /// One bit of every element.
    pub(super) fn plane(&self, plane: usize) -> BitVec {
        BitVec::from_words(self.words.chunks(self.planes.max(1)).map(|group| group[plane]).collect(), self.n)
    }

    /// Bytes on the wire: whole words for whole groups, then the planes of the last group in whole bytes.
    pub(super) fn wire_len(n: usize, planes: usize) -> usize {
        n.div_ceil(8) * planes
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let whole = self.n / LANES * self.planes;
        let mut out: Vec<u8> = Vec::with_capacity(Planes::wire_len(self.n, self.planes));
        out.extend(self.words[..whole].iter().flat_map(|w| w.to_le_bytes()));
        let rest = (self.n % LANES).div_ceil(8);
        for w in &self.words[whole..] {
            out.extend_from_slice(&w.to_le_bytes()[..rest]);
        }
        out
    }

    /// `self ^= bytes`, bytes being the wire form of planes of the same size. Lanes past the end stay zero.
    pub(super) fn xor_bytes(&mut self, bytes: &[u8]) {
        let whole = self.n / LANES * self.planes;
        let (head, tail) = bytes.split_at((whole * 8).min(bytes.len()));
        for (w, b) in self.words.iter_mut().zip(head.as_chunks::<8>().0) {
            *w ^= u64::from_le_bytes(*b);
        }
        let rest = self.n % LANES;
        if rest > 0 {
            for (w, b) in self.words[whole..].iter_mut().zip(tail.chunks(rest.div_ceil(8))) {
                let mut bytes = [0; 8];
                bytes[..b.len()].copy_from_slice(b);
                *w ^= u64::from_le_bytes(bytes) & ((1 << rest) - 1);
            }
        }
    }

    /// The groups of several planes side by side, in parallel: `(group, elements of the group, words)`.
    pub(super) fn par_groups(&mut self) -> impl IndexedParallelIterator<Item = Group<'_>> {
        let n = self.n;
        self.words.par_chunks_mut(self.planes.max(1)).enumerate().with_min_len(8).map(move |(index, words)| Group {
            first: index * LANES,
            lanes: LANES.min(n - index * LANES),
            words,
        })
    }

    pub(super) fn group(&self, first: usize) -> &[u64] {
        let g = first / LANES;
        &self.words[g * self.planes..(g + 1) * self.planes]
    }
}

/// Up to 64 elements.
pub(super) struct Group<'a> {
    /// Number of the first element.
    pub(super) first: usize,
    pub(super) lanes: usize,
    pub(super) words: &'a mut [u64],
}

/// Transposes a square of bits: bit j of word i becomes bit i of word j. Swaps ever smaller off-diagonal quarters
/// (Hacker's Delight, 7-3).
pub(super) fn transpose(square: &mut [u64; LANES]) {
    let (mut width, mut mask) = (LANES / 2, u64::MAX >> (LANES / 2));
    while width > 0 {
        let mut row = 0;
        while row < LANES {
            let swap = (square[row] >> width ^ square[row + width]) & mask;
            square[row + width] ^= swap;
            square[row] ^= swap << width;
            row = (row + width + 1) & !width;
        }
        width /= 2;
        mask ^= mask << width;
    }
}

/// `len` (at most 64) bits of `words` from bit `start`; bits past the end are zeros.
pub(super) fn bits_at(words: &[u64], start: usize, len: usize) -> u64 {
    let (word, shift) = (start / 64, start % 64);
    let at = |i: usize| words.get(i).copied().unwrap_or(0);
    let high = if shift == 0 { 0 } else { at(word + 1) << (64 - shift) };
    (at(word) >> shift | high) & super::low_mask(len as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;

    #[test]
    fn transposition_swaps_rows_and_columns() {
        let mut rng = Rng::from_seed(3);
        let square: [u64; LANES] = std::array::from_fn(|_| rng.next_u64());
        let mut turned = square;
        transpose(&mut turned);
        for (i, row) in square.iter().enumerate() {
            for (j, column) in turned.iter().enumerate() {
                assert_eq!(row >> j & 1, column >> i & 1);
            }
        }
    }

    #[test]
    fn the_wire_form_round_trips() {
        let mut rng = Rng::from_seed(2);
        for n in [1, 7, 8, 9, 63, 64, 65, 100, 128, 200] {
            for planes in 1..5 {
                let mut p = Planes::zeros(n, planes);
                let mut rng = rng.fork();
                p.par_groups().for_each(|_| ());
                for g in 0..n.div_ceil(LANES) {
                    let lanes = LANES.min(n - g * LANES);
                    for i in 0..planes {
                        p.words[g * planes + i] = rng.next_u64() & super::super::low_mask(lanes as u32);
                    }
                }
                let mut bytes = p.to_bytes();
                assert_eq!(bytes.len(), Planes::wire_len(n, planes));
                if n % 8 != 0 {
                    *bytes.last_mut().unwrap() |= 0x80;
                }
                let mut q = Planes::zeros(n, planes);
                q.xor_bytes(&bytes);
                assert!(p.words == q.words, "{n} x {planes}");
            }
        }
    }
}

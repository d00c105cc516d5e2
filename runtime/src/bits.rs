//! Packed vectors of bits: choice bits and boolean shares.
//!
//! Bit `i` is bit `i % 64` of word `i / 64`, so the bytes on the wire are the bits in order, least significant
//! first. Bits past the end are always zero.

use crate::crypto::ct::Bit;
use zeroize::Zeroize;

/// A vector of bits. No `Debug` and no `PartialEq`: it may hold shares. Its elements are [`Bit`]s; as `bool` they exist
/// in tests only.
#[derive(Clone, Default)]
pub struct BitVec {
    words: Vec<u64>,
    len: usize,
}

impl BitVec {
    #[must_use]
    pub fn zeros(len: usize) -> BitVec {
        BitVec { words: vec![0; len.div_ceil(64)], len }
    }

    /// The first `len` bits of `words`; missing words are zeros.
    #[must_use]
    pub fn from_words(mut words: Vec<u64>, len: usize) -> BitVec {
        words.resize(len.div_ceil(64), 0);
        let mut v = BitVec { words, len };
        v.clear_tail();
        v
    }

    /// The first `len` bits of `bytes`, least significant first; missing bytes are zeros.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], len: usize) -> BitVec {
        let words = bytes
            .chunks(8)
            .map(|c| {
                let mut w = [0; 8];
                w[..c.len()].copy_from_slice(c);
                u64::from_le_bytes(w)
            })
            .collect();
        BitVec::from_words(words, len)
    }

    #[must_use]
    pub fn random(len: usize, rng: &mut crate::crypto::Rng) -> BitVec {
        BitVec::from_words(rng.words(len.div_ceil(64)), len)
    }

    /// `ceil(len / 8)` bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.truncate(self.len.div_ceil(8));
        bytes
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `ceil(len / 64)` words; bits past the end are zero.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Bit `i`. Panics past the last word; bits past the end are zero.
    #[inline]
    #[must_use]
    pub fn bit(&self, i: usize) -> Bit {
        Bit::lowest(self.words[i / 64] >> (i % 64))
    }

    pub fn bits(&self) -> impl Iterator<Item = Bit> + '_ {
        (0..self.len).map(|i| self.bit(i))
    }

    #[cfg(test)]
    pub(crate) fn get(&self, i: usize) -> bool {
        self.words.get(i / 64).is_some_and(|w| w >> (i % 64) & 1 == 1)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|i| self.get(i))
    }

    /// `self ^= other`. The lengths must agree.
    pub fn xor_assign(&mut self, other: &BitVec) {
        assert_eq!(self.len, other.len);
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a ^= b);
    }

    /// `self &= other`. The lengths must agree.
    pub fn and_assign(&mut self, other: &BitVec) {
        assert_eq!(self.len, other.len);
        self.words.iter_mut().zip(&other.words).for_each(|(a, b)| *a &= b);
    }

    #[must_use]
    pub fn xor(&self, other: &BitVec) -> BitVec {
        let mut out = self.clone();
        out.xor_assign(other);
        out
    }

    #[must_use]
    pub fn and(&self, other: &BitVec) -> BitVec {
        let mut out = self.clone();
        out.and_assign(other);
        out
    }

    #[must_use]
    pub fn not(&self) -> BitVec {
        BitVec::from_words(self.words.iter().map(|w| !w).collect(), self.len)
    }

    /// Bits `start..start + len`. Panics past the end.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> BitVec {
        assert!(start + len <= self.len, "bits {start}..{} of {}", start + len, self.len);
        let (word, shift) = (start / 64, start % 64);
        let at = |i: usize| self.words.get(i).copied().unwrap_or(0);
        let words = (word..word + len.div_ceil(64))
            .map(|i| if shift == 0 { at(i) } else { at(i) >> shift | at(i + 1) << (64 - shift) })
            .collect();
        BitVec::from_words(words, len)
    }

    /// Puts `other` behind `self`.
    pub fn append(&mut self, other: &BitVec) {
        let shift = self.len % 64;
        if shift == 0 {
            self.words.extend_from_slice(&other.words);
        } else {
            for w in &other.words {
                if let Some(last) = self.words.last_mut() {
                    *last |= w << shift;
                }
                self.words.push(w >> (64 - shift));
            }
        }
        self.len += other.len;
        self.words.truncate(self.len.div_ceil(64));
    }

    /// Shortens to the first `len` bits.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            self.words.truncate(len.div_ceil(64));
            self.clear_tail();
        }
    }

    #[must_use]
    pub fn count_ones(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    fn clear_tail(&mut self) {
        if let (Some(last), n @ 1..) = (self.words.last_mut(), self.len % 64) {
            *last &= (1 << n) - 1;
        }
    }
}

impl Zeroize for BitVec {
    fn zeroize(&mut self) {
        self.words.zeroize();
        self.len = 0;
    }
}

impl FromIterator<Bit> for BitVec {
    fn from_iter<I: IntoIterator<Item = Bit>>(iter: I) -> BitVec {
        let mut v = BitVec::default();
        for bit in iter {
            let shift = v.len % 64;
            if shift == 0 {
                v.words.push(0);
            }
            if let Some(last) = v.words.last_mut() {
                *last |= bit.word() << shift;
            }
            v.len += 1;
        }
        v
    }
}

#[cfg(test)]
impl FromIterator<bool> for BitVec {
    fn from_iter<I: IntoIterator<Item = bool>>(iter: I) -> BitVec {
        iter.into_iter().map(|b| Bit::lowest(b.into())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;

    fn bools(v: &BitVec) -> Vec<bool> {
        v.iter().collect()
    }

    #[test]
    fn behaves_like_a_vector_of_bools() {
        let mut rng = Rng::from_seed(3);
        for len in [0, 1, 7, 8, 63, 64, 65, 127, 128, 129, 200] {
            let (a, b) = (BitVec::random(len, &mut rng), BitVec::random(len, &mut rng));
            let (x, y) = (bools(&a), bools(&b));
            assert_eq!(bools(&a.xor(&b)), x.iter().zip(&y).map(|(p, q)| p ^ q).collect::<Vec<_>>());
            assert_eq!(bools(&a.and(&b)), x.iter().zip(&y).map(|(p, q)| p & q).collect::<Vec<_>>());
            assert_eq!(bools(&a.not()), x.iter().map(|p| !p).collect::<Vec<_>>());
            assert_eq!(a.not().count_ones() + a.count_ones(), len);
            assert_eq!(bools(&BitVec::from_bytes(&a.to_bytes(), len)), x);
            assert_eq!(a.to_bytes().len(), len.div_ceil(8));
            assert_eq!(bools(&x.iter().copied().collect()), x);
            for start in [0, 1, len / 2, len] {
                let n = (len - start.min(len)).min(70);
                let start = start.min(len);
                assert_eq!(bools(&a.slice(start, n)), x[start..start + n]);
                let (mut head, tail) = (a.slice(0, start), a.slice(start, len - start));
                head.append(&tail);
                assert_eq!(bools(&head), x);
                head.truncate(start);
                head.append(&tail);
                assert_eq!(bools(&head), x);
            }
        }
    }

    #[test]
    fn bits_are_those_collected() {
        let v: BitVec = (0..130).map(|i| i == 64 || i == 129).collect();
        assert_eq!((v.len(), v.count_ones()), (130, 2));
        let words: Vec<u64> = v.bits().map(Bit::word).collect();
        assert_eq!(words, v.iter().map(u64::from).collect::<Vec<_>>());
        assert!(v.get(129) && v.get(64) && !v.get(0) && !v.get(130));
    }
}

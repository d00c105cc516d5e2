//! Values of a few bits, packed without gaps: how ring elements go over the wire.
//!
//! Value `i` of `n` values of `l` bits has the bits `i l .. (i + 1) l` of the stream, least significant first, bit `b`
//! being bit `b % 8` of byte `b / 8`. 64 values fill `l` words, so groups of 64 pack independently.

use super::low_mask;
use rayon::prelude::*;

/// Values that one thread packs at once: a multiple of 64.
const CHUNK: usize = 1 << 14;

/// `ceil(n bits / 8)` bytes with the low `bits` bits (1 to 64) of each value.
#[must_use]
pub fn pack(values: &[u64], bits: u8) -> Vec<u8> {
    let mut out = vec![0; (values.len() * bits as usize).div_ceil(8)];
    if bits > 0 {
        out.par_chunks_mut(CHUNK / 8 * bits as usize).zip(values.par_chunks(CHUNK)).for_each(|(out, values)| {
            let mut w = BitWriter::new(out);
            values.iter().for_each(|&v| w.put(v & low_mask(bits.into()), bits.into()));
            w.finish();
        });
    }
    out
}

/// The inverse of [`pack`] for `n` values; bits past the end of `bytes` are zeros.
#[must_use]
pub fn unpack(bytes: &[u8], n: usize, bits: u8) -> Vec<u64> {
    let mut out = vec![0; n];
    if bits > 0 {
        out.par_chunks_mut(CHUNK).zip(bytes.par_chunks(CHUNK / 8 * bits as usize)).for_each(|(out, bytes)| {
            let mut r = BitReader::new(bytes);
            out.iter_mut().for_each(|v| *v = r.get(bits.into()));
        });
    }
    out
}

/// Appends values of a few bits to a byte string of known length.
pub(super) struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
    acc: u64,
    fill: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> BitWriter<'a> {
        BitWriter { out, at: 0, acc: 0, fill: 0 }
    }

    /// `value` must be below `2^bits`; `bits` is 1 to 64.
    #[inline]
    pub(super) fn put(&mut self, value: u64, bits: u32) {
        self.acc |= value << self.fill;
        let free = 64 - self.fill;
        if bits >= free {
            self.out[self.at..self.at + 8].copy_from_slice(&self.acc.to_le_bytes());
            self.at += 8;
            self.acc = value >> (free - 1) >> 1;
            self.fill = bits - free;
        } else {
            self.fill += bits;
        }
    }

    /// Writes the last bits, filled up with zeros to whole bytes.
    pub(super) fn finish(self) {
        let n = self.fill.div_ceil(8) as usize;
        self.out[self.at..self.at + n].copy_from_slice(&self.acc.to_le_bytes()[..n]);
    }
}

/// Reads back what a [`BitWriter`] wrote.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    acc: u64,
    fill: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, acc: 0, fill: 0 }
    }

    #[inline]
    pub(super) fn get(&mut self, bits: u32) -> u64 {
        let value = self.acc;
        if bits <= self.fill {
            self.acc = self.acc >> (bits - 1) >> 1;
            self.fill -= bits;
            return value & low_mask(bits);
        }
        let word = match self.bytes.split_first_chunk::<8>() {
            Some((word, rest)) => {
                self.bytes = rest;
                u64::from_le_bytes(*word)
            }
            None => {
                let mut word = [0; 8];
                word[..self.bytes.len()].copy_from_slice(self.bytes);
                self.bytes = &[];
                u64::from_le_bytes(word)
            }
        };
        let value = (value | word << self.fill) & low_mask(bits);
        let used = bits - self.fill;
        self.acc = word >> (used - 1) >> 1;
        self.fill = 64 - used;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;

    #[test]
    fn packing_round_trips_without_gaps() {
        let mut rng = Rng::from_seed(1);
        for bits in 1..=64u8 {
            for n in [0, 1, 2, 7, 63, 64, 65, 1000, CHUNK + 3] {
                let values: Vec<u64> = rng.words(n);
                let bytes = pack(&values, bits);
                assert_eq!(bytes.len(), (n * bits as usize).div_ceil(8));
                let masked: Vec<u64> = values.iter().map(|v| v & low_mask(bits.into())).collect();
                assert!(unpack(&bytes, n, bits) == masked, "{n} values of {bits} bits");
            }
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        assert_eq!(pack(&[0b101, 0b011, 0b111], 3), [0b1101_1101, 0b1]);
        assert_eq!(pack(&[0x1234, 0x5678], 16), [0x34, 0x12, 0x78, 0x56]);
    }
}

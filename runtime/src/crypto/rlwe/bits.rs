//! Exact bit-packing: values of up to 128 bits, least significant bit first, padded with zeros to bytes.

/// Appends values to bytes.
pub struct BitWriter {
    bytes: Vec<u8>,
    pending: u128,
    count: u32,
}

impl BitWriter {
    #[must_use]
    pub fn with_capacity(bytes: usize) -> BitWriter {
        BitWriter { bytes: Vec::with_capacity(bytes + 8), pending: 0, count: 0 }
    }

    /// `value < 2^bits`, `bits <= 128`.
    pub fn push(&mut self, value: u128, bits: u32) {
        debug_assert!(bits == 128 || value >> bits == 0);
        if bits > 64 {
            self.push64(value as u64, 64);
            self.push64((value >> 64) as u64, bits - 64);
        } else {
            self.push64(value as u64, bits);
        }
    }

    fn push64(&mut self, value: u64, bits: u32) {
        self.pending |= u128::from(value) << self.count;
        self.count += bits;
        if self.count >= 64 {
            self.bytes.extend_from_slice(&(self.pending as u64).to_le_bytes());
            self.pending >>= 64;
            self.count -= 64;
        }
    }

    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let rest = self.count.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.pending.to_le_bytes()[..rest]);
        self.bytes
    }
}

/// Reads values from bytes; the caller knows how many there are.
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    pending: u128,
    count: u32,
}

impl<'a> BitReader<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader { bytes, at: 0, pending: 0, count: 0 }
    }

    /// The next value of `bits <= 128` bits; zeros past the end.
    pub fn pull(&mut self, bits: u32) -> u128 {
        if bits > 64 {
            let low = self.pull64(64);
            u128::from(low) | u128::from(self.pull64(bits - 64)) << 64
        } else {
            u128::from(self.pull64(bits))
        }
    }

    fn pull64(&mut self, bits: u32) -> u64 {
        if self.count < bits {
            let rest = &self.bytes[self.at.min(self.bytes.len())..];
            let mut word = [0u8; 8];
            let n = rest.len().min(8);
            word[..n].copy_from_slice(&rest[..n]);
            self.pending |= u128::from(u64::from_le_bytes(word)) << self.count;
            self.count += 64;
            self.at += 8;
        }
        let value = (self.pending & ((1u128 << bits) - 1)) as u64;
        self.pending >>= bits;
        self.count -= bits;
        value
    }

    /// Whether the bits that pad the last byte are zero.
    #[must_use]
    pub fn padding_is_zero(&self) -> bool {
        self.pending == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_of_all_widths() {
        let values: Vec<(u128, u32)> =
            (1..=128).map(|b| (0xdead_beef_0123_4567_89ab_cdef_5555_aaaa_u128 >> (128 - b), b)).collect();
        let mut w = BitWriter::with_capacity(0);
        values.iter().for_each(|&(v, b)| w.push(v, b));
        let bytes = w.finish();
        assert_eq!(bytes.len(), (128 * 129 / 2usize).div_ceil(8));
        let mut r = BitReader::new(&bytes);
        values.iter().for_each(|&(v, b)| assert_eq!(r.pull(b), v));
        assert!(r.padding_is_zero());
        let mut r = BitReader::new(&[0xff]);
        assert_eq!(r.pull(7), 0x7f);
        assert!(!r.padding_is_zero());
    }
}

//! 128-bit blocks: seeds, keys of oblivious transfers, rows of the extension.

use std::ops::{BitAnd, BitXor, BitXorAssign};

/// 128 bits; byte order on the wire and into AES is little-endian.
///
/// A plain value: what must not be copied or printed (delta) wraps it.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct Block(pub u128);

impl Block {
    pub const ZERO: Block = Block(0);
    pub const BYTES: usize = 16;

    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Block {
        Block(u128::from_le_bytes(bytes))
    }

    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// All ones if `bit`, else zero: multiplies a block by a secret bit without branching.
    #[must_use]
    pub fn mask(bit: bool) -> Block {
        Block(u128::from(bit).wrapping_neg())
    }

    /// The least significant bit.
    #[must_use]
    pub fn lsb(self) -> bool {
        self.0 & 1 == 1
    }

    /// The low half.
    #[must_use]
    #[expect(clippy::cast_possible_truncation)]
    pub fn low(self) -> u64 {
        self.0 as u64
    }

    /// Multiplication by `x` in GF(2^128), modulo `x^128 + x^7 + x^2 + x + 1`, without branching.
    ///
    /// Packs several COTs into one: with `Q = sum of x^j q_j` and `T = sum of x^j t_j`, `Q = T xor c(x) delta` where
    /// `c(x) = sum of c_j x^j`, so one hash per message gives a 1-of-2^r OT from r COTs (see [`crate::crypto::hash`]).
    #[must_use]
    pub fn double(self) -> Block {
        Block((self.0 << 1) ^ (0x87 & (self.0 >> 127).wrapping_neg()))
    }
}

impl zeroize::DefaultIsZeroes for Block {}

impl BitXor for Block {
    type Output = Block;
    fn bitxor(self, o: Block) -> Block {
        Block(self.0 ^ o.0)
    }
}

impl BitXorAssign for Block {
    fn bitxor_assign(&mut self, o: Block) {
        self.0 ^= o.0;
    }
}

impl BitAnd for Block {
    type Output = Block;
    fn bitand(self, o: Block) -> Block {
        Block(self.0 & o.0)
    }
}

/// Blocks as they go over the wire.
#[must_use]
pub fn blocks_to_bytes(blocks: &[Block]) -> Vec<u8> {
    blocks.iter().flat_map(|b| b.to_bytes()).collect()
}

/// Blocks as they come over the wire; a trailing part of a block is ignored.
#[must_use]
pub fn blocks_from_bytes(bytes: &[u8]) -> Vec<Block> {
    bytes.as_chunks::<16>().0.iter().map(|c| Block::from_bytes(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_has_the_order_of_the_field() {
        // x^(2^128 - 1) = 1 would take long; x^128 is the reduction polynomial and doubling is linear.
        let mut p = Block(1);
        for _ in 0..128 {
            p = p.double();
        }
        assert_eq!(p.0, 0x87);
        let (a, b) = (Block(0x8123 << 112), Block(0x7fff << 113));
        assert_eq!((a ^ b).double().0, (a.double() ^ b.double()).0);
    }

    #[test]
    fn mask_selects() {
        assert_eq!(Block::mask(true).0, u128::MAX);
        assert_eq!(Block::mask(false).0, 0);
    }

    #[test]
    fn bytes_round_trip() {
        let blocks = [Block(7), Block(u128::MAX - 9)];
        let back = blocks_from_bytes(&blocks_to_bytes(&blocks));
        assert_eq!([back[0].0, back[1].0], [7, u128::MAX - 9]);
    }
}

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

    /// The low half.
    #[must_use]
    #[expect(clippy::cast_possible_truncation)]
    pub fn low(self) -> u64 {
        self.0 as u64
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
    fn bytes_round_trip() {
        let blocks = [Block(7), Block(u128::MAX - 9)];
        let back = blocks_from_bytes(&blocks_to_bytes(&blocks));
        assert_eq!([back[0].0, back[1].0], [7, u128::MAX - 9]);
    }
}

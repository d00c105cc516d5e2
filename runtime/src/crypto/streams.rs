//! AES-128 under one key on many blocks, and sums of many counter-mode streams.

use super::block::Block;
use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

/// Blocks that the cipher works on at once.
const WIDE: usize = 32;

/// An expanded AES-128 key.
pub(crate) struct StreamKey {
    cipher: Aes128Enc,
}

impl StreamKey {
    pub(crate) fn new(key: Block) -> StreamKey {
        StreamKey { cipher: Aes128Enc::new(&Array(key.to_bytes())) }
    }

    /// `out[i] = AES(base xor (counter + i))`.
    pub(crate) fn stream(&self, base: Block, counter: u64, out: &mut [Block]) {
        for (b, i) in out.iter_mut().zip(counter..) {
            *b = base ^ Block(u128::from(i));
        }
        self.encrypt(out);
    }

    /// `x = AES(x xor offset) xor x xor offset` for every block.
    pub(crate) fn mmo(&self, offset: Block, blocks: &mut [Block]) {
        let mut input = [Block::ZERO; WIDE];
        for chunk in blocks.chunks_mut(WIDE) {
            let input = &mut input[..chunk.len()];
            for (i, b) in input.iter_mut().zip(chunk.iter_mut()) {
                *b ^= offset;
                *i = *b;
            }
            self.encrypt(chunk);
            for (i, b) in input.iter().zip(chunk) {
                *b ^= *i;
            }
        }
    }

    fn encrypt(&self, blocks: &mut [Block]) {
        let mut bytes = [Array([0; 16]); WIDE];
        for chunk in blocks.chunks_mut(WIDE) {
            let bytes = &mut bytes[..chunk.len()];
            for (y, b) in bytes.iter_mut().zip(chunk.iter()) {
                *y = Array(b.to_bytes());
            }
            self.cipher.encrypt_blocks(bytes);
            for (y, b) in bytes.iter().zip(chunk) {
                *b = Block::from_bytes(y.0);
            }
        }
    }
}

/// The leaves of one punctured tree, each the key and the start of a counter-mode stream `r_x`.
///
/// The party that lacks a leaf has it at position 0, as a stream of zeros.
pub(crate) struct StreamBank {
    field_bits: usize,
    /// Stream `x` is at `x - first`.
    first: usize,
    keys: Vec<(StreamKey, Block)>,
}

impl StreamBank {
    /// Streams from `seeds` of positions `first..2^field_bits`.
    pub(crate) fn new(field_bits: usize, first: usize, seeds: &[Block]) -> StreamBank {
        let keys = seeds
            .iter()
            .map(|seed| {
                let mut out = [Block::ZERO; 2];
                StreamKey::new(*seed).stream(Block::ZERO, 0, &mut out);
                (StreamKey::new(out[0]), out[1])
            })
            .collect();
        StreamBank { field_bits, first, keys }
    }

    /// `all = sum of r_x`, `bits[b] = sum of r_x with bit b of x set`, from block `counter` of the streams on.
    ///
    /// All slices have the same length. A binary counter of partial sums adds each stream twice on average,
    /// instead of `1 + field_bits / 2` times.
    pub(crate) fn sums(&self, counter: u64, all: &mut [Block], bits: &mut [&mut [Block]]) {
        let len = all.len();
        bits.iter_mut().for_each(|b| b.fill(Block::ZERO));
        let mut stack = vec![Block::ZERO; len * (self.field_bits + 1)];
        let mut sum = vec![Block::ZERO; len];
        for x in 0..1usize << self.field_bits {
            match x.checked_sub(self.first) {
                Some(i) => self.keys[i].0.stream(self.keys[i].1, counter, &mut sum),
                None => sum.fill(Block::ZERO),
            }
            // Each trailing one of x closes a pair of subtrees of which `sum` is the odd one.
            let level = x.trailing_ones() as usize;
            for b in 0..level {
                add(bits[b], &sum);
                add(&mut sum, &stack[b * len..(b + 1) * len]);
            }
            stack[level * len..(level + 1) * len].copy_from_slice(&sum);
        }
        all.copy_from_slice(&sum);
    }
}

fn add(to: &mut [Block], from: &[Block]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t ^= *f;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;

    #[test]
    fn sums_equal_their_definition() {
        let mut rng = Rng::from_seed(4);
        for field_bits in [1, 2, 4, 8] {
            for first in [0, 1] {
                let mut seeds = vec![Block::ZERO; (1 << field_bits) - first];
                rng.fill_blocks(&mut seeds);
                let bank = StreamBank::new(field_bits, first, &seeds);
                for (len, counter) in [(1, 0), (5, 3), (16, 7), (64, 1 << 40), (77, 1)] {
                    let mut all = vec![Block::ZERO; len];
                    let mut bits = vec![vec![Block::ZERO; len]; field_bits];
                    let mut views: Vec<&mut [Block]> = bits.iter_mut().map(|b| &mut b[..]).collect();
                    bank.sums(counter, &mut all, &mut views);
                    let mut expect = vec![vec![Block::ZERO; len]; field_bits + 1];
                    for x in first..1 << field_bits {
                        let mut r = vec![Block::ZERO; len];
                        let (key, base) = &bank.keys[x - first];
                        key.stream(*base, counter, &mut r);
                        add(&mut expect[field_bits], &r);
                        for b in 0..field_bits {
                            if x >> b & 1 == 1 {
                                add(&mut expect[b], &r);
                            }
                        }
                    }
                    bits.push(all);
                    for (got, want) in bits.iter().flatten().zip(expect.iter().flatten()) {
                        assert_eq!(got.0, want.0);
                    }
                }
            }
        }
    }
}

//! Pseudo-random generators: AES-128 in counter mode.

use super::block::Block;
use super::streams::StreamKey;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Expands a 128-bit seed into a stream of `AES_seed(0), AES_seed(1), ...`.
///
/// Distinguishing advantage after `q` blocks is at most `q^2 / 2^129` beyond AES as a pseudo-random permutation.
/// No `Clone`: two copies would produce the same stream.
pub struct Prg {
    key: StreamKey,
    counter: u64,
    /// The part of the last block that byte-wise reads have not used yet.
    rest: [u8; 16],
    rest_len: usize,
}

impl Prg {
    #[must_use]
    pub fn new(seed: Block) -> Prg {
        Prg { key: StreamKey::new(seed), counter: 0, rest: [0; 16], rest_len: 0 }
    }

    /// A stream that starts at a counter of its own, for one of many seeds: an evaluation of AES then tests a guess of the
    /// seed with this salt, not of all of them at once. Streams of at most `2^20` blocks, salts below `2^44`.
    #[must_use]
    pub fn salted(seed: Block, salt: u64) -> Prg {
        let mut prg = Prg::new(seed);
        prg.counter = salt << 20;
        prg
    }

    /// Whole blocks.
    pub fn fill_blocks(&mut self, out: &mut [Block]) {
        self.key.stream(self.counter, out);
        self.counter += out.len() as u64;
    }

    pub fn block(&mut self) -> Block {
        let mut out = [Block::ZERO];
        self.fill_blocks(&mut out);
        out[0]
    }

    pub fn fill_u64(&mut self, out: &mut [u64]) {
        let mut buf = [Block::ZERO; 64];
        for chunk in out.chunks_mut(128) {
            let blocks = &mut buf[..chunk.len().div_ceil(2)];
            self.fill_blocks(blocks);
            for (pair, b) in chunk.chunks_mut(2).zip(blocks.iter()) {
                pair[0] = b.low();
                if let Some(high) = pair.get_mut(1) {
                    *high = Block(b.0 >> 64).low();
                }
            }
        }
        buf.zeroize();
    }

    pub fn fill_bytes(&mut self, out: &mut [u8]) {
        let mut buf = [Block::ZERO; 64];
        let head = self.rest_len.min(out.len());
        let (first, out) = out.split_at_mut(head);
        let start = 16 - self.rest_len;
        first.copy_from_slice(&self.rest[start..start + head]);
        self.rest[start..start + head].zeroize();
        self.rest_len -= head;
        for chunk in out.chunks_mut(1024) {
            let blocks = &mut buf[..chunk.len().div_ceil(16)];
            self.fill_blocks(blocks);
            for (bytes, b) in chunk.chunks_mut(16).zip(blocks.iter()) {
                let all = b.to_bytes();
                bytes.copy_from_slice(&all[..bytes.len()]);
                if bytes.len() < 16 {
                    self.rest = all;
                    self.rest_len = 16 - bytes.len();
                }
            }
        }
        buf.zeroize();
    }

    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

impl Drop for Prg {
    fn drop(&mut self) {
        self.rest.zeroize();
    }
}

/// The key wipes itself.
impl ZeroizeOnDrop for Prg where StreamKey: ZeroizeOnDrop {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_do_not_depend_on_how_they_are_read() {
        let (mut a, mut b) = (Prg::new(Block(5)), Prg::new(Block(5)));
        let mut whole = vec![0; 3000];
        a.fill_bytes(&mut whole);
        let mut parts = vec![0; 3000];
        let mut at = 0;
        for n in [0, 1, 15, 16, 17, 1, 1023, 1024, 903] {
            b.fill_bytes(&mut parts[at..at + n]);
            at += n;
        }
        assert_eq!(at, 3000);
        assert!(whole == parts);
    }

    /// The encryption of zero under the key of zeros is a known answer of AES-128.
    #[test]
    fn the_stream_is_aes_128_in_counter_mode_and_is_wiped() {
        fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<Prg>();
        let known =
            [0x66, 0xe9, 0x4b, 0xd4, 0xef, 0x8a, 0x2c, 0x3b, 0x88, 0x4c, 0xfa, 0x59, 0xca, 0x34, 0x2b, 0x2e];
        assert_eq!(Prg::new(Block::ZERO).block().to_bytes(), known);
        // A salted stream is the same one from another counter on.
        let (mut a, mut b) = (Prg::new(Block(7)), Prg::salted(Block(7), 0));
        assert_eq!(a.block().0, b.block().0);
        let mut far = [Block::ZERO];
        StreamKey::new(Block(7)).stream(5 << 20, &mut far);
        assert_eq!(Prg::salted(Block(7), 5).block().0, far[0].0);
    }
}

//! AES-128 under one key on many blocks, and sums of many counter-mode streams.

use super::block::Block;
use super::simd::{Cipher, RoundKeys};
use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::ZeroizeOnDrop;

/// Blocks that the cipher works on at once.
const WIDE: usize = 32;

/// An expanded AES-128 key. Wiped when dropped, as both forms are.
pub(crate) enum StreamKey {
    Portable(Aes128Enc),
    Vector(Cipher, RoundKeys),
}

impl ZeroizeOnDrop for StreamKey
where
    Aes128Enc: ZeroizeOnDrop,
    RoundKeys: ZeroizeOnDrop,
{
}

impl StreamKey {
    pub(crate) fn new(key: Block) -> StreamKey {
        StreamKey::with(Cipher::detect(), key)
    }

    fn with(vector: Option<Cipher>, key: Block) -> StreamKey {
        match vector {
            Some(vector) => StreamKey::Vector(vector, vector.expand(key)),
            None => StreamKey::Portable(Aes128Enc::new(&Array(key.to_bytes()))),
        }
    }

    /// The key `AES(number)`.
    pub(crate) fn derived(&self, number: u64) -> StreamKey {
        match self {
            StreamKey::Vector(vector, keys) => StreamKey::Vector(*vector, vector.derive(keys, number)),
            StreamKey::Portable(cipher) => {
                let mut key = [Block::ZERO];
                stream(cipher, Block::ZERO, number, &mut key);
                StreamKey::with(None, key[0])
            }
        }
    }

    /// `out[i] = AES(counter + i)`.
    pub(crate) fn stream(&self, counter: u64, out: &mut [Block]) {
        match self {
            StreamKey::Vector(vector, keys) => vector.stream(keys, counter, out),
            StreamKey::Portable(cipher) => stream(cipher, Block::ZERO, counter, out),
        }
    }

    /// `x = AES(x xor offset) xor x xor offset` for every block.
    pub(crate) fn mmo(&self, offset: Block, blocks: &mut [Block]) {
        match self {
            StreamKey::Vector(vector, keys) => vector.mmo(keys, offset, blocks),
            StreamKey::Portable(cipher) => mmo(cipher, offset, blocks),
        }
    }

    /// The bits 0, and the bits 1, of what [`StreamKey::mmo`] makes of at most 64 blocks.
    pub(crate) fn mmo_bits(&self, offset: Block, blocks: &[Block]) -> [u64; 2] {
        if let StreamKey::Vector(vector, keys) = self
            && let Some(bits) = vector.mmo_bits(keys, offset, blocks)
        {
            return bits;
        }
        let mut buf = [Block::ZERO; 64];
        let buf = &mut buf[..blocks.len()];
        buf.copy_from_slice(blocks);
        self.mmo(offset, buf);
        buf.iter().enumerate().fold([0, 0], |[first, second], (e, block)| {
            [first | (block.low() & 1) << e, second | (block.low() >> 1 & 1) << e]
        })
    }
}

fn stream(cipher: &Aes128Enc, base: Block, counter: u64, out: &mut [Block]) {
    for (b, i) in out.iter_mut().zip(counter..) {
        *b = base ^ Block(u128::from(i));
    }
    encrypt(cipher, out);
}

fn mmo(cipher: &Aes128Enc, offset: Block, blocks: &mut [Block]) {
    let mut input = [Block::ZERO; WIDE];
    for chunk in blocks.chunks_mut(WIDE) {
        let input = &mut input[..chunk.len()];
        for (i, b) in input.iter_mut().zip(chunk.iter_mut()) {
            *b ^= offset;
            *i = *b;
        }
        encrypt(cipher, chunk);
        add(chunk, input);
    }
}

fn encrypt(cipher: &Aes128Enc, blocks: &mut [Block]) {
    let mut bytes = [Array([0; 16]); WIDE];
    for chunk in blocks.chunks_mut(WIDE) {
        let bytes = &mut bytes[..chunk.len()];
        for (y, b) in bytes.iter_mut().zip(chunk.iter()) {
            *y = Array(b.to_bytes());
        }
        cipher.encrypt_blocks(bytes);
        for (y, b) in bytes.iter().zip(chunk) {
            *b = Block::from_bytes(y.0);
        }
    }
}

/// The leaves of one punctured tree, each the key and the start of a counter-mode stream `r_x`.
///
/// The party that lacks a leaf has it at position 0, as a stream of zeros.
pub(crate) struct StreamBank {
    field_bits: usize,
    keys: BankKeys,
}

/// Streams of the last positions of the bank; what is missing at the front are zeros.
enum BankKeys {
    /// Key and start.
    Portable(Vec<(Aes128Enc, Block)>),
    /// The start is in the key.
    Vector(Cipher, Vec<RoundKeys>),
}

impl StreamBank {
    /// Streams from the `seeds` of the last positions of the bank: all `2^field_bits`, or all but the first.
    pub(crate) fn new(field_bits: usize, seeds: &[Block]) -> StreamBank {
        StreamBank::with(Cipher::detect(), field_bits, seeds)
    }

    fn with(vector: Option<Cipher>, field_bits: usize, seeds: &[Block]) -> StreamBank {
        let expanded = seeds.iter().map(|seed| {
            let mut out = [Block::ZERO; 2];
            StreamKey::with(vector, *seed).stream(0, &mut out);
            (out[0], out[1])
        });
        let keys = match vector {
            Some(vector) => {
                let keys = expanded.map(|(key, base)| vector.expand(key).starting_at(base));
                BankKeys::Vector(vector, keys.collect())
            }
            None => BankKeys::Portable(
                expanded.map(|(key, base)| (Aes128Enc::new(&Array(key.to_bytes())), base)).collect(),
            ),
        };
        StreamBank { field_bits, keys }
    }

    /// log2 of the number of streams.
    pub(crate) fn field_bits(&self) -> usize {
        self.field_bits
    }

    /// `all = sum of r_x`, `bits[b] = sum of r_x with bit b of x set`, from block `counter` of the streams on.
    ///
    /// All slices have the same length. A binary counter of partial sums adds each stream twice on average,
    /// instead of `1 + field_bits / 2` times.
    pub(crate) fn sums(&self, counter: u64, all: &mut [Block], bits: &mut [&mut [Block]]) {
        match &self.keys {
            BankKeys::Vector(vector, keys) => vector.sums(self.field_bits, keys, counter, all, bits),
            BankKeys::Portable(keys) => sums(self.field_bits, keys, counter, all, bits),
        }
    }
}

fn sums(
    field_bits: usize,
    keys: &[(Aes128Enc, Block)],
    counter: u64,
    all: &mut [Block],
    bits: &mut [&mut [Block]],
) {
    let len = all.len();
    let leaves = 1usize << field_bits;
    let first = leaves - keys.len();
    bits.iter_mut().for_each(|b| b.fill(Block::ZERO));
    let mut stack = vec![Block::ZERO; len * (field_bits + 1)];
    for x in 0..leaves {
        match x.checked_sub(first) {
            Some(i) => stream(&keys[i].0, keys[i].1, counter, all),
            None => all.fill(Block::ZERO),
        }
        // Each trailing one of x closes a pair of subtrees of which `all` is the odd one.
        let level = x.trailing_ones() as usize;
        for b in 0..level {
            add(bits[b], all);
            add(all, &stack[b * len..(b + 1) * len]);
        }
        stack[level * len..(level + 1) * len].copy_from_slice(all);
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

    fn blocks(n: usize, rng: &mut Rng) -> Vec<Block> {
        let mut out = vec![Block::ZERO; n];
        rng.fill_blocks(&mut out);
        out
    }

    fn assert_same(a: &[Block], b: &[Block]) {
        assert_eq!(a.len(), b.len());
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            assert_eq!(a.0, b.0, "block {i}");
        }
    }

    /// The forms of the code that this processor has.
    fn forms() -> Vec<Option<Cipher>> {
        [None].into_iter().chain(Cipher::available().map(Some)).collect()
    }

    #[test]
    fn all_forms_of_the_cipher_agree() {
        let mut rng = Rng::from_seed(21);
        for vector in forms() {
            let key = rng.block();
            let (a, b) = (StreamKey::with(vector, key), StreamKey::with(None, key));
            for n in [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 100] {
                let (mut x, mut y) = (vec![Block::ZERO; n], vec![Block::ZERO; n]);
                for counter in [0, 5, u64::from(u32::MAX), 1 << 60] {
                    a.stream(counter, &mut x);
                    b.stream(counter, &mut y);
                    assert_same(&x, &y);
                }
                let offset = rng.block();
                let mut x = blocks(n, &mut rng);
                let mut y = x.clone();
                let (a, b) = (a.derived(n as u64), b.derived(n as u64));
                if n <= 64 {
                    assert_eq!(a.mmo_bits(offset, &x), b.mmo_bits(offset, &x));
                }
                a.mmo(offset, &mut x);
                b.mmo(offset, &mut y);
                assert_same(&x, &y);
            }
        }
    }

    #[test]
    fn aes_matches_the_standard() {
        // FIPS 197, appendix C.1: the key 00 01 .. 0f encrypts 00 11 .. ff to this.
        let key = Block::from_bytes(std::array::from_fn(|i| i as u8));
        let plain = Block::from_bytes(std::array::from_fn(|i| (i * 0x11) as u8));
        let expect =
            [0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a];
        for vector in forms() {
            let mut out = [Block::ZERO];
            StreamKey::with(vector, key).mmo(plain, &mut out);
            assert_eq!((out[0] ^ plain).to_bytes(), expect);
        }
    }

    #[test]
    fn sums_equal_their_definition() {
        let mut rng = Rng::from_seed(4);
        for (vector, field_bits) in forms().into_iter().flat_map(|v| [1, 2, 4, 8].map(|k| (v, k))) {
            for first in [0, 1] {
                let seeds = blocks((1 << field_bits) - first, &mut rng);
                let bank = StreamBank::with(vector, field_bits, &seeds);
                let plain = StreamBank::with(None, field_bits, &seeds);
                let BankKeys::Portable(keys) = &plain.keys else { panic!("not the portable form") };
                for (len, counter) in [(1, 0), (5, 3), (16, 7), (64, 1 << 40), (77, 1)] {
                    let mut all = vec![Block::ZERO; len];
                    let mut bits = vec![vec![Block::ZERO; len]; field_bits];
                    let mut views: Vec<&mut [Block]> = bits.iter_mut().map(|b| &mut b[..]).collect();
                    bank.sums(counter, &mut all, &mut views);
                    bits.push(all);
                    let mut expect = vec![vec![Block::ZERO; len]; field_bits + 1];
                    let mut r = vec![Block::ZERO; len];
                    for x in first..1 << field_bits {
                        let (key, base) = &keys[x - first];
                        stream(key, *base, counter, &mut r);
                        for b in (0..field_bits).filter(|b| x >> b & 1 == 1).chain([field_bits]) {
                            add(&mut expect[b], &r);
                        }
                    }
                    assert_same(&bits.concat(), &expect.concat());
                }
            }
        }
    }
}

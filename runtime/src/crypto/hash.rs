//! The correlation-robust hash that turns correlated OTs into OT messages.
//!
//! `H(x) = P(x) xor x` with `P = AES_key`, the Matyas-Meyer-Oseas form, one AES call for each hash. Correlations are
//! hashed in tiles, each under a key of its own.
//!
//! **What is needed.** The OT sender masks messages with `H(q_i xor offset(v))` for every choice v of w bits; the
//! receiver knows `t_i = q_i xor offset(c_i)` and so one of the values. The others must look uniform. `offset` is
//! linear over GF(2) in v and in delta, and for every `v != 0` it maps delta onto GF(2)^128 with all preimages of one
//! size: `offset(1)` is delta itself where w is 1, and see [`crate::ot::code`] for wider OTs. That is *correlation
//! robustness* for the family `x -> x xor offset(d)`: for inputs `(t, d)`, `d != 0`, that do not depend on the key of
//! the hash beyond what the protocol shows, `H(t xor offset(d))` is indistinguishable from a random function of `(t,
//! d)`. Circular robustness is not needed: delta masks nothing.
//!
//! **Why MMO suffices** (Guo, Katz, Wang, Yu, "Efficient and secure multiparty computation from fixed-key block
//! ciphers", S&P 2020: MMO is correlation robust in the random-permutation model, for a delta of high min-entropy).
//! So `t xor offset(d)` is uniform over the choice of delta, and so is the difference `offset(d) xor offset(d')` of two
//! points of one OT, which is `offset(d xor d')`. In the ideal-cipher model permutations under different keys are
//! independent, so an evaluation under one key says nothing about hashes under another. For tiles of at most `m`
//! hashes, `n` hashes in all, and `p` evaluations of the cipher or its inverse by the attacker, the outputs are uniform
//! unless
//! * an evaluation of the attacker hits a hashed point of that key or its image: at most `2 p m / 2^128`; or
//! * two hashed points of one tile coincide: in one OT that fixes 128 bits of delta, `1 / 2^128` a pair; in two OTs it
//!   fixes `t_i xor t_j`, and the `t_i` are pseudo-random: `1 / 2^128` a pair. Together at most `n m / 2^128`.
//!
//! With [`TILE_HASHES`] `= m = 2^7` an attacker needs `p = 2^120` evaluations before the first bound says nothing,
//! whatever the size of the network; under one key for the session it would be `2^127 / n`. The second is `2^-81` for
//! `n = 2^40`.
//!
//! No index is hashed in: in the semi-honest model nobody chooses `t_i`, so equal points at different indices are
//! the event just counted. A protocol must not hash one correlation at one point twice for two masks: longer masks are
//! the output of a [`Prg`](super::Prg) seeded by the hash. A maliciously secure use would need the tweakable form of
//! the same paper.
//!
//! **The keys.** The session's key is the hash of its transcript, so work that an attacker does before or for another
//! session does not help against this one (`p` above counts only this session's evaluations). The key of a tile is
//! `AES_session(number)`, and no two tiles of a session have one number: it says which party sends the OTs, their
//! width, and how many of them were taken before the tile's first. AES is a permutation, so no two have one key either.
//! All keys are public, and both parties derive them without a message.

use super::block::Block;
use super::streams::StreamKey;
use picc_ir::Party;

/// Hashes under one key, at most: those that the sender makes of a tile.
pub const TILE_HASHES: usize = 128;

/// Numbers the tiles of correlations that are taken one after the other.
#[derive(Clone, Copy)]
pub struct Tiles {
    sender: Party,
    /// Of the OTs; 0 for those of the setup, whose width is 1.
    width: u32,
    /// How many of this direction and width came before.
    first: u64,
}

impl Tiles {
    /// Of OTs that `sender` sends, of which `first` have been taken.
    #[must_use]
    pub fn new(sender: Party, width: u32, first: u64) -> Tiles {
        Tiles { sender, width, first }
    }

    /// Of the OTs of width 1 that a setup hashes itself.
    #[must_use]
    pub(crate) fn of_setup(sender: Party) -> Tiles {
        Tiles::new(sender, 0, 0)
    }

    /// The same without the first `n` OTs.
    #[must_use]
    pub(crate) fn after(self, n: usize) -> Tiles {
        Tiles { first: self.first + n as u64, ..self }
    }

    /// OTs of a tile.
    #[must_use]
    pub(crate) fn ots(self) -> usize {
        TILE_HASHES >> self.width.max(1)
    }

    /// The first tile's number: different for all tiles of a session, since no OT is taken twice.
    #[must_use]
    pub(crate) fn number(self) -> u64 {
        self.first << 4 | u64::from(self.width) << 1 | u64::from(self.sender == Party::Server)
    }
}

/// The session's key, of which those of the tiles are made. It is public; both parties hold the same.
pub struct CrHash(StreamKey);

impl CrHash {
    #[must_use]
    pub fn new(session_key: Block) -> CrHash {
        CrHash(StreamKey::new(session_key))
    }

    /// The hash of the first tile. Its [`Tiles::ots`] OTs are hashed at no other.
    #[must_use]
    pub(crate) fn tile(&self, tiles: Tiles) -> TileHash {
        TileHash(self.0.derived(tiles.number()))
    }

    /// Replaces every block by its hash.
    pub fn hash_blocks(&self, tiles: Tiles, blocks: &mut [Block]) {
        for (i, blocks) in blocks.chunks_mut(tiles.ots()).enumerate() {
            self.tile(tiles.after(i * tiles.ots())).hash_blocks(Block::ZERO, blocks);
        }
    }

    /// Replaces every block x of `zero` by `H(x)`, and of `one`, which has as many, by `H(x xor offset)`.
    pub fn hash_both(&self, tiles: Tiles, offset: Block, zero: &mut [Block], one: &mut [Block]) {
        let tiled = zero.chunks_mut(tiles.ots()).zip(one.chunks_mut(tiles.ots()));
        for (i, (zero, one)) in tiled.enumerate() {
            let hash = self.tile(tiles.after(i * tiles.ots()));
            hash.hash_blocks(Block::ZERO, zero);
            hash.hash_blocks(offset, one);
        }
    }

    /// For every offset the bits 0, and the bits 1, of `H(x xor offset)` for every block x, of which there are at most
    /// 64.
    #[must_use]
    pub(crate) fn hash_bits<const KEYS: usize>(
        &self,
        tiles: Tiles,
        offsets: [Block; KEYS],
        blocks: &[Block],
    ) -> [[u64; 2]; KEYS] {
        let mut out = [[0; 2]; KEYS];
        for (i, blocks) in blocks.chunks(tiles.ots()).enumerate() {
            let start = i * tiles.ots();
            let hash = self.tile(tiles.after(start));
            for (out, offset) in out.iter_mut().zip(offsets) {
                let bits = hash.hash_bits(offset, blocks);
                out.iter_mut().zip(bits).for_each(|(out, bits)| *out |= bits << start);
            }
        }
        out
    }
}

/// `H(x) = AES_key(x) xor x` under the key of one tile.
pub(crate) struct TileHash(StreamKey);

impl TileHash {
    /// Replaces every block x by `H(x xor offset)`; `offset` is that of a key of the OT.
    pub(crate) fn hash_blocks(&self, offset: Block, blocks: &mut [Block]) {
        self.0.mmo(offset, blocks);
    }

    /// The bits 0, and the bits 1, of `H(x xor offset)` for every block x, of which there are at most 64.
    #[must_use]
    pub(crate) fn hash_bits(&self, offset: Block, blocks: &[Block]) -> [u64; 2] {
        self.0.mmo_bits(offset, blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;
    use std::collections::HashSet;

    fn one(hash: &CrHash, tiles: Tiles, x: Block) -> Block {
        let mut x = [x];
        hash.hash_blocks(tiles, &mut x);
        x[0]
    }

    #[test]
    fn batches_equal_single_hashes() {
        let h = CrHash::new(Block(3));
        let mut rng = Rng::from_seed(9);
        for (width, n) in (0..=5).flat_map(|w| [0, 1, 3, 4, 15, 16, 17, 31, 32, 33, 200].map(|n| (w, n))) {
            let tiles = Tiles::new(Party::Client, width, 7);
            let mut xs = vec![Block::ZERO; n];
            rng.fill_blocks(&mut xs);
            let offset = rng.block();
            let (mut plain, mut shifted) = (xs.clone(), xs.clone());
            h.hash_both(tiles, offset, &mut plain, &mut shifted);
            let mut again = xs.clone();
            h.hash_blocks(tiles, &mut again);
            for i in 0..n {
                let tile = tiles.after(i / tiles.ots() * tiles.ots());
                assert_eq!(plain[i].0, one(&h, tile, xs[i]).0);
                assert_eq!(shifted[i].0, one(&h, tile, xs[i] ^ offset).0);
                assert_eq!(again[i].0, plain[i].0);
            }
            for (first, xs) in xs.chunks(64).enumerate() {
                let bits = h.hash_bits(tiles.after(64 * first), [Block::ZERO, offset], xs);
                for (bits, hashes) in bits.iter().zip([&plain, &shifted]) {
                    for (i, hash) in hashes[64 * first..].iter().take(xs.len()).enumerate() {
                        assert_eq!([bits[0] >> i & 1, bits[1] >> i & 1], [hash.low() & 1, hash.low() >> 1 & 1]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_tile_is_matyas_meyer_oseas_under_a_key_of_the_session() {
        use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
        let encrypt = |key: Block, x: Block| {
            let mut out = Array(x.to_bytes());
            aes::Aes128Enc::new(&Array(key.to_bytes())).encrypt_block(&mut out);
            Block::from_bytes(out.0)
        };
        let mut rng = Rng::from_seed(4);
        let (session, x) = (rng.block(), rng.block());
        // Width 4, the server sends, 40 were taken before.
        let tiles = Tiles::new(Party::Server, 4, 40);
        assert_eq!(tiles.number(), 40 << 4 | 4 << 1 | 1);
        let key = encrypt(session, Block(tiles.number().into()));
        assert_eq!(one(&CrHash::new(session), tiles, x).0, (encrypt(key, x) ^ x).0);
    }

    /// The bound of the module's text: at most `2^7` hashes under a key, and no key twice.
    #[test]
    fn no_key_makes_more_hashes_than_stated() {
        let mut numbers = HashSet::new();
        for (sender, width) in Party::BOTH.into_iter().flat_map(|p| (0..=5).map(move |w| (p, w))) {
            let tiles = Tiles::new(sender, width, 0);
            assert!(tiles.ots() << width.max(1) <= TILE_HASHES);
            for tile in 0..100 {
                assert!(numbers.insert(tiles.after(tile * tiles.ots()).number()));
            }
        }
    }

    #[test]
    fn the_key_matters() {
        let tiles = Tiles::of_setup(Party::Client);
        let [a, b] = [1, 2].map(|key| one(&CrHash::new(Block(key)), tiles, Block(5)).0);
        assert_ne!(a, b);
    }
}

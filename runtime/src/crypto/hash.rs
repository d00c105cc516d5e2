//! The correlation-robust hash that turns correlated OTs into OT messages.
//!
//! `H(x) = P(x) xor x` with `P = AES_key`, the Matyas-Meyer-Oseas form, one AES call for each hash.
//!
//! **What is needed.** The OT sender masks messages with `H(q_i xor offset(v))` for every choice v of w bits; the receiver
//! knows `t_i = q_i xor offset(c_i)` and so one of the values. The others must look uniform. `offset` is linear over
//! GF(2) in v and in delta, and for every `v != 0` it maps delta onto GF(2)^128 with all preimages of one size: `offset(1)`
//! is delta itself where w is 1, and see [`crate::ot::code`] for wider OTs. That is *correlation robustness* for the
//! family `x -> x xor offset(d)`: for inputs `(t, d)`, `d != 0`, that do not depend on the key of the hash beyond what the
//! protocol shows, `H(t xor offset(d))` is indistinguishable from a random function of `(t, d)`. Circular robustness is
//! not needed: delta masks nothing.
//!
//! **Why MMO suffices** (Guo, Katz, Wang, Yu, "Efficient and secure multiparty computation from fixed-key block
//! ciphers", S&P 2020: MMO is correlation robust in the random-permutation model, for a delta of high min-entropy).
//! So `t xor offset(d)` is uniform over the choice of delta, and so is the difference `offset(d) xor offset(d')` of two
//! points of one OT, which is `offset(d xor d')`. For `n` hashes and `p`
//! evaluations of `P` or its inverse by the attacker, the outputs are uniform unless
//! * an evaluation of the attacker hits a hashed point or its image: at most `2 p n / 2^128`; or
//! * two hashed points coincide: in one OT that fixes 128 bits of delta, `1 / 2^128` a pair; in two OTs it fixes
//!   `t_i xor t_j`, and the `t_i` are pseudo-random: `1 / 2^128` a pair. Together at most `n^2 / 2^128`.
//!
//! No index is hashed in: in the semi-honest model nobody chooses `t_i`, so equal points at different indices are
//! the event just counted (`2^-48` for `2^40` hashes). A protocol must not hash one correlation at one point
//! twice for two masks: longer masks are the output of a [`Prg`](super::Prg) seeded by the hash. A maliciously
//! secure use would need the tweakable form of the same paper.
//!
//! **The key** is the hash of the session's transcript, so work that an attacker does before or for another session
//! does not help against this one (`p` above counts only this session's evaluations).

use super::block::Block;
use super::streams::StreamKey;

/// `H(x) = AES_key(x) xor x` under the session's key. The key is public; both parties hold the same.
pub struct CrHash(StreamKey);

impl CrHash {
    #[must_use]
    pub fn new(session_key: Block) -> CrHash {
        CrHash(StreamKey::new(session_key))
    }

    /// Replaces every block by its hash.
    pub fn hash_blocks(&self, blocks: &mut [Block]) {
        self.0.mmo(Block::ZERO, blocks);
    }

    /// Replaces every block `x` by `H(x xor offset)`; `offset` is that of a key of the OT.
    pub fn hash_blocks_offset(&self, offset: Block, blocks: &mut [Block]) {
        self.0.mmo(offset, blocks);
    }

    /// The bits 0, and the bits 1, of `H(x xor offset)` for every block x, of which there are at most 64; `offset` is that
    /// of a key of the OT.
    #[must_use]
    pub(crate) fn hash_bits(&self, offset: Block, blocks: &[Block]) -> [u64; 2] {
        self.0.mmo_bits(offset, blocks)
    }

    #[must_use]
    pub fn hash_one(&self, x: Block) -> Block {
        let mut b = [x];
        self.hash_blocks(&mut b);
        b[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;

    #[test]
    fn batches_equal_single_hashes() {
        let h = CrHash::new(Block(3));
        let mut rng = Rng::from_seed(9);
        for n in [0, 1, 3, 4, 15, 16, 17, 31, 32, 33, 200] {
            let mut xs = vec![Block::ZERO; n];
            rng.fill_blocks(&mut xs);
            let offset = rng.block();
            let (mut plain, mut shifted) = (xs.clone(), xs.clone());
            h.hash_blocks(&mut plain);
            h.hash_blocks_offset(offset, &mut shifted);
            for i in 0..n {
                assert_eq!(plain[i].0, h.hash_one(xs[i]).0);
                assert_eq!(shifted[i].0, h.hash_one(xs[i] ^ offset).0);
            }
            for (first, xs) in xs.chunks(64).enumerate() {
                let bits = h.hash_bits(offset, xs);
                for (i, hash) in shifted[64 * first..].iter().take(xs.len()).enumerate() {
                    assert_eq!([bits[0] >> i & 1, bits[1] >> i & 1], [hash.low() & 1, hash.low() >> 1 & 1]);
                }
            }
        }
    }

    #[test]
    fn the_key_matters() {
        assert_ne!(CrHash::new(Block(1)).hash_one(Block(5)).0, CrHash::new(Block(2)).hash_one(Block(5)).0);
    }
}

//! Punctured trees: 2^k seeds, all of them known to one party, all but one to the other.
//!
//! The tree is that of Goldreich, Goldwasser and Micali, the transfer of the sums that of Boyle et al., "Efficient
//! two-round OT extension and silent non-interactive secure computation" (CCS 2019), as used in section 3 of
//! SoftSpokenOT (Roy, CRYPTO 2022, ePrint 2022/192). The children of the root are the keys of a base OT themselves,
//! so k = 1 needs no message.
//!
//! ```text
//!   level 0    s_0 = K_0^0           s_1 = K_0^1              keys of the first base OT
//!   level l    s -> AES_s(0) left, AES_s(1) right;            sum of all left, sum of all right children,
//!                                                             each sent under its key of base OT l
//! ```
//!
//! The puncturing party chose, in base OT `l`, the side that the path to its secret leaf `delta` does *not* take; with
//! the sum of that side it completes the level. Seeds are stored at `x xor delta`, so the missing leaf is at
//! 0 and no address depends on delta: children are swapped by masks.
//!
//! Adversary: semi-honest. Message: 32 (k - 1) bytes for each tree, from the party with all leaves. Leakage: none.

use super::base::KeyPair;
use crate::bits::BitVec;
use crate::crypto::{Block, Prg};
use zeroize::Zeroizing;

/// All leaves of the tree whose base OTs have these keys, and the corrections for the other party.
#[must_use]
pub fn full_tree(keys: &[KeyPair]) -> (Zeroizing<Vec<Block>>, Vec<Block>) {
    let mut nodes = Zeroizing::new(keys[0].0.to_vec());
    let mut corrections = Vec::with_capacity(2 * keys.len());
    for key in &keys[1..] {
        nodes = expand(&nodes);
        let mut sums = key.0;
        for pair in nodes.chunks(2) {
            sums[0] ^= pair[0];
            sums[1] ^= pair[1];
        }
        corrections.extend_from_slice(&sums);
    }
    (nodes, corrections)
}

/// All leaves but the one at `delta`; the seed of leaf `x` is at `(x xor delta) - 1`.
///
/// Bit `l` of `path` is the direction of level `l` (the first is the most significant bit of delta), `keys[l]` the key
/// of base OT `l` for the direction not taken.
#[must_use]
pub fn punctured_tree(path: &BitVec, keys: &[Block], corrections: &[Block]) -> Zeroizing<Vec<Block>> {
    // Position 0 stands for the missing node. Its children are garbage, replaced or ignored.
    let mut nodes = Zeroizing::new(vec![Block::ZERO, keys[0]]);
    for (level, (right, key)) in path.bits().zip(keys).enumerate().skip(1) {
        nodes = expand(&nodes);
        let right = right.block();
        for pair in nodes.chunks_mut(2) {
            let swap = (pair[0] ^ pair[1]) & right;
            pair[0] ^= swap;
            pair[1] ^= swap;
        }
        let sums = &corrections[2 * (level - 1)..2 * level];
        // The side not taken is the left one where the path goes right.
        let mut missing = *key ^ sums[1] ^ ((sums[0] ^ sums[1]) & right);
        for pair in nodes.chunks(2).skip(1) {
            missing ^= pair[1];
        }
        nodes[0] = Block::ZERO;
        nodes[1] = missing;
    }
    Zeroizing::new(nodes[1..].to_vec())
}

fn expand(nodes: &[Block]) -> Zeroizing<Vec<Block>> {
    let mut children = Zeroizing::new(vec![Block::ZERO; 2 * nodes.len()]);
    for (pair, seed) in children.chunks_mut(2).zip(nodes) {
        Prg::new(*seed).fill_blocks(pair);
    }
    children
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Rng;

    #[test]
    fn the_punctured_tree_has_every_leaf_but_one() {
        let mut rng = Rng::from_seed(8);
        for k in [1usize, 2, 4, 8] {
            for delta in [0, (1 << k) - 1, 0x5a & ((1 << k) - 1)] {
                let keys: Vec<KeyPair> = (0..k).map(|_| KeyPair([rng.block(), rng.block()])).collect();
                let path: BitVec = (0..k).rev().map(|b| delta >> b & 1 == 1).collect();
                let chosen: Vec<Block> = keys.iter().zip(path.iter()).map(|(k, p)| k.0[usize::from(!p)]).collect();
                let (full, corrections) = full_tree(&keys);
                assert_eq!(full.len(), 1 << k);
                assert_eq!(corrections.len(), 2 * (k - 1));
                let punctured = punctured_tree(&path, &chosen, &corrections);
                assert_eq!(punctured.len(), (1 << k) - 1);
                for x in (0..1 << k).filter(|x| *x != delta) {
                    assert_eq!(full[x].0, punctured[(x ^ delta) - 1].0, "k {k} delta {delta} leaf {x}");
                }
                assert!(punctured.iter().all(|s| s.0 != full[delta].0));
            }
        }
    }
}

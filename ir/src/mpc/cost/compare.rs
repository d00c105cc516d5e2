//! Comparison of two private integers: how it splits into leaves and a tree, and what that costs.

use super::{Transcript, packed, script};
use crate::Party;
use crate::cost::{Cost, CotCounts};
use crate::mpc::MAX_RADIX;

/// The layout of `[y > x]` on `bits`-bit integers: leaves of at most `radix` bits, then a tree of ANDs.
///
/// ```text
///   y, x   leaf 2   leaf 1   leaf 0      one 1-of-2^w OT a leaf: (gt, eq), leaf 0 only gt
///            |        '---+----'
///            '--------+   |              level 0: gt = gt_hi ^ eq_hi & gt_lo, eq = eq_hi & eq_lo
///                     '-+-'              level 1: the root needs no eq
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub bits: u32,
    /// Width of each leaf in bits, lowest leaf first.
    pub leaves: Vec<u32>,
    /// The tree, level by level; indices are into the items of the level before.
    pub levels: Vec<Vec<TreeNode>>,
}

/// Combines the items `hi` and `lo` of the level before into the next item of this level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeNode {
    /// `gt = gt_hi ^ (eq_hi & gt_lo)`; nothing below asks for `eq`.
    Last { hi: usize, lo: usize },
    /// Also `eq = eq_hi & eq_lo`: two ANDs that share a factor.
    Both { hi: usize, lo: usize },
    /// The item of the level before, unchanged.
    Pass(usize),
}

impl TreeNode {
    /// Bits that each party opens: one for each distinct factor.
    #[must_use]
    pub fn opened(self) -> u64 {
        match self {
            TreeNode::Last { .. } => 2,
            TreeNode::Both { .. } => 3,
            TreeNode::Pass(_) => 0,
        }
    }
}

impl Comparison {
    /// Leaves are as even as possible, the lowest ones widest: the lowest has no eq part, and what a leaf sends doubles
    /// with each bit.
    ///
    /// # Panics
    /// If `radix` is 0 or above [`MAX_RADIX`], or `bits` above 64.
    #[must_use]
    pub fn new(bits: u32, radix: u8) -> Comparison {
        assert!((1..=MAX_RADIX).contains(&radix) && bits <= 64, "comparison of {bits} bits with radix {radix}");
        let q = bits.div_ceil(u32::from(radix));
        let leaves: Vec<u32> = (0..q).map(|j| bits / q + u32::from(j < bits % q)).collect();
        let mut levels = Vec::new();
        let mut items = leaves.len();
        while items > 1 {
            let level = halved(0, items, true);
            items = level.len();
            levels.push(level);
        }
        Comparison { bits, leaves, levels }
    }

    /// The layout for integers of `low + high` bits whose tree stops at two items: gt of the `low` low bits, gt and eq
    /// of the `high` high bits. With no low bits it is the whole comparison of the high ones.
    #[must_use]
    pub fn split(low: u32, high: u32, radix: u8) -> Comparison {
        if low == 0 {
            return Comparison::new(high, radix);
        }
        let parts = [low, high].map(|bits| Comparison::new(bits, radix).leaves);
        let mut levels = Vec::new();
        let [mut lows, mut highs] = [parts[0].len(), parts[1].len()];
        while lows.max(highs) > 1 {
            let mut level = halved(0, lows, true);
            let high_part = halved(lows, highs, false);
            (lows, highs) = (level.len(), high_part.len());
            level.extend(high_part);
            levels.push(level);
        }
        Comparison { bits: low + high, leaves: parts.concat(), levels }
    }

    /// Bits that the leaves' sender sends for each element: `2^w - 1` masked bits for gt, as many for eq.
    #[must_use]
    pub fn leaf_bits(&self) -> u64 {
        let field = |w: &u32| (1u64 << w) - 1;
        self.leaves.iter().map(|w| 2 * field(w)).sum::<u64>() - self.leaves.first().map_or(0, field)
    }

    /// Correlated OTs of the leaves of one element: one for each leaf, of the leaf's width.
    #[must_use]
    pub fn leaf_cots(&self) -> CotCounts {
        self.leaves.iter().map(|&w| CotCounts::of(w, 1)).fold(CotCounts::default(), |a, b| a + b)
    }

    /// ANDs that share no factor with another, at most one in each level. Their triples come with the leaves.
    #[must_use]
    pub fn single_ands(&self) -> usize {
        self.levels.iter().flatten().filter(|node| matches!(node, TreeNode::Last { .. })).count()
    }

    pub(crate) fn run(&self, t: &mut Transcript, n: u64, sender: Party) {
        if n == 0 || self.bits == 0 {
            return;
        }
        self.choose(t, n, sender);
        self.answer(t, n, sender);
        self.tree(t, n);
    }

    /// The correlated OTs of the leaves, and their receiver's choices.
    pub(super) fn choose(&self, t: &mut Transcript, n: u64, sender: Party) {
        let singles = CotCounts::of(2, self.single_ands() as u64);
        t.wide_cots(sender, (self.leaf_cots() + singles).times(n));
        t.message(sender.other(), packed(n, u64::from(self.bits)));
    }

    /// The masked bits of the leaves, and what makes the triples of the single ANDs.
    pub(super) fn answer(&self, t: &mut Transcript, n: u64, sender: Party) {
        t.message(sender, packed(n, self.leaf_bits()) + self.single_ands() as u64 * n.div_ceil(8));
    }

    /// A pair of ANDs outside the tree.
    pub(super) fn and_pair(t: &mut Transcript, n: u64) {
        Comparison { bits: 0, leaves: Vec::new(), levels: vec![vec![TreeNode::Both { hi: 1, lo: 0 }]] }.tree(t, n);
    }

    pub(super) fn tree(&self, t: &mut Transcript, n: u64) {
        for level in &self.levels {
            let pairs = level.iter().filter(|node| matches!(node, TreeNode::Both { .. })).count() as u64;
            let opened = level.iter().map(|node| node.opened()).sum::<u64>() * n.div_ceil(8);
            t.cots(Party::Client, n * pairs);
            t.cots(Party::Server, n * pairs);
            t.exchange(opened, opened);
        }
    }
}

/// Combines the items `first..first + count` in pairs; `lowest`: nobody asks for the eq of the first.
fn halved(first: usize, count: usize, lowest: bool) -> Vec<TreeNode> {
    let pair = |i: usize| {
        let (hi, lo) = (first + 2 * i + 1, first + 2 * i);
        if lowest && i == 0 { TreeNode::Last { hi, lo } } else { TreeNode::Both { hi, lo } }
    };
    let odd = (count % 2 == 1).then(|| TreeNode::Pass(first + count - 1));
    (0..count / 2).map(pair).chain(odd).collect()
}

/// `[y > x]` for `n` pairs of `bits`-bit integers; `sender` (the owner of x) sends the leaves.
#[must_use]
pub fn greater(n: u64, bits: u8, radix: u8, sender: Party) -> Cost {
    script(|t| Comparison::new(u32::from(bits), radix).run(t, n, sender))
}

/// `[x >= 0]` for `n` elements of a ring of `ring` bits.
#[must_use]
pub fn drelu(n: u64, ring: u8, radix: u8) -> Cost {
    script(|t| drelu_run(t, n, ring, radix))
}

pub(super) fn drelu_run(t: &mut Transcript, n: u64, ring: u8, radix: u8) {
    Comparison::new(u32::from(ring) - 1, radix).run(t, n, Party::Server);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_even_and_cover() {
        assert_eq!(Comparison::new(24, 4).leaves, [4; 6]);
        assert_eq!(Comparison::new(33, 4).leaves, [4, 4, 4, 4, 4, 4, 3, 3, 3]);
        assert_eq!(Comparison::new(3, 4).leaves, [3]);
        assert!(Comparison::new(0, 4).leaves.is_empty());
        assert_eq!(Comparison::new(24, 4).leaf_bits(), 5 * 30 + 15);
    }

    #[test]
    fn the_tree_ends_in_one_item() {
        for bits in 1..=64 {
            for radix in 1..=MAX_RADIX {
                let c = Comparison::new(bits, radix);
                assert_eq!(c.leaves.iter().sum::<u32>(), bits);
                assert_eq!(c.levels.last().map_or(c.leaves.len(), Vec::len), 1);
                let nodes: usize = c.levels.iter().flatten().filter(|node| node.opened() > 0).count();
                assert_eq!(nodes, c.leaves.len() - 1);
                let single = |node: &&TreeNode| matches!(node, TreeNode::Last { .. });
                assert!(c.levels.iter().all(|level| level.iter().filter(single).count() == 1));
            }
        }
    }
}

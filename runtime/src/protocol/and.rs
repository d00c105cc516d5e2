//! One level of a comparison's tree: ANDs of shared bits, in pairs that share a factor, by bit triples.
//!
//! Paper: the tree of CrypTFlow2 (Rathee et al., CCS 2020), algorithm 1, steps 9 to 13. Adversary: semi-honest. One
//! exchange: 2 bits each way for an AND, 3 for a pair. Leakage: none, the triples are used once ([`super::triple`]).

use super::planes::Planes;
use super::triple::{self, PAIR, SINGLE};
use crate::channel::Kind;
use crate::error::Result;
use crate::session::Session;
use picc_ir::{Party, mpc::cost::TreeNode};
use rayon::prelude::*;

/// `items` has `gt` in the first half of its planes and `eq` in the second, and so has the result. A single AND uses
/// number `number` of `singles`.
pub(super) fn level(
    session: &mut Session,
    items: &Planes,
    level: &[TreeNode],
    singles: &Planes,
    number: usize,
) -> Result<Planes> {
    let n = items.n;
    let nodes: Vec<TreeNode> = level.iter().copied().filter(|node| node.opened() > 0).collect();
    let opened = nodes.iter().map(|node| node.opened() as usize).sum::<usize>();
    let double = |node: &&TreeNode| matches!(node, TreeNode::Both { .. });
    let pairs = triple::pairs(session, n, nodes.iter().filter(double).count())?;
    // The triples of a group in the order of the nodes; a single as a pair whose second half is not used.
    let triples = |first: usize| {
        let mut pairs = pairs.group(first).as_chunks::<PAIR>().0.iter();
        let single = singles.group(first).as_chunks::<SINGLE>().0.get(number).copied().unwrap_or_default();
        nodes.iter().map(move |node| match node {
            TreeNode::Both { .. } => pairs.next().copied().unwrap_or_default(),
            TreeNode::Last { .. } | TreeNode::Pass(_) => {
                let [a, b, ab] = single;
                [a, b, 0, ab, 0]
            }
        })
    };

    let mut open = Planes::zeros(n, opened);
    open.par_groups().for_each(|group| {
        let own = items.group(group.first);
        let mut out = group.words.iter_mut();
        for (node, [a, b, b2, ..]) in nodes.iter().zip(triples(group.first)) {
            let (x, y, z) = factors(own, *node);
            let masked = [x ^ a, y ^ b, z ^ b2];
            out.by_ref().zip(&masked[..node.opened() as usize]).for_each(|(o, m)| *o = *m);
        }
    });
    let bytes = open.to_bytes();
    let theirs = session.channel.exchange(Kind::Open, &bytes, bytes.len())?;
    open.xor_bytes(&theirs);

    let adds_product = u64::from(session.party() == Party::Server).wrapping_neg();
    let mut out = Planes::zeros(n, 2 * level.len());
    out.par_groups().for_each(|group| {
        let own = items.group(group.first);
        let mut triples = triples(group.first);
        let mut open = open.group(group.first);
        let (gt, eq) = group.words.split_at_mut(level.len());
        for (i, node) in level.iter().enumerate() {
            let (opened, rest) = open.split_at(node.opened() as usize);
            open = rest;
            let mut and = |eq_wanted: bool| {
                let [a, b, b2, ab, ab2] = triples.next().unwrap_or_default();
                let dx = opened[0];
                let product = |b, ab, dy| ab ^ (dx & b) ^ (dy & a) ^ (dx & dy & adds_product);
                (product(b, ab, opened[1]), if eq_wanted { product(b2, ab2, opened[2]) } else { 0 })
            };
            (gt[i], eq[i]) = match *node {
                TreeNode::Pass(item) => (own[item], own[own.len() / 2 + item]),
                TreeNode::Last { hi, .. } => {
                    let (xy, _) = and(false);
                    (own[hi] ^ xy, 0)
                }
                TreeNode::Both { hi, .. } => {
                    let (xy, xz) = and(true);
                    (own[hi] ^ xy, xz)
                }
            };
        }
    });
    Ok(out)
}

/// `eq_hi`, `gt_lo`, `eq_lo`.
fn factors(items: &[u64], node: TreeNode) -> (u64, u64, u64) {
    let eq = items.len() / 2;
    match node {
        TreeNode::Last { hi, lo } => (items[eq + hi], items[lo], 0),
        TreeNode::Both { hi, lo } => (items[eq + hi], items[lo], items[eq + lo]),
        TreeNode::Pass(_) => (0, 0, 0),
    }
}

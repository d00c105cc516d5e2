//! One level of a comparison's tree: ANDs of shared bits, in pairs that share a factor, from bit triples that cost no
//! message.
//!
//! Paper: the tree of CrypTFlow2 (Rathee et al., CCS 2020), algorithm 1, steps 9 to 13; triples by Beaver. Adversary:
//! semi-honest. One exchange: 2 bits each way for an AND, 3 for a pair. One COT in each direction. Leakage: none.
//!
//! **Triples without a message.** In one direction the OT sender has `q` and the receiver `t = q + c delta`, c random.
//! With `u = H(q)` and `b = H(q) + H(q + delta)` (bits of the hashes, added mod 2) the receiver's `H(t)` is `u + c b`:
//! the parties share the product of the receiver's random `a = c` and the sender's random `b`. With one COT in each
//! direction each party has an `a` and a `b`, and
//! `(a0 + a1)(b0 + b1) = a0 b0 + a1 b1 + (u + H(t)) + (u' + H(t'))`. Every bit of the hash gives another `b` for the same
//! `a`: two of them make the correlated pair `(x y, x z)`. To its receiver, an opened `x + a`, `y + b` or `z + b'` is
//! uniform: the sender's `a` is the choice bit of a random OT, its `b`s are pads that the receiver cannot compute.

use super::planes::{LANES, Planes, bits_at};
use crate::channel::Kind;
use crate::crypto::{Block, CrHash};
use crate::error::Result;
use crate::session::Session;
use picc_ir::{Party, mpc::cost::TreeNode};
use rayon::prelude::*;

/// Words that a party keeps of the triple of one node: a, b, b', ab, ab'.
const TRIPLE: usize = 5;

/// The next level: `items` has `gt` in the first half of its planes and `eq` in the second, and so has the result.
pub(super) fn level(session: &mut Session, items: &Planes, level: &[TreeNode]) -> Result<Planes> {
    let n = items.n;
    let nodes: Vec<TreeNode> = level.iter().copied().filter(|node| node.opened() > 0).collect();
    let opened = nodes.iter().map(|node| node.opened() as usize).sum::<usize>();
    let triples = triples(session, n, nodes.len())?;

    let mut open = Planes::zeros(n, opened);
    open.par_groups().for_each(|group| {
        let (own, triples) = (items.group(group.first), triples.group(group.first));
        let mut out = group.words.iter_mut();
        for (node, [a, b, b2, ..]) in nodes.iter().zip(triples.as_chunks::<TRIPLE>().0) {
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
        let mut triples = triples.group(group.first).as_chunks::<TRIPLE>().0.iter();
        let mut open = open.group(group.first);
        let (gt, eq) = group.words.split_at_mut(level.len());
        for (i, node) in level.iter().enumerate() {
            let (opened, rest) = open.split_at(node.opened() as usize);
            open = rest;
            let mut and = |eq_wanted: bool| {
                let [a, b, b2, ab, ab2] = triples.next().unwrap_or(&[0; TRIPLE]);
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

/// `nodes` correlated triples for each of `n` elements, [`TRIPLE`] planes each.
fn triples(session: &mut Session, n: usize, nodes: usize) -> Result<Planes> {
    let q = session.cot_sender.take(n * nodes)?;
    let (t, c) = session.cot_receiver.take(n * nodes)?;
    let delta = session.cot_sender.delta();
    let hash = &session.hash;
    let mut out = Planes::zeros(n, TRIPLE * nodes);
    out.par_groups().for_each(|group| {
        for (k, triple) in group.words.as_chunks_mut::<TRIPLE>().0.iter_mut().enumerate() {
            // Correlations are used group by group, node by node.
            let start = group.first * nodes + k * group.lanes;
            let range = start..start + group.lanes;
            let (u, u2) = pad_bits(hash, Block::ZERO, &q[range.clone()]);
            let (w, w2) = pad_bits(hash, delta, &q[range.clone()]);
            let (h, h2) = pad_bits(hash, Block::ZERO, &t[range]);
            let a = bits_at(c.words(), start, group.lanes);
            let (b, b2) = (u ^ w, u2 ^ w2);
            *triple = [a, b, b2, (a & b) ^ u ^ h, (a & b2) ^ u2 ^ h2];
        }
    });
    Ok(out)
}

/// The first and the second bit of the hash of each block.
fn pad_bits(hash: &CrHash, offset: Block, blocks: &[Block]) -> (u64, u64) {
    let mut buf = [Block::ZERO; LANES];
    let buf = &mut buf[..blocks.len()];
    buf.copy_from_slice(blocks);
    hash.hash_blocks_offset(offset, buf);
    buf.iter().enumerate().fold((0, 0), |(first, second), (e, block)| {
        (first | (block.low() & 1) << e, second | (block.low() >> 1 & 1) << e)
    })
}

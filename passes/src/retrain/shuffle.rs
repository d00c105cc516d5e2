//! ReLU shuffling (CryptoNAS): a ReLU moves to where fewer elements are.
//!
//! ```text
//!   relu_before_conv   relu(conv(z) + b)      ->  conv(relu(z)) + b        z smaller than the output
//!   relu_after_conv    conv(relu(x)) + b      ->  relu(conv(x) + b)        the output smaller than x
//!   relu_off_skip      relu(conv(z) + b + s)  ->  conv(relu(z)) + b + s    z smaller than the output
//! ```
//! Where `z` is never negative nothing would be left to activate: that is pruning, see `prune.rs`.

use super::rewrite::Rewriter;
use super::sites::{Site, before, channel_axis, non_negative};
use crate::error::Result;
use crate::graph_edit::{is_known, uses};
use picc_ir::op::Op;
use picc_ir::ops::Relu;
use picc_ir::{Graph, Id};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    BeforeConv,
    AfterConv,
    OffSkip,
}

impl Way {
    pub fn rule(self) -> &'static str {
        match self {
            Way::BeforeConv => "relu_before_conv",
            Way::AfterConv => "relu_after_conv",
            Way::OffSkip => "relu_off_skip",
        }
    }
}

/// One ReLU that moves.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub way: Way,
    pub relu: Id,
    /// The convolution that it passes, with its bias.
    linear: Id,
    bias: Option<Id>,
    /// The other summand of a skip connection.
    skip: Option<Id>,
    /// What changes its value: the ReLU, or the convolution (or bias) that the ReLU moves behind.
    pub root: Id,
    pub removed: u64,
}

impl Move {
    /// Nodes that no other rewrite may touch.
    pub fn touches(&self) -> Vec<Id> {
        [self.relu, self.linear, self.root].into_iter().chain(self.bias).collect()
    }
}

/// Every move that leaves fewer ReLUs.
pub(super) fn find(graph: &Graph, sites: &[Site]) -> Vec<Move> {
    let uses = uses(graph);
    let len = |id: Id| graph.ty(id).len() as u64;
    let mut found = Vec::new();
    for site in sites {
        let relu = site.relu;
        if let Some(b) = site.before {
            let z = graph.node(b.linear).args[0];
            if matches!(graph.node(b.linear).op, Op::Conv(_)) && len(z) < len(relu) && !non_negative(graph, z) {
                let removed = len(relu) - len(z);
                let (linear, bias) = (b.linear, b.bias);
                found.push(Move { way: Way::BeforeConv, relu, linear, bias, skip: None, root: relu, removed });
            }
        }
        found.extend(off_skip(graph, &uses, relu));
        found.extend(after_conv(graph, &uses, relu));
    }
    found
}

fn off_skip(graph: &Graph, uses: &[usize], relu: Id) -> Option<Move> {
    let sum = graph.node(relu).args[0];
    let (Op::Add(_), &[a, s]) = (&graph.node(sum).op, &graph.node(sum).args[..]) else { return None };
    if uses[sum.index()] != 1 || is_known(graph, s) {
        return None;
    }
    let axis = channel_axis(&graph.ty(relu).shape);
    let one = |branch: Id, skip: Id| {
        let b = before(graph, uses, branch, axis)?;
        let z = graph.node(b.linear).args[0];
        let fewer = graph.ty(relu).len().checked_sub(graph.ty(z).len()).filter(|&n| n > 0)?;
        let fits = matches!(graph.node(b.linear).op, Op::Conv(_)) && !non_negative(graph, z);
        let (linear, bias, removed) = (b.linear, b.bias, fewer as u64);
        fits.then_some(Move { way: Way::OffSkip, relu, linear, bias, skip: Some(skip), root: relu, removed })
    };
    one(a, s).or_else(|| one(s, a))
}

fn after_conv(graph: &Graph, uses: &[usize], relu: Id) -> Option<Move> {
    let reader = |id: Id| graph.iter().find(|(_, n)| n.args.contains(&id)).map(|(r, _)| r);
    if uses[relu.index()] != 1 {
        return None;
    }
    let conv = reader(relu)?;
    let node = graph.node(conv);
    if !matches!(node.op, Op::Conv(_)) || node.args[0] != relu || !is_known(graph, node.args[1]) {
        return None;
    }
    let next = reader(conv).filter(|_| uses[conv.index()] == 1);
    let bias = next.and_then(|add| match (&graph.node(add).op, &graph.node(add).args[..]) {
        (Op::Add(_), &[c, b]) if c == conv && is_known(graph, b) => Some((add, b)),
        _ => None,
    });
    let root = bias.map_or(conv, |(add, _)| add);
    let activated = graph.iter().any(|(_, n)| n.args.contains(&root) && matches!(n.op, Op::Relu(_)));
    let removed = graph.ty(relu).len().checked_sub(graph.ty(root).len()).filter(|&n| n > 0)? as u64;
    let bias = bias.map(|(_, b)| b);
    (!activated).then_some(Move { way: Way::AfterConv, relu, linear: conv, bias, skip: None, root, removed })
}

/// The value of the root, with the ReLU where it moves to.
pub(super) fn emit(r: &mut Rewriter<'_>, m: &Move) -> Result<Id> {
    let old = r.old();
    let layer = old.node(m.linear).clone();
    let relu_name = old.node(m.relu).name.clone();
    let w = r.mapped(layer.args[1]);
    let mut x = match m.way {
        Way::BeforeConv | Way::OffSkip => {
            let z = r.mapped(layer.args[0]);
            r.add(Relu {}, &[z], &relu_name)?
        }
        Way::AfterConv => r.mapped(old.node(m.relu).args[0]),
    };
    x = r.add(layer.op.clone(), &[x, w], &layer.name)?;
    for addend in m.bias.into_iter().chain(m.skip) {
        let addend = r.mapped(addend);
        x = r.add(picc_ir::ops::Add {}, &[x, addend], &layer.name)?;
    }
    match m.way {
        Way::AfterConv => r.add(Relu {}, &[x], &relu_name),
        Way::BeforeConv | Way::OffSkip => Ok(x),
    }
}

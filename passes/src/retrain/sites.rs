//! Where a network's ReLUs are, and what stands before and behind them.

use crate::graph_edit::{is_known, uses};
use picc_ir::facts::Movement;
use picc_ir::op::Op;
use picc_ir::{Graph, Id};

/// A linear layer whose only reader is one ReLU: what a channel's ReLU becomes can go into its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// Convolution or matrix product, weights on the right.
    pub linear: Id,
    /// Its bias, if it has one.
    pub bias: Option<Id>,
}

/// One ReLU.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub relu: Id,
    pub input: Id,
    /// Axis along which channels lie, and how many there are.
    pub axis: usize,
    pub channels: usize,
    /// Elements of one channel.
    pub each: u64,
    pub before: Option<Before>,
}

impl Site {
    pub fn elements(&self) -> u64 {
        self.each * self.channels as u64
    }
}

/// All `relu` nodes but those of the client's own part, which needs no protocol.
pub(super) fn relus(graph: &Graph) -> Vec<Id> {
    let mut at_client = vec![false; graph.nodes.len()];
    let mut found = Vec::new();
    for (id, node) in graph.iter() {
        let starts = matches!(node.op, Op::Softmax(_) | Op::LogSoftmax(_) | Op::Unary(_) | Op::Div(_));
        at_client[id.index()] = starts || node.args.iter().any(|a| at_client[a.index()]);
        if matches!(node.op, Op::Relu(_)) && !at_client[id.index()] {
            found.push(id);
        }
    }
    found
}

/// Axis of the channels of a value: the second of images and rows, else the last.
pub(super) fn channel_axis(shape: &[usize]) -> usize {
    match shape.len() {
        2 | 4 => 1,
        n => n.saturating_sub(1),
    }
}

/// Every ReLU with its channels.
pub(super) fn find(graph: &Graph) -> Vec<Site> {
    let uses = uses(graph);
    let site = |relu: Id| {
        let input = graph.node(relu).args[0];
        let shape = &graph.ty(relu).shape;
        let axis = channel_axis(shape);
        let channels = shape.get(axis).copied().unwrap_or(1);
        let each = (graph.ty(relu).len() / channels.max(1)) as u64;
        Site { relu, input, axis, channels, each, before: before(graph, &uses, input, axis) }
    };
    relus(graph).into_iter().filter(|&r| !graph.ty(r).shape.is_empty()).map(site).collect()
}

/// The linear layer that ends in `x`, if nothing else reads it and each of its outputs runs along `axis`.
pub(super) fn before(graph: &Graph, uses: &[usize], x: Id, axis: usize) -> Option<Before> {
    if uses[x.index()] != 1 {
        return None;
    }
    let node = graph.node(x);
    let (linear, bias) = match (&node.op, &node.args[..]) {
        (Op::Add(_), &[y, b]) if is_known(graph, b) && uses[y.index()] == 1 => (y, Some(b)),
        _ => (x, None),
    };
    let layer = graph.node(linear);
    if graph.ty(x).shape != layer.ty.shape || !layer.args.get(1).is_some_and(|&w| is_known(graph, w)) {
        return None;
    }
    let fits = match layer.op {
        Op::Conv(_) => axis == 1,
        Op::MatMul(_) => graph.ty(layer.args[1]).shape.len() == 2 && axis + 1 == layer.ty.shape.len(),
        _ => false,
    };
    // A bias for each channel or for all; anything else does not fold.
    let along = bias.is_none_or(|b| {
        let shape = &graph.ty(b).shape;
        let lead = layer.ty.shape.len() - shape.len().min(layer.ty.shape.len());
        shape.iter().enumerate().all(|(i, &d)| d == 1 || i + lead == axis)
    });
    (fits && along).then_some(Before { linear, bias })
}

/// Whether a value is never negative, as far as the operators show.
pub(super) fn non_negative(graph: &Graph, id: Id) -> bool {
    let node = graph.node(id);
    let all = || node.args.iter().all(|&a| non_negative(graph, a));
    match &node.op {
        Op::Relu(_) => true,
        Op::Add(_) | Op::MaxPool(_) | Op::ReduceMax(_) | Op::SumPool(_) | Op::ReduceSum(_) => all(),
        Op::Max(_) => node.args.iter().any(|&a| non_negative(graph, a)),
        op => op.facts().movement != Movement::None && all(),
    }
}

//! Which values are stored although they could be computed again.
//!
//! An element that is read `r` times and takes `l` loads to compute costs `r l` loads if it is computed each time, and
//! `l + 1 + r` loads and stores if it goes through memory.

use super::Builder;
use crate::op::Op;
use crate::ops::SumPool;
use crate::{Id, Node};
use std::collections::BTreeMap;

impl Builder<'_> {
    /// Finds the loads of every node, then the nodes to keep.
    pub(super) fn decide(&mut self) {
        for id in self.nodes.clone() {
            let node = self.node(id);
            let taps = taps(node, self.shape(node.args[0]).as_slice());
            let arg = |a: &Id| {
                if self.absent(node, *a) { 0.0 } else { self.loads.get(a).copied().unwrap_or(1.0) }
            };
            let args = node.args.iter().map(arg);
            let loads = if matches!(node.op, Op::Conv(_) | Op::MatMul(_)) {
                // Calls put their result into memory.
                1.0
            } else if matches!(node.op, Op::Concat(_)) {
                // An element comes from one part.
                args.fold(0.0, f64::max)
            } else {
                args.sum::<f64>() * taps
            };
            self.loads.insert(id, loads);
        }
        let mut reads: BTreeMap<Id, f64> = BTreeMap::new();
        for id in self.nodes.clone().into_iter().rev() {
            let node = self.node(id);
            let own = reads.get(&id).copied().unwrap_or(0.0);
            let loads = self.loads.get(&id).copied().unwrap_or(1.0);
            let output = self.outputs.contains(&id);
            if own * loads > loads + 1.0 + own && !output {
                self.kept.insert(id);
            }
            let times = if output || self.kept.contains(&id) { 1.0 } else { own };
            for &arg in node.args.iter().filter(|a| self.nodes.contains(a)) {
                let len = self.graph.ty(arg).len().max(1) as f64;
                let taps = taps(node, self.shape(arg).as_slice());
                *reads.entry(arg).or_default() += times * taps * node.ty.len() as f64 / len;
            }
        }
    }
}

/// Elements of its argument that one element of the node reads.
fn taps(node: &Node, shape: &[usize]) -> f64 {
    if let Op::SumPool(SumPool { kernel, .. }) = &node.op {
        (kernel[0] * kernel[1]) as f64
    } else if let Op::ReduceSum(op) = &node.op {
        op.axes.iter().map(|&a| shape[a] as f64).product()
    } else {
        1.0
    }
}

//! Layers under ring LWE: weights prepared at load, and what the protocol takes.

use super::executable::Executable;
use crate::error::{BadProgram, Error, Result};
use crate::protocol::linear_rlwe::PreparedLinear;
use picc_ir::geom::MatMulGeom;
use picc_ir::mpc::rlwe::LinearPlan;
use picc_ir::weights::RingWeights;
use picc_ir::{Id, Node, Op, Tensor};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Weights of the program's layers, transformed as far as the budget reaches.
pub(super) type Prepared = BTreeMap<Id, PreparedLinear>;

/// Transforms weights until `max_bytes` are used; the layers after that are transformed in each inference.
pub(super) fn prepare(exe: &Executable, weights: &RingWeights, max_bytes: u64) -> Result<Prepared> {
    let mut prepared = Prepared::new();
    let mut left = max_bytes;
    for (id, node) in exe.graph().iter() {
        let w = match &node.op {
            Op::ConvRlwe(_) => node.args[1],
            Op::MatMulRlwe(op) => node.args[usize::from(!op.weights_left)],
            _ => continue,
        };
        let Op::Weight(source) = &exe.graph().node(w).op else { continue };
        let tensor =
            weights.get(&source.name).ok_or_else(|| BadProgram::NoWeights { name: source.name.clone() })?;
        let layer = PreparedLinear::new(exe.plan(id)?.clone(), &tensor.data, left)?;
        left = left.saturating_sub(layer.memory_bytes());
        prepared.insert(id, layer);
    }
    Ok(prepared)
}

/// What the protocol of one layer takes beside a share.
pub(super) struct Layer<'a> {
    pub plan: &'a LinearPlan,
    weights: Weights<'a>,
    /// Weights that stand left: the protocol computes the transposed product.
    left: Option<MatMulGeom>,
}

enum Weights<'a> {
    /// The server has them.
    Absent,
    Ready(&'a PreparedLinear),
    Now(Box<PreparedLinear>),
}

impl<'a> Layer<'a> {
    /// `None`: the node is no layer under ring LWE. `prepared` and `known` are the server's: its weights, and those of
    /// this layer if they are not among the prepared ones.
    pub(super) fn of(
        exe: &'a Executable,
        (id, node): (Id, &Node),
        prepared: Option<&'a Prepared>,
        known: Option<&Tensor<i64>>,
    ) -> Result<Option<Layer<'a>>> {
        let left = match &node.op {
            Op::ConvRlwe(_) => None,
            Op::MatMulRlwe(op) => op.weights_left.then_some(op.geom),
            _ => return Ok(None),
        };
        let plan = exe.plan(id)?;
        let weights = match prepared.map(|p| p.get(&id)) {
            None => Weights::Absent,
            Some(Some(ready)) => Weights::Ready(ready),
            Some(None) => {
                let known = known.ok_or_else(|| Error::Bug("a layer without weights".into()))?;
                Weights::Now(Box::new(PreparedLinear::new(plan.clone(), &known.data, 0)?))
            }
        };
        Ok(Some(Layer { plan, weights, left }))
    }

    /// Which argument is shared.
    pub(super) fn shared(&self) -> usize {
        usize::from(self.left.is_some())
    }

    pub(super) fn weights(&self) -> Option<&PreparedLinear> {
        match &self.weights {
            Weights::Absent => None,
            Weights::Ready(weights) => Some(weights),
            Weights::Now(weights) => Some(weights),
        }
    }

    /// The share as the protocol takes it.
    pub(super) fn before(&self, x: &Arc<Vec<u64>>) -> Arc<Vec<u64>> {
        self.left.map_or_else(|| Arc::clone(x), |g| Arc::new(transpose(x, g.batch, g.inner, g.cols)))
    }

    /// The node's value, of what the protocol gives.
    pub(super) fn after(&self, y: Vec<u64>) -> Vec<u64> {
        match self.left {
            Some(g) => transpose(&y, g.batch, g.cols, g.rows),
            None => y,
        }
    }
}

/// `[batch, rows, cols]` to `[batch, cols, rows]`.
fn transpose(values: &[u64], batch: usize, rows: usize, cols: usize) -> Vec<u64> {
    let mut out = Vec::with_capacity(values.len());
    for b in 0..batch {
        let matrix = &values[b * rows * cols..][..rows * cols];
        out.extend((0..cols).flat_map(|c| (0..rows).map(move |r| matrix[r * cols + c])));
    }
    out
}

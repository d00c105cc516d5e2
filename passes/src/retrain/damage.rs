//! How far a rewrite moves the network's scores: run both networks and compare.

use super::{Model, Sample};
use crate::error::{CompileError, Result};
use crate::graph_edit::prune;
use picc_ir::eval::run_real;
use picc_ir::op::Op;
use picc_ir::{Graph, Id, Tensor};
use rayon::prelude::*;

/// Multiplications that measuring may cost; more samples make better estimates.
const WORK: u64 = 20_000_000_000;

/// Differences of scores, summed over samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// Squared difference, squared size.
    difference: f64,
    size: f64,
    same: usize,
    /// Outputs that are infinite or no numbers.
    broken: usize,
}

impl Change {
    /// Root of the mean squared difference, relative to the scores.
    pub fn error(&self) -> f64 {
        (self.difference / self.size.max(f64::MIN_POSITIVE)).sqrt()
    }

    /// Squared and relative: what adds up over independent rewrites.
    pub fn squared(&self) -> f64 {
        self.difference / self.size.max(f64::MIN_POSITIVE)
    }

    pub fn is_finite(&self) -> bool {
        self.broken == 0
    }

    /// Samples whose largest score is where it was.
    pub fn agreement(&self) -> usize {
        self.same
    }
}

/// The scores before softmax and argmax, which hide how far they moved.
pub(super) fn scores(model: &Model) -> Model {
    let mut graph = model.graph.clone();
    for (_, id) in &mut graph.outputs {
        while let Op::Softmax(_) | Op::LogSoftmax(_) | Op::ArgMax(_) = &model.graph.node(*id).op {
            *id = model.graph.node(*id).args[0];
        }
    }
    Model { graph: prune(&graph), weights: model.weights.clone() }
}

fn run(model: &Model, sample: &Sample) -> Result<Vec<Tensor<f32>>> {
    let out = run_real(&model.graph, sample, &model.weights, &mut |_, _| {});
    let out = out.map_err(|e| CompileError::Internal(e.to_string()))?;
    Ok(out.into_iter().map(|(_, t)| t).collect())
}

/// The outputs of `model` for each sample.
pub(super) fn outputs(model: &Model, samples: &[Sample]) -> Result<Vec<Vec<Tensor<f32>>>> {
    samples.par_iter().map(|s| run(model, s)).collect()
}

/// Compares `model`'s outputs with those that another network has.
pub(super) fn against(expected: &[Vec<Tensor<f32>>], model: &Model, samples: &[Sample]) -> Result<Change> {
    let found = outputs(model, samples)?;
    let mut change = Change::default();
    for (expected, found) in expected.iter().zip(&found) {
        for (a, b) in expected.iter().zip(found) {
            let differences = a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a - b).powi(2));
            let sum: f64 = differences.sum();
            // A network that overflows is as far off as one that says nothing.
            let size: f64 = a.data.iter().map(|v| f64::from(*v).powi(2)).sum();
            change.difference += if sum.is_finite() { sum } else { size };
            change.broken += usize::from(!sum.is_finite());
            change.size += size;
        }
        let agrees = expected.first().zip(found.first()).is_some_and(|(a, b)| largest(a) == largest(b));
        change.same += usize::from(agrees);
    }
    Ok(change)
}

/// Scores of two networks on all samples.
pub(super) fn compare(before: &Model, after: &Model, samples: &[Sample]) -> Result<Change> {
    let expected = outputs(&scores(before), samples)?;
    against(&expected, &scores(after), samples)
}

/// Index of the first largest value.
fn largest(t: &Tensor<f32>) -> usize {
    (0..t.data.len()).fold(0, |best, i| if t.data[i] > t.data[best] { i } else { best })
}

/// Samples on which `runs` networks like this one can be measured, `most` of them.
pub(super) fn few<'s>(graph: &Graph, runs: usize, most: usize, samples: &'s [Sample]) -> &'s [Sample] {
    let work = (multiplications(graph) * runs as u64).max(1);
    let count = usize::try_from(WORK / work).unwrap_or(usize::MAX).clamp(1, most);
    &samples[..count.min(samples.len())]
}

fn multiplications(graph: &Graph) -> u64 {
    let of = |id: Id| {
        let node = graph.node(id);
        let w = node.args.get(1).map(|&w| &graph.ty(w).shape[..]);
        match (&node.op, w) {
            (Op::Conv(_), Some(w)) => node.ty.len() as u64 * w[1..].iter().product::<usize>() as u64,
            (Op::MatMul(_), Some(w)) => {
                node.ty.len() as u64 * w.get(w.len().saturating_sub(2)).copied().unwrap_or(1) as u64
            }
            _ => node.ty.len() as u64,
        }
    };
    graph.iter().map(|(id, _)| of(id)).sum()
}

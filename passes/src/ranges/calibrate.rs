//! The largest value of each node over calibration data.

use crate::error::{CompileError, Result};
use crate::graph_edit::known;
use picc_ir::op::Op;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Tensor, Ty};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Largest magnitude of each node, and the range of each input.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    pub largest: Vec<f32>,
    pub inputs: BTreeMap<String, (f32, f32)>,
}

impl Observed {
    fn join(mut self, other: Observed) -> Observed {
        self.largest.iter_mut().zip(&other.largest).for_each(|(a, b)| *a = a.max(*b));
        for (name, (lo, hi)) in other.inputs {
            let range = self.inputs.entry(name).or_insert((lo, hi));
            *range = (range.0.min(lo), range.1.max(hi));
        }
        self
    }
}

/// Runs every sample over the reals; `None` without samples.
pub(crate) fn observe(
    graph: &Graph,
    weights: &RealWeights,
    samples: &[BTreeMap<String, Tensor<f32>>],
) -> Result<Option<Observed>> {
    let runs: Vec<Result<Observed>> =
        samples.par_iter().enumerate().map(|(i, sample)| run(graph, weights, sample, i)).collect();
    let mut all: Option<Observed> = None;
    for run in runs {
        let run = run?;
        all = Some(match all {
            Some(all) => all.join(run),
            None => run,
        });
    }
    Ok(all)
}

fn run(
    graph: &Graph,
    weights: &RealWeights,
    sample: &BTreeMap<String, Tensor<f32>>,
    index: usize,
) -> Result<Observed> {
    let mut seen = Observed { largest: Vec::with_capacity(graph.nodes.len()), inputs: BTreeMap::new() };
    walk(graph, weights, sample, index, &mut |id, value| {
        if let Op::Input(input) = &graph.node(id).op {
            let (lo, hi) = value.data.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
            seen.inputs.insert(input.name.clone(), (lo, hi));
        }
        seen.largest.push(value.data.iter().fold(0.0, |m: f32, v| m.max(v.abs())));
    })?;
    Ok(seen)
}

/// Evaluates a graph on sample number `index` and shows every value, in order; each is dropped after its last use.
pub(crate) fn walk(
    graph: &Graph,
    weights: &RealWeights,
    sample: &BTreeMap<String, Tensor<f32>>,
    index: usize,
    observer: &mut dyn FnMut(Id, &Tensor<f32>),
) -> Result<()> {
    let mut last_use = vec![0; graph.nodes.len()];
    for (id, node) in graph.iter() {
        node.args.iter().for_each(|a| last_use[a.index()] = id.index());
    }
    let mut values: Vec<Option<Cow<Tensor<f32>>>> = vec![None; graph.nodes.len()];
    for (id, node) in graph.iter() {
        let value = match &node.op {
            Op::Input(input) => Cow::Borrowed(sample_input(sample, &input.name, &node.ty, index)?),
            Op::Weight(_) | Op::Const(_) => known(graph, weights, id)?.unwrap_or_default(),
            op => {
                let args: Vec<&Tensor<f32>> =
                    node.args.iter().filter_map(|a| values[a.index()].as_deref()).collect();
                let tys: Vec<&Ty> = node.args.iter().map(|&a| graph.ty(a)).collect();
                let result = op.eval_real(&args, &tys);
                Cow::Owned(result.map_err(|source| CompileError::Type {
                    node: node.name.clone(),
                    op: op.name(),
                    source,
                })?)
            }
        };
        if !value.data.iter().all(|v| v.is_finite()) {
            return Err(CompileError::Calibration {
                sample: index,
                why: format!("node `{}` ({}) becomes infinite or not a number", node.name, node.op.name()),
            });
        }
        observer(id, &value);
        values[id.index()] = Some(value);
        for a in &node.args {
            if last_use[a.index()] == id.index() {
                values[a.index()] = None;
            }
        }
    }
    Ok(())
}

fn sample_input<'s>(
    sample: &'s BTreeMap<String, Tensor<f32>>,
    name: &str,
    ty: &Ty,
    index: usize,
) -> Result<&'s Tensor<f32>> {
    let fail = |why| Err(CompileError::Calibration { sample: index, why });
    match sample.get(name) {
        None => fail(format!("it has no input `{name}`")),
        Some(t) if t.shape != ty.shape => {
            fail(format!("input `{name}` has shape {:?}, the model takes {:?}", &t.shape[..], &ty.shape[..]))
        }
        Some(t) => Ok(t),
    }
}

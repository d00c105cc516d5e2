//! Accuracy and damage of programs, by the interpreter that makes the errors of a private run.

use crate::error::{CompileError, Result};
use picc_ir::eval::{Value, quantize_to, run_real, run_shares};
use picc_ir::op::Op;
use picc_ir::weights::{RealWeights, RingWeights};
use picc_ir::{Graph, Id, Tensor};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// One value for every input of the model.
pub type Sample = BTreeMap<String, Tensor<f32>>;

/// Integers for every input of a program.
pub type Inputs = BTreeMap<String, Tensor<i64>>;

/// Evaluates a program of the mpc dialect with its weights, each run on inputs and a seed for the shares. Gives the
/// model's outputs in order as real numbers. Must make the errors that [`run_shares`] makes.
pub type Runner<'a> = &'a (dyn Fn(&Graph, &RingWeights, &[(&Inputs, u64)]) -> Result<Vec<Run>> + Sync);

/// What one evaluation gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub outputs: Vec<Tensor<f32>>,
    /// Whether a value left the range that the program claims for it.
    pub left_its_range: bool,
}

/// A [`Runner`]: the interpreter, operator by operator.
///
/// # Errors
/// If a program cannot be evaluated on its inputs.
pub fn interpret(graph: &Graph, weights: &RingWeights, runs: &[(&Inputs, u64)]) -> Result<Vec<Run>> {
    runs.par_iter().map(|(inputs, seed)| interpret_one(graph, weights, inputs, *seed)).collect()
}

fn interpret_one(graph: &Graph, weights: &RingWeights, inputs: &Inputs, seed: u64) -> Result<Run> {
    let mut left_its_range = false;
    let mut observer = |id: Id, value: &Value| {
        let node = graph.node(id);
        if let (Op::Assume(claim), Some(v)) = (&node.op, value.as_ring()) {
            left_its_range |= v.data.iter().any(|v| !(claim.lo..=claim.hi).contains(v));
        }
    };
    let outputs = run_shares(graph, inputs, weights, seed, &mut observer)
        .map_err(|e| CompileError::Internal(format!("the program cannot be evaluated: {e}")))?;
    Ok(Run { outputs: reals(graph, outputs), left_its_range })
}

/// Outputs of a program as real numbers.
#[must_use]
pub fn reals(graph: &Graph, outputs: Vec<(String, Value)>) -> Vec<Tensor<f32>> {
    let ty = |i: usize| graph.outputs.get(i).map(|(_, id)| graph.ty(*id));
    let real = |(i, (_, v)): (usize, (String, Value))| Some(v.to_real(ty(i)?));
    outputs.into_iter().enumerate().filter_map(real).collect()
}

/// Samples with the classes that they show.
pub(super) struct Labelled<'a> {
    pub samples: Vec<&'a Sample>,
    /// One class for each row of a sample's first axis.
    pub labels: Vec<&'a [i64]>,
}

/// What a program says about samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    /// First output of each sample.
    pub outputs: Vec<Tensor<f32>>,
    /// Samples on which a value left its claimed range.
    pub left_their_range: usize,
}

impl Labelled<'_> {
    /// The model over the reals.
    pub fn real(&self, graph: &Graph, weights: &RealWeights) -> Result<Answers> {
        let run = |sample: &&Sample| {
            let outputs = run_real(graph, sample, weights, &mut |_, _| ())
                .map_err(|e| CompileError::Internal(format!("the model cannot be evaluated: {e}")))?;
            first(outputs.into_iter().map(|(_, v)| v))
        };
        let outputs = self.samples.par_iter().map(run).collect::<Result<_>>()?;
        Ok(Answers { outputs, left_their_range: 0 })
    }

    /// A program on every sample, in each of some draws of shares.
    pub fn program(
        &self,
        graph: &Graph,
        weights: &RingWeights,
        runner: Runner,
        draws: u64,
    ) -> Result<Vec<Answers>> {
        let quantized = |sample: &&Sample| {
            let mut inputs = Inputs::new();
            for node in &graph.nodes {
                if let (Op::Input(input), Some(f)) = (&node.op, node.ty.as_fixed())
                    && let Some(value) = sample.get(&input.name)
                {
                    inputs.insert(input.name.clone(), quantize_to(value, f));
                }
            }
            inputs
        };
        let inputs: Vec<Inputs> = self.samples.iter().map(quantized).collect();
        let seeded = |draw: u64| inputs.iter().enumerate().map(move |(i, x)| (x, draw << 32 | i as u64));
        let runs: Vec<(&Inputs, u64)> = (0..draws).flat_map(seeded).collect();
        let runs = runner(graph, weights, &runs)?;
        let answers = runs.chunks(inputs.len().max(1)).map(|draw| {
            let left_their_range = draw.iter().filter(|r| r.left_its_range).count();
            let outputs = draw.iter().map(|r| first(r.outputs.iter().cloned())).collect::<Result<_>>()?;
            Ok(Answers { outputs, left_their_range })
        });
        answers.collect()
    }

    /// For each label whether the answer is right: the first of the largest values of its row, or the value itself
    /// where a row has just one.
    pub fn right(&self, answers: &Answers) -> Vec<bool> {
        let rows = self.labels.iter().zip(&answers.outputs).flat_map(|(labels, output)| {
            labels.iter().zip(output.data.chunks((output.data.len() / labels.len().max(1)).max(1)))
        });
        rows.map(|(&label, row)| answer(row) == label).collect()
    }
}

/// How often a program is right.
#[derive(Clone, Debug)]
pub(super) struct Score {
    /// For each label the share of draws with the right answer.
    pub right: Vec<f64>,
    /// Samples on which a value left its claimed range, in the worst draw.
    pub left_their_range: usize,
}

impl Score {
    pub fn new(part: &Labelled, draws: &[Answers]) -> Score {
        let mut right = vec![0.0; part.labels.iter().map(|l| l.len()).sum()];
        for draw in draws {
            for (share, right) in right.iter_mut().zip(part.right(draw)) {
                *share += f64::from(u8::from(right)) / draws.len() as f64;
            }
        }
        let left_their_range = draws.iter().map(|d| d.left_their_range).max().unwrap_or(0);
        Score { right, left_their_range }
    }
}

fn first(outputs: impl IntoIterator<Item = Tensor<f32>>) -> Result<Tensor<f32>> {
    let output = outputs.into_iter().next();
    output.ok_or_else(|| CompileError::Internal("a model without outputs".to_owned()))
}

/// The answer that a row of an output gives: the class with the largest score, or the class itself where there is but
/// one value.
fn answer(row: &[f32]) -> i64 {
    if let &[one] = row { one.round() as i64 } else { argmax(row) }
}

/// What the model over the reals answers for each row of the samples.
pub(super) fn answers(graph: &Graph, weights: &RealWeights, samples: &[Sample], rows: usize) -> Result<Vec<i64>> {
    let all: Vec<&Sample> = samples.iter().collect();
    let real = Labelled { samples: all, labels: Vec::new() }.real(graph, weights)?;
    let of = |output: &Tensor<f32>| -> Vec<i64> {
        output.data.chunks((output.data.len() / rows).max(1)).map(answer).collect()
    };
    Ok(real.outputs.iter().flat_map(of).collect())
}

/// The first of the largest values.
fn argmax(values: &[f32]) -> i64 {
    let mut best = 0;
    for (i, v) in values.iter().enumerate() {
        if *v > values[best] {
            best = i;
        }
    }
    best as i64
}

/// Mean squared difference of outputs.
pub(super) fn damage(a: &Answers, b: &Answers) -> f64 {
    let pairs = a.outputs.iter().zip(&b.outputs).flat_map(|(x, y)| x.data.iter().zip(&y.data));
    let (sum, n) = pairs.fold((0.0, 0u64), |(sum, n), (x, y)| {
        let d = f64::from(*x) - f64::from(*y);
        (sum + d * d, n + 1)
    });
    sum / n.max(1) as f64
}

/// Mean square of outputs around the mean of their sample: what damage is compared with.
pub(super) fn signal(a: &Answers) -> f64 {
    let (mut sum, mut n) = (0.0, 0u64);
    for output in &a.outputs {
        let mean = output.data.iter().map(|&v| f64::from(v)).sum::<f64>() / output.data.len().max(1) as f64;
        sum += output.data.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>();
        n += output.data.len() as u64;
    }
    sum / n.max(1) as f64
}

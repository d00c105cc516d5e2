//! Choices of class `Approx` under an accuracy budget: fewer fraction bits, fewer bits of weights, comparisons that
//! leave out low bits, tighter ranges. What is chosen is measured on labelled samples, by the interpreter that makes
//! the errors of a private run; nothing is assumed.
//!
//! ```text
//!   labelled samples --every fourth--> tuned on:  ranges, probes (probe.rs), bisection (search.rs)
//!                    '---------------> held out:  tests programs from dear to cheap (gate.rs), with a bound (confidence.rs)
//! ```
//! The held-out part alone bears the statement: with the confidence asked for, the program that was chosen loses no
//! more than the budget on other samples of the same kind.

mod confidence;
mod gate;
mod measure;
mod outcome;
mod probe;
mod report;
mod search;
#[cfg(test)]
mod tests;
mod windows;

pub use measure::{Inputs, Run, Runner, Sample, interpret, reals};
pub use report::{Accuracy, ApproxRule, Change, Measured};
pub(crate) use windows::with_windows_of_bits;

use crate::compile::{Compiled, Options};
use crate::error::{CompileError, Result};
use crate::prepared::Prepared;
use gate::Gate;
use measure::Labelled;
use picc_ir::Graph;
use picc_ir::op::Op;
use picc_ir::weights::RealWeights;

/// Fewest labels with which anything is chosen.
pub const MIN_LABELS: usize = 16;
/// With as many labels, one part in [`FEW`] is tuned on, and else every other one.
const MANY_LABELS: usize = 256;
const FEW: usize = 4;

/// A budget, and the data that it is measured on.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Points (hundredths) of top-1 accuracy that may be lost against the model over the reals.
    pub max_drop_points: f64,
    /// Per cent of cases in which no more is lost on other samples of the same kind: 50 (the estimate itself) to 99.99.
    pub confidence: f64,
    /// One class for each row of the samples' first axis. The first output holds a score for each class, or its index.
    /// `None`: the answers of the model over the reals, so that what is lost is agreement with it.
    pub labels: Option<&'a [i64]>,
    /// Evaluates programs; [`interpret`] does.
    pub runner: Runner<'a>,
}

/// Compiles a real graph for two parties, as [`crate::compile()`] does, and makes it cheaper as far as the budget
/// allows.
///
/// # Errors
/// As [`crate::compile()`]; and if the options forbid approximations or the labels do not fit the samples or the model.
pub fn compile_within(
    graph: &Graph,
    weights: &RealWeights,
    options: &Options,
    samples: &[Sample],
    budget: Budget,
) -> Result<Compiled> {
    check(options, &budget)?;
    let own = match budget.labels {
        Some(_) => Vec::new(),
        None => measure::answers(graph, weights, samples, rows(graph))?,
    };
    let labels = budget.labels.unwrap_or(&own);
    let (tuned, held_out) = divided(graph, samples, labels, &budget)?;
    let calibration: Vec<Sample> = tuned.samples.iter().map(|s| (*s).clone()).collect();
    let (model, default) = Prepared::cheapest(graph, weights, options, &calibration)?;
    let gate = Gate::new(graph, weights, &model, options, budget, labels, [tuned, held_out])?;
    gate.run(&default)
}

impl Budget<'_> {
    /// Whether answers are compared with the model's own.
    fn is_agreement(&self) -> bool {
        self.labels.is_none()
    }

    fn refused(&self, why: impl Into<String>) -> CompileError {
        let option = if self.is_agreement() { "min_agreement" } else { "max_accuracy_drop" };
        CompileError::Options { option, why: why.into() }
    }
}

fn check(options: &Options, budget: &Budget) -> Result<()> {
    if !(0.0..=100.0).contains(&budget.max_drop_points) {
        let unit = if budget.is_agreement() { "per cent" } else { "points" };
        return Err(budget.refused(format!("0 to 100 {unit}")));
    }
    if !(50.0..=99.99).contains(&budget.confidence) {
        return Err(CompileError::Options { option: "confidence", why: "50 to 99.99 per cent".to_owned() });
    }
    if options.exact {
        return Err(budget.refused(
            "a budget allows choices that change results a little (class Approx), and `exact` forbids them: give one of both",
        ));
    }
    if options.ring.is_some() {
        return Err(budget.refused("one ring for all values leaves nothing to choose: leave `ring` away"));
    }
    Ok(())
}

/// Every second or fourth sample, and the rest: whatever order they are in, both parts look alike.
fn divided<'a>(
    graph: &Graph,
    samples: &'a [Sample],
    labels: &'a [i64],
    budget: &Budget,
) -> Result<(Labelled<'a>, Labelled<'a>)> {
    let rows = rows(graph);
    if labels.len() / rows != samples.len() {
        return Err(budget.refused(format!("{} labels for {} samples", labels.len(), samples.len() * rows)));
    }
    if labels.len() < MIN_LABELS {
        let what = if budget.is_agreement() { "samples" } else { "labels" };
        return Err(budget.refused(format!("{} {what}; at least {MIN_LABELS} are needed", labels.len())));
    }
    let of = if labels.len() >= MANY_LABELS { FEW } else { 2 };
    let part = |tuned: bool| {
        let pairs = samples.iter().zip(labels.chunks_exact(rows)).enumerate();
        let (samples, labels) = pairs.filter(|(i, _)| i.is_multiple_of(of) == tuned).map(|(_, pair)| pair).unzip();
        Labelled { samples, labels }
    };
    Ok((part(true), part(false)))
}

/// Rows of a sample: extent of the first input's first axis.
fn rows(graph: &Graph) -> usize {
    let rows = graph.nodes.iter().find_map(|n| match &n.op {
        Op::Input(input) => input.ty.shape.first().copied(),
        _ => None,
    });
    rows.unwrap_or(1).max(1)
}

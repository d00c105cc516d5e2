//! Choices of class `Approx` under an accuracy budget: fewer fraction bits, fewer bits of weights, comparisons that leave
//! out low bits, tighter ranges. What is chosen is measured on labelled samples, by the interpreter that makes the errors
//! of a private run; nothing is assumed.
//!
//! ```text
//!   labelled samples --every other one--> tuned on:  ranges, probes (probe.rs), bisection (search.rs)
//!                    '------------------> held out:  only says yes or no to what was chosen
//! ```
//! The held-out part bears the stated accuracy. Each refusal by it uses it up a little, so refusals are counted.

mod measure;
mod probe;
mod report;
mod search;
#[cfg(test)]
mod tests;
mod windows;

pub use measure::{Run, Runner, Sample, interpret};
pub use report::{Accuracy, ApproxRule, Change, Measured};
pub(crate) use windows::with_windows_of_bits;

use crate::compile::{Compiled, FRAC, Options, Prepared, Tuning};
use crate::egraph::Prices;
use crate::error::{CompileError, Result};
use crate::ranges::MARGIN;
use measure::{Answers, Labelled};
use picc_ir::cost::profile::Profile;
use picc_ir::mpc::schedule::program_cost;
use picc_ir::op::Op;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Ty};
use probe::{Objective, Prober};
use std::collections::BTreeMap;

/// Fewest labels with which anything is chosen.
pub const MIN_LABELS: usize = 16;
/// Samples that probes run on at most.
const PROBE_SAMPLES: usize = 32;
/// Where as many samples show how large values get, they may get this much larger and no more.
const TIGHT_MARGIN: f32 = 1.25;
const TIGHT_MARGIN_SAMPLES: usize = 64;
/// Programs that are offered to the held-out samples at most.
const MAX_OFFERS: usize = 16;

/// A budget, and the data that it is measured on.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Points (hundredths) of top-1 accuracy that may be lost against the model over the reals.
    pub max_drop_points: f64,
    /// One class for each row of the samples' first axis. The first output holds a score for each class, or its index.
    pub labels: &'a [i64],
    /// Evaluates programs; [`interpret`] does.
    pub runner: Runner<'a>,
}

/// Compiles a real graph for two parties, as [`crate::compile()`] does, and makes it cheaper as far as the budget allows.
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
    let (tuned, held_out) = divided(graph, samples, budget.labels)?;
    let calibration: Vec<Sample> = tuned.samples.iter().map(|s| (*s).clone()).collect();
    let model = Prepared::new(graph, weights, options, &calibration)?;
    let gate = Gate::new(graph, weights, &model, options, budget, [tuned, held_out])?;
    gate.run()
}

fn refused(why: impl Into<String>) -> CompileError {
    CompileError::Options { option: "max_accuracy_drop", why: why.into() }
}

fn check(options: &Options, budget: &Budget) -> Result<()> {
    if !(0.0..=100.0).contains(&budget.max_drop_points) {
        return Err(refused("0 to 100 points"));
    }
    if options.exact {
        return Err(refused(
            "a budget allows choices that change results a little (class Approx), and `exact` forbids them: give one of both",
        ));
    }
    if options.ring.is_some() {
        return Err(refused("one ring for all values leaves nothing to choose: leave `ring` away"));
    }
    Ok(())
}

/// Every other sample each: whatever order they are in, both parts look alike.
fn divided<'a>(graph: &Graph, samples: &'a [Sample], labels: &'a [i64]) -> Result<(Labelled<'a>, Labelled<'a>)> {
    let rows = graph.nodes.iter().find_map(|n| match &n.op {
        Op::Input(input) => Some(input.ty.shape.first().copied().unwrap_or(1).max(1)),
        _ => None,
    });
    let rows = rows.unwrap_or(1);
    if labels.len() / rows != samples.len() {
        return Err(refused(format!("{} labels for {} samples", labels.len(), samples.len() * rows)));
    }
    if labels.len() < MIN_LABELS {
        return Err(refused(format!("{} labels; at least {MIN_LABELS} are needed", labels.len())));
    }
    let part = |first: usize| Labelled {
        samples: samples.iter().skip(first).step_by(2).collect(),
        labels: labels.chunks_exact(rows).skip(first).step_by(2).collect(),
    };
    Ok((part(0), part(1)))
}

struct Gate<'a> {
    model: &'a Prepared,
    options: &'a Options,
    /// The same without a profile, whose plain lowering is fast.
    plain: Options,
    budget: Budget<'a>,
    parts: [Labelled<'a>; 2],
    /// Answers of the model over the reals, and which of them are right.
    real: Answers,
    right: [Vec<bool>; 2],
}

impl<'a> Gate<'a> {
    fn new(
        graph: &Graph,
        weights: &RealWeights,
        model: &'a Prepared,
        options: &'a Options,
        budget: Budget<'a>,
        parts: [Labelled<'a>; 2],
    ) -> Result<Gate<'a>> {
        let real = parts[0].real(graph, weights)?;
        let held_out = parts[1].real(graph, weights)?;
        let right = [parts[0].right(&real), parts[1].right(&held_out)];
        if right[0].iter().chain(&right[1]).all(|r| !r) {
            return Err(refused(
                "the model over the reals gives none of the labels: the first output must hold a score for each class \
                 (or its index), and labels count from 0",
            ));
        }
        let plain = Options { profile: None, ..options.clone() };
        Ok(Gate { model, options, plain, budget, parts, real, right })
    }

    fn allowed(&self, part: usize) -> f64 {
        self.budget.max_drop_points * self.right[part].len() as f64 / 100.0
    }

    /// Right answers of a program on a part, and on how many samples a value left its range.
    fn right(
        &self,
        part: usize,
        graph: &Graph,
        weights: &picc_ir::weights::RingWeights,
    ) -> Result<(Vec<bool>, usize)> {
        let answers = self.parts[part].program(graph, weights, self.budget.runner)?;
        Ok((self.parts[part].right(&answers), answers.left_their_range))
    }

    fn holds(&self, part: usize, right: &[bool]) -> bool {
        let count = |r: &[bool]| r.iter().filter(|r| **r).count() as f64;
        count(&self.right[part]) - count(right) <= self.allowed(part) + 1e-9
    }

    fn run(&self) -> Result<Compiled> {
        let bounds = self.model.bounds(&self.plain, MARGIN)?;
        let default =
            self.model.compile(self.options, &Tuning::default(), &self.model.bounds(self.options, MARGIN)?)?;
        let k = default.program.softspoken_k;
        let any = Profile::lan().over_field(k);
        let seconds = self.options.profile.is_some();
        let profile = self.options.profile.as_ref().unwrap_or(&any);
        let mut objective = Objective { prices: Prices::new(profile), seconds };
        let few = self.probes();
        let real = Answers {
            outputs: self.real.outputs.iter().step_by(self.probe_step()).take(few.samples.len()).cloned().collect(),
            ..Answers::default()
        };
        let prober = Prober {
            model: self.model,
            options: &self.plain,
            bounds: &bounds.bounds,
            samples: &few,
            runner: self.budget.runner,
            real: &real,
        };
        let menu = prober.menu(&mut objective)?;
        let step = search::last_that_holds(|step| -> Result<bool> {
            let Ok(lowered) = self.model.lowered(&self.plain, &search::choose(&menu, step), &bounds.bounds) else {
                return Ok(false);
            };
            let (right, _) = self.right(0, &lowered.program.graph, &lowered.weights)?;
            Ok(self.holds(0, &right))
        })?;
        let margins = if self.parts[0].samples.len() < TIGHT_MARGIN_SAMPLES {
            vec![MARGIN]
        } else {
            vec![TIGHT_MARGIN, MARGIN]
        };
        let most = bytes(&default)?;
        let mut refused = 0;
        let mut offered = Vec::new();
        for step in (0..=step.unwrap_or(0)).rev() {
            let tuning = search::choose(&menu, step);
            if offered.contains(&tuning) {
                continue;
            }
            // Bits of weights are priced layer by layer; in a small network all of them together may not pay.
            let whole = Tuning { weight_bits: BTreeMap::new(), ..tuning.clone() };
            let mut programs = Vec::new();
            for &margin in &margins {
                let bounds = self.model.bounds(self.options, margin)?;
                for tuning in [&tuning, &whole] {
                    // A format that some node cannot have is no candidate.
                    if let Ok(compiled) = self.model.compile(self.options, tuning, &bounds) {
                        programs.push((bytes(&compiled)?, margin, tuning.clone(), compiled));
                    }
                }
            }
            programs.sort_by_key(|p| p.0);
            for (size, margin, tuning, compiled) in programs {
                if size >= most {
                    continue;
                }
                let tuned = self.right(0, &compiled.program.graph, &compiled.weights)?;
                if !self.holds(0, &tuned.0) {
                    continue;
                }
                let held_out = self.right(1, &compiled.program.graph, &compiled.weights)?;
                if !self.holds(1, &held_out.0) {
                    refused += 1;
                    continue;
                }
                return self.accepted(&default, compiled, &tuning, margin, [tuned, held_out], refused);
            }
            offered.push(tuning);
            if offered.len() == MAX_OFFERS {
                break;
            }
        }
        let own = |part| self.right(part, &default.program.graph, &default.weights);
        let measured = [own(0)?, own(1)?];
        self.accepted(&default, default.clone(), &Tuning::default(), MARGIN, measured, refused)
    }

    fn probe_step(&self) -> usize {
        self.parts[0].samples.len().div_ceil(PROBE_SAMPLES).max(1)
    }

    fn probes(&self) -> Labelled<'a> {
        let step = self.probe_step();
        Labelled {
            samples: self.parts[0].samples.iter().copied().step_by(step).collect(),
            labels: self.parts[0].labels.iter().copied().step_by(step).collect(),
        }
    }

    fn measured(&self, part: usize, default: &Compiled, chosen: &(Vec<bool>, usize)) -> Result<Measured> {
        let float = &self.right[part];
        let (quantized, _) = self.right(part, &default.program.graph, &default.weights)?;
        let count = |r: &[bool]| r.iter().filter(|r| **r).count();
        let pairs = || float.iter().zip(&chosen.0);
        Ok(Measured {
            samples: float.len(),
            float: count(float),
            quantized: count(&quantized),
            chosen: count(&chosen.0),
            lost: pairs().filter(|(f, c)| **f && !**c).count(),
            gained: pairs().filter(|(f, c)| !**f && **c).count(),
            out_of_range: chosen.1,
        })
    }

    fn accepted(
        &self,
        default: &Compiled,
        mut chosen: Compiled,
        tuning: &Tuning,
        margin: f32,
        right: [(Vec<bool>, usize); 2],
        refused: usize,
    ) -> Result<Compiled> {
        let frac = self.options.frac.unwrap_or(FRAC);
        let tuned = self.measured(0, default, &right[0])?;
        let held_out = self.measured(1, default, &right[1])?;
        let after = bytes(&chosen)?;
        let without = |tuning: Tuning, margin: f32| -> Result<i64> {
            let bounds = self.model.bounds(self.options, margin)?;
            Ok(bytes(&self.model.compile(self.options, &tuning, &bounds)?)? as i64 - after as i64)
        };
        let mut rules = Vec::new();
        let mut rule = |name: &str, says: &str, count: usize, rest: Tuning, margin: f32| -> Result<()> {
            let saved_bytes = if count == 0 { 0 } else { without(rest, margin)? };
            rules.push(ApproxRule { name: name.to_owned(), says: says.to_owned(), chosen: count, saved_bytes });
            Ok(())
        };
        let fewer = usize::from(tuning.frac.is_some_and(|f| f != frac));
        let (same, none) = (tuning.clone(), BTreeMap::new());
        rule(
            "fraction_bits",
            "activations with fewer fraction bits",
            fewer,
            Tuning { frac: None, ..same.clone() },
            margin,
        )?;
        let bits = Tuning { weight_bits: none.clone(), ..same.clone() };
        rule("weight_bits", "layers with fewer bits of weights", tuning.weight_bits.len(), bits, margin)?;
        let whole = Tuning { windows: none, ..same.clone() };
        rule("drelu_window", "signs of values without their low bits", tuning.windows.len(), whole, margin)?;
        let tighter = usize::from(margin != MARGIN);
        rule("range_margin", "values stay closer to those of calibration", tighter, same, MARGIN)?;
        let accuracy = Accuracy {
            budget_points: self.budget.max_drop_points,
            tuned,
            held_out,
            refused,
            holds: (0..2).all(|part| self.holds(part, &right[part].0)),
            frac: (frac, tuning.frac.unwrap_or(frac)),
            margin: (MARGIN, margin),
            bytes: (bytes(default)?, after),
            rules,
            changes: changes(default, &chosen, tuning),
        };
        if !accuracy.holds {
            chosen.report.warnings.push(format!(
                "the accuracy budget of {} points does not hold, even without any approximation",
                self.budget.max_drop_points
            ));
        }
        chosen.program.notes.extend(public_note(&accuracy));
        chosen.accuracy = Some(accuracy);
        Ok(chosen)
    }
}

/// What both parties may know: that results are approximate. Accuracies say something about the weights and stay out.
fn public_note(accuracy: &Accuracy) -> Option<String> {
    let chosen = accuracy.rules.iter().any(|r| r.chosen > 0);
    chosen.then(|| "compiled under an accuracy budget: results approximate the model's".to_owned())
}

/// Bytes of one inference.
fn bytes(compiled: &Compiled) -> Result<u64> {
    let cost = program_cost(&compiled.program);
    let cost = cost.map_err(|e| CompileError::Internal(format!("the program has no price: {e}")))?;
    Ok(cost.inference().total())
}

/// What is counted of a node of the model.
#[derive(Default)]
struct Formats {
    bytes: u64,
    /// Bits that a comparison looks at, and low ones that it leaves out.
    compared: Option<(u8, u8)>,
    weight_bits: Option<u8>,
}

/// What was changed at each node, in the order of the program.
fn changes(default: &Compiled, chosen: &Compiled, tuning: &Tuning) -> Vec<Change> {
    let profile = Profile::lan().over_field(chosen.program.softspoken_k);
    let by_node = |c: &Compiled| {
        let mut sums: BTreeMap<String, Formats> = BTreeMap::new();
        for (row, node) in c.report.rows.iter().zip(&c.program.graph.nodes) {
            let sum = sums.entry(row.node.clone()).or_default();
            sum.bytes += profile.bytes(&row.cost);
            let args: Vec<&Ty> = node.args.iter().map(|&a| c.program.graph.ty(a)).collect();
            let ring = args.first().and_then(|t| t.as_fixed()).map_or(0, |f| f.ring_bits);
            match &node.op {
                Op::ReluOt(op) => sum.compared = Some((ring - op.skip_low, op.skip_low)),
                Op::MaxPoolOt(op) => sum.compared = Some((ring - op.skip_low, op.skip_low)),
                Op::ConvRlwe(op) => sum.weight_bits = Some(op.weight_bits),
                Op::ConvOt(op) => sum.weight_bits = Some(op.weight_bits),
                Op::MatMulRlwe(op) => sum.weight_bits = Some(op.weight_bits),
                Op::MatMulOt(op) => sum.weight_bits = Some(op.weight_bits),
                _ => {}
            }
        }
        sums
    };
    let (before, after) = (by_node(default), by_node(chosen));
    let mut seen = std::collections::BTreeSet::new();
    let names = chosen.program.graph.nodes.iter().map(|n| &n.name).filter(|n| seen.insert(*n));
    let change = |name: &String| {
        let (was, is) = (before.get(name)?, after.get(name)?);
        let compared = was.compared.zip(is.compared).filter(|(a, b)| a != b);
        let weights =
            was.weight_bits.zip(is.weight_bits).filter(|(a, b)| a != b && tuning.weight_bits.contains_key(name));
        (compared.is_some() || weights.is_some()).then(|| Change {
            node: name.clone(),
            weight_bits: weights,
            compared_bits: compared.map(|(a, b)| (a.0, b.0)),
            skip_low: is.compared.map_or(0, |b| b.1),
            bytes: (was.bytes, is.bytes),
        })
    };
    names.filter_map(change).collect()
}

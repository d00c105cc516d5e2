//! What is stated about the program that was chosen.

use super::confidence::samples_needed;
use super::gate::{DRAWS, Gate, HELD_OUT, Offer, TUNED};
use super::measure::Score;
use super::report::{Accuracy, ApproxRule, Change, Measured, doubt};
use crate::compile::Compiled;
use crate::error::{CompileError, Result};
use crate::prepared::Tuning;
use picc_ir::Ty;
use picc_ir::cost::profile::Profile;
use picc_ir::mpc::schedule::program_cost;
use picc_ir::op::{MpcOp, Op};
use std::collections::BTreeMap;

pub(super) struct Outcome<'a> {
    pub gate: &'a Gate<'a>,
    /// Without any approximation.
    pub default: &'a Compiled,
    pub refused: usize,
}

impl Outcome<'_> {
    fn measured(&self, part: usize, chosen: &Score) -> Result<Measured> {
        let float = &self.gate.right[part];
        let quantized = self.gate.score_of(part, self.default)?;
        let pairs = || float.iter().zip(&chosen.right);
        let loss = self.gate.loss(part, chosen);
        Ok(Measured {
            samples: float.len(),
            draws: DRAWS,
            float: float.iter().filter(|r| **r).count(),
            quantized: quantized.right.iter().sum(),
            chosen: chosen.right.iter().sum(),
            lost: pairs().filter(|(f, _)| **f).map(|(_, c)| 1.0 - c).sum(),
            gained: pairs().filter(|(f, _)| !**f).map(|(_, c)| c).sum(),
            bound_points: loss.bound,
            out_of_range: chosen.left_their_range,
        })
    }

    /// The program of an offer, with the statement about it.
    pub fn of(&self, offer: Offer, held_out: Score) -> Result<Compiled> {
        let Offer { tuning, margin, compiled: mut chosen, tuned, bytes: after } = offer;
        let (gate, default) = (self.gate, self.default);
        let fractions = gate.model.fractions(gate.options);
        let without = |tuning: Tuning, margin: f32| -> Result<i64> {
            let bounds = gate.model.bounds(gate.options, margin)?;
            Ok(bytes(&gate.model.compile(gate.options, &tuning, &bounds)?)? as i64 - after as i64)
        };
        let mut rules = Vec::new();
        let mut rule = |name: &str, says: &str, count: usize, rest: Tuning, margin: f32| -> Result<()> {
            let saved_bytes = if count == 0 { 0 } else { without(rest, margin)? };
            rules.push(ApproxRule { name: name.to_owned(), says: says.to_owned(), chosen: count, saved_bytes });
            Ok(())
        };
        let fewer = usize::from(tuning.bits.is_some_and(|b| b != fractions.bits()));
        let (same, none) = (tuning.clone(), BTreeMap::new());
        rule(
            "activation_bits",
            &format!("activations with fewer {}", fractions.unit()),
            fewer,
            Tuning { bits: None, ..same.clone() },
            margin,
        )?;
        let bits = Tuning { weight_bits: none.clone(), ..same.clone() };
        rule("weight_bits", "layers with fewer bits of weights", tuning.weight_bits.len(), bits, margin)?;
        let whole = Tuning { windows: none, ..same.clone() };
        rule("drelu_window", "signs of values without their low bits", tuning.windows.len(), whole, margin)?;
        let tighter = usize::from(margin != gate.options.margin());
        rule("range_margin", "values stay closer to those of calibration", tighter, same, gate.options.margin())?;
        let budget_points = gate.budget.max_drop_points;
        let accuracy = Accuracy {
            agreement: gate.budget.is_agreement(),
            budget_points,
            confidence: gate.budget.confidence,
            tuned: self.measured(TUNED, &tuned)?,
            held_out: self.measured(HELD_OUT, &held_out)?,
            refused: self.refused,
            holds: gate.holds(&held_out),
            needed: samples_needed(budget_points, gate.standard_errors()),
            activations: (fractions, tuning.bits.map_or(fractions, |bits| fractions.with_bits(bits))),
            margin: (gate.options.margin(), margin),
            bytes: (bytes(default)?, after),
            rules,
            changes: changes(default, &chosen, &tuning),
        };
        let right = gate.right.iter().flatten().filter(|r| **r).count();
        chosen.report.warnings.extend(doubt(right, gate.labels));
        chosen.report.warnings.extend(accuracy.warning());
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
pub(super) fn bytes(compiled: &Compiled) -> Result<u64> {
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
    let profile = Profile::lan().with_source(chosen.program.source);
    let by_node = |c: &Compiled| {
        let mut sums: BTreeMap<String, Formats> = BTreeMap::new();
        for (row, node) in c.report.rows.iter().zip(&c.program.graph.nodes) {
            let sum = sums.entry(row.node.clone()).or_default();
            sum.bytes += profile.bytes(&row.cost);
            let args: Vec<&Ty> = node.args.iter().map(|&a| c.program.graph.ty(a)).collect();
            let ring = args.first().and_then(|t| t.as_fixed()).map_or(0, |f| f.ring_bits);
            match &node.op {
                Op::Mpc(MpcOp::ReluOt(op)) => sum.compared = Some((ring - op.skip_low, op.skip_low)),
                Op::Mpc(MpcOp::MaxPoolOt(op)) => sum.compared = Some((ring - op.skip_low, op.skip_low)),
                Op::Mpc(MpcOp::ConvRlwe(op)) => sum.weight_bits = Some(op.weight_bits),
                Op::Mpc(MpcOp::ConvOt(op)) => sum.weight_bits = Some(op.weight_bits),
                Op::Mpc(MpcOp::MatMulRlwe(op)) => sum.weight_bits = Some(op.weight_bits),
                Op::Mpc(MpcOp::MatMulOt(op)) => sum.weight_bits = Some(op.weight_bits),
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

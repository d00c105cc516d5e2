//! What was measured and chosen under an accuracy budget, for people and for `--json`.

use crate::quantize::Fractions;
use crate::report::decimal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Right answers on one part of the labelled samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub samples: usize,
    /// Sharings of each sample; what follows are means over these.
    pub draws: u64,
    /// The model over the reals.
    pub float: usize,
    /// The program without any approximation.
    pub quantized: f64,
    /// The program that was chosen.
    pub chosen: f64,
    /// Right over the reals and wrong in the chosen program.
    pub lost: f64,
    /// Wrong over the reals and right in the chosen program.
    pub gained: f64,
    /// Upper bound of the accuracy lost on other samples of the same kind, in points, with the confidence asked for. On
    /// the samples that were tuned on it is none, as they were chosen by.
    pub bound_points: f64,
    /// Samples on which a value of the chosen program left the range that calibration claims for it, in the worst draw.
    pub out_of_range: usize,
}

impl Measured {
    /// Accuracy lost against the model over the reals, in points.
    #[must_use]
    pub fn drop_points(&self) -> f64 {
        (self.float as f64 - self.chosen) * 100.0 / self.samples.max(1) as f64
    }
}

/// All choices of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApproxRule {
    pub name: String,
    pub says: String,
    /// Places where it was applied.
    pub chosen: usize,
    /// Against the chosen program without these choices.
    pub saved_bytes: i64,
}

/// What was changed at one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// ONNX node.
    pub node: String,
    /// Bits of the weights, sign included, before and after.
    pub weight_bits: Option<(u8, u8)>,
    /// Bits that a comparison looks at, before and after, and how many of its low bits it leaves out.
    pub compared_bits: Option<(u8, u8)>,
    pub skip_low: u8,
    /// Bytes of the node, with the OT extension that it causes.
    pub bytes: (u64, u64),
}

/// Outcome of a compilation under an accuracy budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// The right answers are those of the model over the reals: what is lost is agreement with it.
    #[serde(default)]
    pub agreement: bool,
    /// Points of accuracy that may be lost.
    pub budget_points: f64,
    /// Per cent of cases in which no more is lost on other samples of the same kind.
    pub confidence: f64,
    /// The samples on which choices were made and ranges measured.
    pub tuned: Measured,
    /// The samples that only decided whether the outcome was accepted.
    pub held_out: Measured,
    /// Programs that held on the first part and were refused on the second.
    pub refused: usize,
    /// Whether the bound on the held-out part is within the budget.
    pub holds: bool,
    /// Held-out samples below which no loss of up to the budget can be told from none.
    pub needed: usize,
    /// Bits of activations, before and after.
    pub activations: (Fractions, Fractions),
    /// How much larger than on the calibration samples values may get, before and after.
    pub margin: (f32, f32),
    /// Bytes of one inference without approximation and as chosen, under the same protocols and rewrites.
    pub bytes: (u64, u64),
    /// All of class `Approx`.
    pub rules: Vec<ApproxRule>,
    pub changes: Vec<Change>,
}

impl Accuracy {
    /// What was changed at one node of the model.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Change> {
        self.changes.iter().find(|c| c.node == name)
    }
}

impl Accuracy {
    /// The budget, and what its samples are called.
    fn budget(&self) -> (String, &'static str) {
        if self.agreement {
            (format!("an agreement of {} %", decimal(100.0 - self.budget_points, 2)), "samples")
        } else {
            (format!("an accuracy budget of {} points", self.budget_points), "labels")
        }
    }

    /// What to say where the budget was not shown to hold.
    pub(super) fn warning(&self) -> Option<String> {
        let Accuracy { confidence, held_out, .. } = self;
        if self.holds {
            None
        } else if held_out.samples < self.needed {
            let (budget, what) = self.budget();
            Some(format!(
                "{budget} cannot be shown to hold with {} held-out {what}: at {confidence} % confidence give at \
                 least {} more, a larger budget, or a lower --confidence",
                held_out.samples,
                // Of what is given, three in four are held out.
                ((self.needed - held_out.samples) as u128 * 4).div_ceil(3),
            ))
        } else {
            let (budget, _) = self.budget();
            Some(format!("{budget} does not hold at {confidence} % confidence, even without any approximation"))
        }
    }
}

/// What to say where labels hardly belong to the samples: the model over the reals is right on no more of them than one
/// answer for all would be.
pub(super) fn doubt(right: usize, labels: &[i64]) -> Option<String> {
    let mut counts = BTreeMap::new();
    labels.iter().for_each(|l| *counts.entry(l).or_insert(0usize) += 1);
    let most = counts.values().copied().max().unwrap_or(0);
    (counts.len() > 1 && right <= most).then(|| {
        format!(
            "the model itself is right on {:.1} % of the labelled samples, and one class for all of them would be on {:.1} %: \
             labels that are not those of these samples, in their order, say nothing about accuracy",
            percent(right as f64, labels.len()),
            percent(most as f64, labels.len()),
        )
    })
}

fn percent(right: f64, samples: usize) -> f64 {
    100.0 * right / samples.max(1) as f64
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |right| percent(right, self.samples);
        write!(
            f,
            "{} samples, {} draws: float {:.2} %, quantized {:.2} %, chosen {:.2} % ({} lost, {} gained): drop {} points",
            self.samples,
            self.draws,
            of(self.float as f64),
            of(self.quantized),
            of(self.chosen),
            decimal(self.lost, 1),
            decimal(self.gained, 1),
            decimal(self.drop_points(), 2),
        )
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.node)?;
        if let Some((before, after)) = self.weight_bits {
            write!(f, " weights {before} -> {after} bits,")?;
        }
        if let Some((before, after)) = self.compared_bits {
            write!(f, " compares {before} -> {after} bits ({} low ones left out),", self.skip_low)?;
        }
        write!(f, " {} -> {} B", self.bytes.0, self.bytes.1)
    }
}

/// The statement that picc prints after compiling.
impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds { "holds" } else { "is not shown to hold" };
        if self.agreement {
            let least = decimal(100.0 - self.budget_points, 2);
            writeln!(f, "agreement with the model (class Approx), at least {least} %: {verdict}")?;
        } else {
            writeln!(f, "accuracy (class Approx), budget {:.2} points: {verdict}", self.budget_points)?;
        }
        writeln!(f, "  chosen on  {}", self.tuned)?;
        writeln!(
            f,
            "  held out   {}, at most {} at {} % confidence",
            self.held_out,
            decimal(self.held_out.bound_points, 2),
            self.confidence
        )?;
        if self.refused > 0 {
            writeln!(
                f,
                "  {} cheaper programs seemed to hold where they were chosen and could not be shown to on the rest",
                self.refused
            )?;
        }
        if self.tuned.out_of_range + self.held_out.out_of_range > 0 {
            writeln!(
                f,
                "  values left the ranges that calibration claims on {} and {} samples",
                self.tuned.out_of_range, self.held_out.out_of_range
            )?;
        }
        let (before, after) = self.bytes;
        writeln!(
            f,
            "  {before} -> {after} B an inference, {:.2} times fewer",
            before as f64 / after.max(1) as f64
        )?;
        writeln!(
            f,
            "  activations: {} -> {} {}; ranges: {} -> {} times what was seen",
            self.activations.0.bits(),
            self.activations.1.bits(),
            self.activations.1.unit(),
            self.margin.0,
            self.margin.1
        )?;
        for rule in self.rules.iter().filter(|r| r.chosen > 0) {
            writeln!(
                f,
                "  {:24} chosen {:4} saved {:10} B  {}",
                rule.name, rule.chosen, rule.saved_bytes, rule.says
            )?;
        }
        Ok(())
    }
}

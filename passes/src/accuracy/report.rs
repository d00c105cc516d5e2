//! What was measured and chosen under an accuracy budget, for people and for `--json`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Right answers on one part of the labelled samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    pub samples: usize,
    /// The model over the reals.
    pub float: usize,
    /// The program without any approximation.
    pub quantized: usize,
    /// The program that was chosen.
    pub chosen: usize,
    /// Right over the reals and wrong in the chosen program.
    pub lost: usize,
    /// Wrong over the reals and right in the chosen program.
    pub gained: usize,
    /// Samples on which a value of the chosen program left the range that calibration claims for it.
    pub out_of_range: usize,
}

impl Measured {
    /// Accuracy lost against the model over the reals, in points.
    #[must_use]
    pub fn drop_points(&self) -> f64 {
        (self.float as f64 - self.chosen as f64) * 100.0 / self.samples.max(1) as f64
    }

    /// Half the width of the 95 % confidence interval of [`Measured::drop_points`] on other samples of the same kind.
    ///
    /// Both are asked about the same samples, so only those count on which they differ. Two are added to these
    /// (Agresti and Min), so that the interval is not empty where no difference was seen.
    #[must_use]
    pub fn margin_points(&self) -> f64 {
        let n = self.samples as f64 + 2.0;
        let (lost, gained) = (self.lost as f64 + 0.5, self.gained as f64 + 0.5);
        let variance = (lost + gained - (lost - gained).powi(2) / n) / (n * n);
        1.96 * variance.max(0.0).sqrt() * 100.0
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
    /// Points of accuracy that may be lost.
    pub budget_points: f64,
    /// The samples on which choices were made and ranges measured.
    pub tuned: Measured,
    /// The samples that only decided whether the outcome was accepted.
    pub held_out: Measured,
    /// Programs that held on the first part and were refused on the second.
    pub refused: usize,
    /// Whether the budget holds on both parts.
    pub holds: bool,
    /// Fraction bits of activations, before and after.
    pub frac: (u8, u8),
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

fn percent(right: usize, samples: usize) -> f64 {
    100.0 * right as f64 / samples.max(1) as f64
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |right| percent(right, self.samples);
        write!(
            f,
            "{} samples: float {:.2} %, quantized {:.2} %, chosen {:.2} % ({} lost, {} gained): drop {:.2} points, \
             95 % interval {:.2} to {:.2}",
            self.samples,
            of(self.float),
            of(self.quantized),
            of(self.chosen),
            self.lost,
            self.gained,
            self.drop_points(),
            self.drop_points() - self.margin_points(),
            self.drop_points() + self.margin_points(),
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
        let verdict = if self.holds { "holds" } else { "is exceeded" };
        writeln!(f, "accuracy (class Approx), budget {:.2} points: {verdict}", self.budget_points)?;
        writeln!(f, "  chosen on  {}", self.tuned)?;
        writeln!(f, "  held out   {}", self.held_out)?;
        if self.refused > 0 {
            writeln!(f, "  {} cheaper programs held where they were chosen and not on the rest", self.refused)?;
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
            "  activations: {} -> {} fraction bits; ranges: {} -> {} times what was seen",
            self.frac.0, self.frac.1, self.margin.0, self.margin.1
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

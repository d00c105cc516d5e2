//! What was rewritten, for people and for `--json`.

use super::Family;
use crate::egraph::ErrorClass;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One rewritten place of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// ONNX node.
    pub node: String,
    pub family: Family,
    pub rule: String,
    /// Always `Retrain`.
    pub class: ErrorClass,
    /// ReLUs (elements) fewer.
    pub removed: u64,
    /// Error of this layer's output relative to it, root mean square over calibration data, before fine-tuning.
    pub layer_error: f64,
    pub detail: String,
}

/// What a network was rewritten to, and what is known about it before it is fine-tuned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub families: Vec<Family>,
    /// Calibration samples.
    pub samples: usize,
    pub relu_budget: Option<u64>,
    pub relus_before: u64,
    pub relus_after: u64,
    pub choices: Vec<Choice>,
    /// Change of the network's scores relative to them, root mean square over calibration data.
    pub output_error: f64,
    /// Calibration samples whose largest score is where it was.
    pub agreement: usize,
    /// Bytes of one inference, predicted exactly, if both networks were compiled.
    pub bytes_before: Option<u64>,
    pub bytes_after: Option<u64>,
    /// Accuracy of the rewritten network, if labelled data was given: correct, of so many.
    pub accuracy: Option<(usize, usize)>,
    pub notes: Vec<String>,
}

impl Report {
    /// What must not be overlooked.
    #[must_use]
    pub fn warning(&self) -> String {
        let accuracy = match self.accuracy {
            Some((right, of)) => format!(
                "measured accuracy of the rewritten net on the calibration labels is {:.2}% ({right} of {of})",
                100.0 * right as f64 / of.max(1) as f64
            ),
            None => "its accuracy was not measured".to_owned(),
        };
        format!(
            "{} places of the model were rewritten by rules of class Retrain: the model must be fine-tuned; {accuracy}",
            self.choices.len()
        )
    }

    /// What happened at one node of the model.
    #[must_use]
    pub fn node(&self, name: &str) -> Vec<&Choice> {
        self.choices.iter().filter(|c| c.node == name).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families: Vec<&str> = self.families.iter().map(|x| x.name()).collect();
        writeln!(f, "retrain ({}), class Retrain", families.join(", "))?;
        let budget = self.relu_budget.map_or(String::new(), |b| format!(" (budget {b})"));
        writeln!(f, "  ReLUs         {} -> {}{budget}", self.relus_before, self.relus_after)?;
        if let (Some(before), Some(after)) = (self.bytes_before, self.bytes_after) {
            writeln!(f, "  bytes         {before} -> {after} for one inference, predicted")?;
        }
        writeln!(
            f,
            "  scores        change by {:.3} of their size; the largest stays for {} of {} calibration samples",
            self.output_error, self.agreement, self.samples
        )?;
        for c in &self.choices {
            writeln!(
                f,
                "  {:24} {:10} {:18} {:7} ReLUs fewer, layer error {:.3}  {}",
                c.node,
                c.family.name(),
                c.rule,
                c.removed,
                c.layer_error,
                c.detail
            )?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        if !self.choices.is_empty() {
            writeln!(f, "  {}", self.warning())?;
        }
        Ok(())
    }
}

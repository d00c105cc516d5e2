//! Rewrites of class `Retrain`: they change what the network computes, and it must be fine-tuned afterwards.
//!
//! ```text
//! real graph -> canonicalize -> x-operator -> ReLUs until the budget holds -> canonicalize -> real graph, report
//! ```
//! None of them is an equality, so none may be a union in the e-graph, where everything stated is believed of the
//! whole class. They rewrite the canonical real graph once, before quantization; what they leave (a linear layer after
//! a linear layer, a ReLU of a ReLU) is the optimizer's affair. One file is one family:
//!
//! | family | what it does |
//! |---|---|
//! | `x_operator` | a k x k convolution becomes a factorised one, fitted to its activations |
//! | `shuffle` | a ReLU moves to the side of a convolution that has fewer elements, or off the skip path |
//! | `prune` | ReLUs behind residual sums and channel expansions are dropped |
//! | `linearize` | chosen channels of a ReLU become straight lines |
//! | `polynomial` | chosen channels of a ReLU become squares |
//! | `balance` | linearizes until every layer has as many ReLUs |
//!
//! Which channels keep their ReLU, and which pass a convolution unfiltered, becomes public with the program.

mod balance;
mod choose;
mod chosen;
mod damage;
mod linearize;
mod mask;
mod moments;
mod polynomial;
mod prune;
mod report;
mod rewrite;
mod shuffle;
mod sites;
mod solve;
#[cfg(test)]
mod tests;
mod x_operator;

pub use report::{Choice, Report};
pub use x_operator::{Member, Price, price};

use crate::canonicalize::canonicalize;
use crate::compile::Options;
use crate::error::{CompileError, Result};
use crate::ranges::observe;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Inputs by name.
pub(crate) type Sample = BTreeMap<String, Tensor<f32>>;

/// Rules that are allowed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    XOperator,
    Shuffle,
    Prune,
    Balance,
    Linearize,
    Polynomial,
}

impl Family {
    pub const ALL: [Family; 6] =
        [Family::XOperator, Family::Shuffle, Family::Prune, Family::Balance, Family::Linearize, Family::Polynomial];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::XOperator => "x-operator",
            Family::Shuffle => "shuffle",
            Family::Prune => "prune",
            Family::Balance => "balance",
            Family::Linearize => "linearize",
            Family::Polynomial => "polynomial",
        }
    }

    /// The families of these names; no names: all of them.
    ///
    /// # Errors
    /// If there is no family of a name.
    pub fn parse(names: &[String]) -> Result<Vec<Family>> {
        if names.is_empty() {
            return Ok(Family::ALL.to_vec());
        }
        let mut families = Vec::with_capacity(names.len());
        for name in names {
            let family = Family::ALL.into_iter().find(|f| f.name() == name);
            families.push(family.ok_or_else(|| {
                let known: Vec<&str> = Family::ALL.iter().map(|f| f.name()).collect();
                refused("allow", format!("retrain has no family `{name}`; there are {}", known.join(", ")))
            })?);
        }
        families.sort_unstable();
        families.dedup();
        Ok(families)
    }
}

/// Output error of one layer up to which the x-operator replaces it, if nothing else is said.
pub const MAX_LAYER_ERROR: f64 = 0.3;

/// Change of the scores, relative to them, from which on a rewritten network is no start for fine-tuning.
const EXPLODED: f64 = 100.0;

/// What may be rewritten, and how far.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What was asked for; all of them unless families were named.
    pub families: Vec<Family>,
    /// The families were named: they are used even where they save nothing.
    pub named: bool,
    /// Most ReLUs (elements, in one inference) of the rewritten network.
    pub relu_budget: Option<u64>,
    /// Largest error of a replaced convolution's output, relative to it (root mean square over calibration data).
    pub max_layer_error: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            families: Family::ALL.to_vec(),
            named: false,
            relu_budget: None,
            max_layer_error: MAX_LAYER_ERROR,
        }
    }
}

/// A rewritten model: canonical, over the reals, initialised but not trained.
#[derive(Clone, Debug)]
pub struct Retrained {
    pub graph: Graph,
    pub weights: RealWeights,
    pub report: Report,
}

/// A real graph and its weights, as rules pass it on.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub graph: Graph,
    pub weights: RealWeights,
}

/// ReLUs of a real graph: elements of all `relu` nodes in one inference, those of the client's own part left out.
#[must_use]
pub fn relu_count(graph: &Graph) -> u64 {
    sites::relus(graph).into_iter().map(|id| graph.ty(id).len() as u64).sum()
}

/// Rewrites an imported model.
///
/// `options` say for which protocols and deployment the rewritten layers are priced.
///
/// # Errors
/// Without calibration data; if the families cannot reach the budget (the error names the smallest count they reach);
/// if settings contradict each other.
pub fn retrain(
    graph: &Graph,
    weights: &RealWeights,
    options: &Options,
    settings: &Settings,
    calibration: &[Sample],
) -> Result<Retrained> {
    check(settings, calibration)?;
    let (graph, weights) = canonicalize(graph.clone(), weights.clone())?;
    // Says what is wrong with a sample before anything is computed from it.
    observe(&graph, &weights, calibration)?;
    let original = Model { graph, weights };
    let mut report = Report {
        families: settings.families.clone(),
        samples: calibration.len(),
        relu_budget: settings.relu_budget,
        relus_before: relu_count(&original.graph),
        ..Report::default()
    };
    let mut model = original.clone();
    if settings.families.contains(&Family::XOperator) {
        model = x_operator::apply(model, options, settings.max_layer_error, calibration, &mut report)?;
    }
    if let Some(budget) = settings.relu_budget {
        model = choose::within_budget(model, options, settings, budget, calibration, &mut report)?;
    } else {
        let idle: Vec<&str> =
            settings.families.iter().filter(|f| **f != Family::XOperator).map(|f| f.name()).collect();
        if !idle.is_empty() {
            report.notes.push(format!("no ReLU budget (--relu-budget N), so nothing for {}", idle.join(", ")));
        }
    }
    let (graph, weights) = canonicalize(model.graph, model.weights)?;
    let model = Model { graph, weights };
    report.relus_after = relu_count(&model.graph);
    if let Some(budget) = settings.relu_budget
        && report.relus_after > budget
    {
        let left = report.relus_after;
        return Err(CompileError::Internal(format!("{left} ReLUs are left of a budget of {budget}")));
    }
    let change = damage::compare(&original, &model, calibration)?;
    if !change.is_finite() || change.error() > EXPLODED {
        return Err(refused(
            "relu-budget",
            format!(
                "the rewritten network's scores grow out of bounds on calibration data (they change by {:.0e} of their \
                 size), as many squares in a row do; raise the budget, or allow linearize instead of polynomial",
                change.error()
            ),
        ));
    }
    report.output_error = change.error();
    report.agreement = change.agreement();
    Ok(Retrained { graph: model.graph, weights: model.weights, report })
}

fn refused(option: &'static str, why: String) -> CompileError {
    CompileError::Options { option, why }
}

fn check(settings: &Settings, calibration: &[Sample]) -> Result<()> {
    let relu = settings.families.iter().any(|f| *f != Family::XOperator);
    if calibration.is_empty() {
        return Err(refused(
            "allow",
            "retrain needs calibration data (--calibrate FILE): x-operator, linearize and polynomial are fitted to \
             activations, shuffle, prune and balance are ranked by them"
                .to_owned(),
        ));
    }
    if settings.relu_budget.is_some() && !relu {
        return Err(refused(
            "relu-budget",
            "x-operator removes no ReLU; allow shuffle, prune, balance, linearize or polynomial too".to_owned(),
        ));
    }
    if settings.relu_budget.is_none() && settings.named && relu {
        return Err(refused("allow", "say how many ReLUs may stay: --relu-budget N".to_owned()));
    }
    if !(settings.max_layer_error > 0.0 && settings.max_layer_error.is_finite()) {
        return Err(refused("max-layer-error", "a positive number, such as 0.3".to_owned()));
    }
    Ok(())
}

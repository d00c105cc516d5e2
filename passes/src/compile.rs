//! What a user chooses, and what comes out.

use crate::accuracy::Accuracy;
use crate::bounds;
use crate::egraph::{Explanation, Extract};
use crate::error::{CompileError, Result};
use crate::prepared::Prepared;
use crate::quantize::Fractions;
use crate::report::Report;
use crate::reveal::Reveal;
use picc_ir::correlation::Source;
use picc_ir::cost::profile::Profile;
use picc_ir::program::{Preprocess, Program};
use picc_ir::weights::{RealWeights, RingWeights};
use picc_ir::{Graph, Tensor};
use std::collections::BTreeMap;

/// How the linear layers are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Linear {
    #[default]
    Auto,
    Rlwe,
    Ot,
    /// Prepared before the input is known, ReLUs garbled or by OT: has a price, cannot be run yet.
    Preprocessed,
}

/// What the user may choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Name of the model, for people.
    pub model: String,
    /// One ring for every value; `None`: each value in the shortest ring that holds it.
    pub ring: Option<u8>,
    /// Fraction bits of all activations. Without it calibrated values have [`Self::precision`], and others 12.
    pub frac: Option<u8>,
    /// Significant bits of activations, from the largest value that calibration has shown, with its margin; 14 if not
    /// given.
    pub precision: Option<u8>,
    /// Calibrated values may get this many bits larger than calibration has shown; 1 by default.
    pub margin_bits: u8,
    /// Fraction bits of weights. Without it as many as [`Self::weight_bits`] allow where activations have significant
    /// bits, else 12.
    pub weight_frac: Option<u8>,
    /// Most bits of a weight, with its sign.
    pub weight_bits: u8,
    /// Bit-exact truncation: the program equals the reference in every bit, and costs more.
    pub exact: bool,
    pub linear: Linear,
    /// Where correlated OTs come from where no profile decides it.
    pub source: Source,
    /// The deployment for which rewrites and protocols are chosen together by exact cost, and with them the source of
    /// correlated OTs, unless the profile fixes it; `None`: nothing is rewritten, and protocols are chosen for
    /// [`Profile::lan`] and [`Self::source`]. By default [`Profile::lan`].
    pub profile: Option<Profile>,
    /// Families of rewrites, or single rules, that may be chosen under a profile, by name; `None`: all of them;
    /// [`crate::NO_PASSES`] alone: protocols only.
    pub families: Option<Vec<String>>,
    /// How the cheapest program is looked for under a profile.
    pub extract: Extract,
    /// Accept that the client learns hidden values where its part of the model needs them.
    pub reveal_hidden: bool,
    /// What the client is shown of each output.
    pub reveal: Reveal,
    /// How a client turns an image into the (first) input.
    pub preprocess: Option<Preprocess>,
    /// Names of the classes.
    pub labels: Vec<String>,
}

impl Options {
    /// Nothing is rewritten, whatever the deployment: for study and for tests.
    #[must_use]
    pub fn plain() -> Options {
        Options { profile: None, ..Options::default() }
    }

    /// How much larger than observed values may get.
    pub(crate) fn margin(&self) -> f32 {
        f32::from(self.margin_bits).exp2()
    }

    /// Bits of activations, with or without calibration data.
    pub(crate) fn fractions(&self, calibrated: bool) -> Fractions {
        match self.frac {
            Some(frac) => Fractions::Uniform(frac),
            None if self.ring.is_some() || !calibrated => Fractions::Uniform(FRAC),
            None => Fractions::Significant(self.precision.unwrap_or(PRECISION)),
        }
    }

    /// With what follows from the other choices: one ring for every value would not stay one under rewrites, so that it
    /// means [`crate::NO_PASSES`] unless families are named.
    #[must_use]
    pub fn settled(mut self) -> Options {
        if self.ring.is_some() && self.families.is_none() {
            self.families = Some(vec![crate::NO_PASSES.to_owned()]);
        }
        self
    }
}

/// What the command line does when it is told nothing: the cheapest program for a local network.
impl Default for Options {
    fn default() -> Options {
        Options {
            model: String::new(),
            ring: None,
            frac: None,
            precision: None,
            margin_bits: 1,
            weight_frac: None,
            weight_bits: 16,
            exact: false,
            linear: Linear::Auto,
            source: Source::default(),
            profile: Some(Profile::lan()),
            families: None,
            extract: Extract::default(),
            reveal_hidden: false,
            reveal: Reveal::All,
            preprocess: None,
            labels: Vec::new(),
        }
    }
}

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Public: what both parties run.
    pub program: Program,
    /// The model over the reals after canonicalization.
    pub canonical: Graph,
    /// What the secure part computes, in the tensor dialect; its outputs are the revealed values.
    pub ring_graph: Graph,
    /// Secret: the server's.
    pub weights: RingWeights,
    pub report: Report,
    /// Under a profile: what was chosen, and why.
    pub explanation: Option<Explanation>,
    /// Under an accuracy budget: what was measured, and what was chosen for it.
    pub accuracy: Option<Accuracy>,
}

/// Fraction bits where one number of them serves all values.
pub(crate) const FRAC: u8 = 12;
/// Fraction bits of weights beside them.
pub(crate) const WEIGHT_FRAC: u8 = 12;
/// Significant bits of calibrated values: the fewest with which every model that was measured answers as before, or
/// better (`docs/measured.md`).
pub(crate) const PRECISION: u8 = 14;

/// Compiles a real graph for two parties.
///
/// `calibration` holds inputs by name; their values bound what the program must hold. Without them the bounds come
/// from interval analysis alone, which is loose for deep networks.
///
/// # Errors
/// See [`CompileError`]: every variant names the ONNX node and the way out.
pub fn compile(
    graph: &Graph,
    weights: &RealWeights,
    options: &Options,
    calibration: &[BTreeMap<String, Tensor<f32>>],
) -> Result<Compiled> {
    Prepared::cheapest(graph, weights, options, calibration).map(|(_, compiled)| compiled)
}

/// Whether every option is one of those that exist.
pub(crate) fn check(options: &Options) -> Result<()> {
    let Options { ring, frac, precision, margin_bits, weight_frac, weight_bits, .. } = *options;
    bounds::check("ring", ring, &bounds::RING, "bits")?;
    bounds::check("frac", frac, &bounds::FRAC, "fraction bits")?;
    bounds::check("precision", precision, &bounds::PRECISION, "significant bits")?;
    bounds::check("margin_bits", Some(margin_bits), &bounds::MARGIN, "bits")?;
    bounds::check("weight_frac", weight_frac, &bounds::FRAC, "fraction bits")?;
    bounds::check("weight_bits", Some(weight_bits), &bounds::WEIGHT, "bits")?;
    if precision.is_some() && (frac.is_some() || ring.is_some()) {
        let why = "`frac` and `ring` ask for one format for all values".to_owned();
        return Err(CompileError::Options { option: "precision", why });
    }
    Ok(())
}

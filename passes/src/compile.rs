//! The pipeline: canonicalize, split off the client's part, bound, quantize, lower, check.

use crate::accuracy::{Accuracy, with_windows_of_bits};
use crate::canonicalize::canonicalize;
use crate::choose::{Chosen, choose};
use crate::compose::{Composed, compose};
use crate::depthwise::depthwise;
use crate::egraph::{Explanation, Extract};
use crate::error::{CompileError, Result};
use crate::error_bound::{errors, likely_ulps, public_ulps};
use crate::graph_edit::uses;
use crate::lrn::{has_lrn, piecewise, with_windows};
use crate::predict::predict;
use crate::quantize::{Format, Plan, quantize};
use crate::ranges::{Bound, Facts, MARGIN, Observed, Source, analyse, observe};
use crate::report::{Report, price, ranges};
use crate::segment::segments;
use crate::tail::{Split, split};
use picc_ir::cost::profile::Profile;
use picc_ir::op::{F32, Op};
use picc_ir::ops::Input;
use picc_ir::program::{InputSpec, Preprocess, Program};
use picc_ir::verify::{Stage, verify};
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
    /// Fraction bits of activations; 12 if not given.
    pub frac: Option<u8>,
    /// Fraction bits of weights.
    pub weight_frac: u8,
    /// Most bits of a weight, with its sign.
    pub weight_bits: u8,
    /// Bit-exact truncation: the program equals the reference in every bit, and costs more.
    pub exact: bool,
    pub linear: Linear,
    /// Bits of a comparison's leaf, 1 to 5.
    pub radix: u8,
    /// Field size `2^k` of the SoftSpoken OT extension where no profile decides it.
    pub softspoken_k: u8,
    /// The deployment for which rewrites and protocols are chosen together by exact cost, and with them the field of
    /// the OT extension, unless the profile fixes it; `None`: the same plain lowering for every deployment.
    pub profile: Option<Profile>,
    /// Families of rewrites, or single rules, that may be chosen under a profile, by name; `None`: all of them;
    /// [`crate::NO_PASSES`] alone: the plain lowering.
    pub families: Option<Vec<String>>,
    /// How the cheapest program is looked for under a profile.
    pub extract: Extract,
    /// How a client turns an image into the (first) input.
    pub preprocess: Option<Preprocess>,
    /// Names of the classes.
    pub labels: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            model: String::new(),
            ring: None,
            frac: None,
            weight_frac: 12,
            weight_bits: 16,
            exact: false,
            linear: Linear::Auto,
            radix: picc_ir::mpc::MAX_RADIX,
            softspoken_k: 4,
            profile: None,
            families: None,
            extract: Extract::default(),
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

/// What is said of programs that no party can run yet.
const PRICED_ONLY: &str = "priced only: the linear layers are prepared before the input is known, which has a price and \
                           no implementation yet; `pirun` refuses this program";
/// Fraction bits if neither the options nor the input say otherwise.
pub(crate) const FRAC: u8 = 12;
/// Without calibration, proven bounds are taken if they fit a ring of this many bits with the weights' fraction in it.
const REACH_RING: u8 = 44;
/// Otherwise values are taken to fit a ring of this many bits with the weights' fraction in it.
/// Networks that take pixels of 0 to 255 reach 2^13; what exceeds the assumption is garbled, so it is generous.
const FALLBACK_RING: u8 = 40;
/// Largest input if nothing at all is known about it.
const FALLBACK_INPUT: f32 = 256.0;

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
    let compiled = |model: &Prepared| model.compile(options, &Tuning::default(), &model.bounds(options, MARGIN)?);
    let model = Prepared::new(graph, weights, options, calibration)?;
    let composed = compiled(&model)?;
    if !model.composed {
        return Ok(composed);
    }
    // Layers are composed by what they cost alone; the whole program has the last word.
    let plain = compiled(&Prepared::as_it_is(graph, weights, options, calibration)?)?;
    let seconds = |c: &Compiled| c.explanation.as_ref().map_or(f64::INFINITY, |e| e.after.seconds);
    Ok(if seconds(&plain) < seconds(&composed) { plain } else { composed })
}

/// Choices that trade accuracy for cost; the default makes none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tuning {
    /// Fraction bits of activations.
    pub frac: Option<u8>,
    /// Bits of a layer's weights, sign included, by its node.
    pub weight_bits: BTreeMap<String, u8>,
    /// Low bits that comparisons leave out, by node.
    pub windows: BTreeMap<String, u8>,
}

/// Bounds of all values, and what to warn about.
pub(crate) struct Bounds {
    pub bounds: Vec<Bound>,
    warnings: Vec<String>,
}

/// Everything that does not depend on number formats.
pub(crate) struct Prepared {
    /// The model over the reals after canonicalization.
    canonical: Graph,
    /// Some of its linear layers were composed.
    composed: bool,
    /// The secure part.
    pub core: Graph,
    pub weights: RealWeights,
    tail: Graph,
    observed: Option<Observed>,
    notes: Vec<String>,
}

impl Prepared {
    pub fn new(
        graph: &Graph,
        weights: &RealWeights,
        options: &Options,
        calibration: &[BTreeMap<String, Tensor<f32>>],
    ) -> Result<Prepared> {
        check(options)?;
        let (graph, weights) = canonicalize(graph.clone(), weights.clone())?;
        let composed = if crate::compose::allowed(options) {
            compose(graph, weights, options)?
        } else {
            Composed { graph, weights, notes: Vec::new() }
        };
        Prepared::canonical(composed, options, calibration)
    }

    /// Without linear layers composed.
    pub fn as_it_is(
        graph: &Graph,
        weights: &RealWeights,
        options: &Options,
        calibration: &[BTreeMap<String, Tensor<f32>>],
    ) -> Result<Prepared> {
        check(options)?;
        let (graph, weights) = canonicalize(graph.clone(), weights.clone())?;
        Prepared::canonical(Composed { graph, weights, notes: Vec::new() }, options, calibration)
    }

    fn canonical(
        composed: Composed,
        options: &Options,
        calibration: &[BTreeMap<String, Tensor<f32>>],
    ) -> Result<Prepared> {
        let Composed { graph: canonical, mut weights, notes: made } = composed;
        let Split { core, tail, notes } = split(&canonical, &weights)?;
        let core = depthwise(&core, &mut weights)?;
        let composed = !made.is_empty();
        let notes = made.into_iter().chain(notes).collect();
        let mut model = Prepared { canonical, composed, core, weights, tail, observed: None, notes };
        if has_lrn(&model.core) {
            let (expanded, windows) = with_windows(&model.core)?;
            let observed = observe(&expanded, &model.weights, calibration)?;
            let bounds = model.bounds_of(&expanded, observed.as_ref(), options, MARGIN)?.bounds;
            let largest = windows.into_iter().map(|(lrn, t)| (lrn, bounds[t.index()].max_abs())).collect();
            let (lines, approximations) = piecewise(&model.core, &largest)?;
            model.core = lines;
            model.notes.extend(approximations);
        }
        model.observed = observe(&model.core, &model.weights, calibration)?;
        Ok(model)
    }

    /// How large the values of the secure part get, if those of the calibration data may get larger by `margin`.
    pub fn bounds(&self, options: &Options, margin: f32) -> Result<Bounds> {
        self.bounds_of(&self.core, self.observed.as_ref(), options, margin)
    }

    fn bounds_of(
        &self,
        graph: &Graph,
        observed: Option<&Observed>,
        options: &Options,
        margin: f32,
    ) -> Result<Bounds> {
        let frac = options.frac.unwrap_or(FRAC);
        let reach = room(options.ring.unwrap_or(REACH_RING), options, frac);
        let fallback = room(options.ring.unwrap_or(FALLBACK_RING), options, frac);
        let mut warnings = Vec::new();
        let inputs = input_ranges(graph, options, observed.map(|o| &o.inputs), &mut warnings);
        let facts = Facts { inputs: &inputs, observed, margin, reach, fallback };
        let bounds = analyse(graph, &self.weights, &facts)?;
        warn_about_ranges(graph, &bounds, fallback, &mut warnings);
        Ok(Bounds { bounds, warnings })
    }

    /// The program for these number formats.
    pub fn compile(&self, options: &Options, tuning: &Tuning, bounds: &Bounds) -> Result<Compiled> {
        let lowered = self.lowered(options, tuning, &bounds.bounds)?;
        assemble(self, options, bounds, lowered)
    }

    /// Quantized and lowered.
    pub fn lowered(&self, options: &Options, tuning: &Tuning, bounds: &[Bound]) -> Result<Lowered> {
        let format = Format {
            frac: tuning.frac.or(options.frac).unwrap_or(FRAC),
            uniform: options.ring,
            weight_frac: options.weight_frac,
            weight_bits: options.weight_bits,
            weight_bits_of: tuning.weight_bits.clone(),
            input_frac: input_frac(&self.core, options),
            linear: options.linear,
        };
        let plan = Plan::new(&self.core, &self.weights, bounds, &format)?;
        let (ring_graph, ring_weights) = quantize(&self.core, &self.weights, &plan, &format)?;
        checked(&ring_graph, Stage::Ring)?;
        let priced_only = (options.linear == Linear::Preprocessed).then(|| PRICED_ONLY.to_owned());
        let draft = Program {
            model: options.model.clone(),
            inputs: Vec::new(),
            segments: Vec::new(),
            graph: Graph::default(),
            labels: options.labels.clone(),
            error_ulps: Vec::new(),
            softspoken_k: options.softspoken_k,
            notes: self.notes.iter().cloned().chain(plan.notes).chain(priced_only).collect(),
        };
        let chosen = choose(draft, &ring_graph, ring_weights, &self.tail, options)?;
        let Chosen { program, weights, explanation, profile } = chosen;
        let graph = with_windows_of_bits(&program.graph, &tuning.windows, options.profile.as_ref())?;
        Ok(Lowered { ring_graph, program: Program { graph, ..program }, weights, explanation, profile })
    }
}

/// The secure part in both dialects.
pub(crate) struct Lowered {
    pub ring_graph: Graph,
    /// Without inputs, segments and error bounds.
    pub program: Program,
    pub weights: RingWeights,
    explanation: Option<Explanation>,
    /// The deployment, with the field of the OT extension decided.
    profile: Option<Profile>,
}

/// Checks, bounds and prices a lowered model.
fn assemble(model: &Prepared, options: &Options, bounds: &Bounds, lowered: Lowered) -> Result<Compiled> {
    let Lowered { ring_graph, program, weights: ring_weights, explanation, profile } = lowered;
    checked(&program.graph, Stage::Mpc)?;
    let errors = errors(&program.graph, &ring_weights)?;
    let outputs = program.graph.outputs.iter().map(|(name, id)| (name, errors[id.index()]));
    let error_ulps = outputs.clone().map(|(_, e)| public_ulps(e)).collect();
    let likely_ulps = outputs.map(|(name, e)| (name.clone(), likely_ulps(e))).collect();
    let program = Program {
        inputs: input_specs(&program.graph, options),
        segments: segments(&program.graph),
        error_ulps,
        ..program
    };
    let (rows, cost) = price(&program)?;
    let prediction = profile.as_ref().map(|p| predict(&program, p)).transpose()?;
    let mut warnings = bounds.warnings.clone();
    if options.linear == Linear::Preprocessed {
        warnings.push(PRICED_ONLY.to_owned());
    }
    if let (Some(prediction), Some(profile)) = (&prediction, &profile) {
        warnings.extend(prediction.warnings(profile));
    }
    let ranges = ranges(&model.core, &bounds.bounds);
    let report = Report { warnings, likely_ulps, ranges, rows, cost, prediction };
    Ok(Compiled {
        program,
        canonical: model.canonical.clone(),
        ring_graph,
        weights: ring_weights,
        report,
        explanation,
        accuracy: None,
    })
}

/// A graph that the verifier refuses is a bug of this crate, not of the model.
fn checked(graph: &Graph, stage: Stage) -> Result<()> {
    verify(graph, stage).map_err(|found| {
        let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
        CompileError::Internal(format!("the {stage} graph is refused: {}", lines.join("; ")))
    })
}

/// Largest value that a ring leaves room for, at both fractions and with the spare bit.
fn room(ring: u8, options: &Options, frac: u8) -> f32 {
    let left = i32::from(ring) - i32::from(options.weight_frac) - i32::from(frac) - 2;
    (left.max(4) as f32).exp2() * 0.999
}

fn check(options: &Options) -> Result<()> {
    let domain = |option, ok: bool, why: &str| {
        if ok { Ok(()) } else { Err(CompileError::Options { option, why: why.to_owned() }) }
    };
    domain("ring", options.ring.is_none_or(|r| (8..=64).contains(&r)), "a ring has 8 to 64 bits")?;
    domain("frac", options.frac.is_none_or(|f| (1..=24).contains(&f)), "1 to 24 fraction bits")?;
    domain("weight_frac", (1..=24).contains(&options.weight_frac), "1 to 24 fraction bits")?;
    domain("weight_bits", (2..=16).contains(&options.weight_bits), "2 to 16 bits")?;
    domain("radix", (1..=picc_ir::mpc::MAX_RADIX).contains(&options.radix), "1 to 5 bits a leaf")?;
    domain("softspoken_k", [1, 2, 4, 8].contains(&options.softspoken_k), "1, 2, 4 or 8")
}

fn inputs(graph: &Graph) -> impl Iterator<Item = &Input> {
    graph.nodes.iter().filter_map(|n| match &n.op {
        Op::Input(input) => Some(input),
        _ => None,
    })
}

/// Whether the images that the preprocessing yields are integers.
fn is_integral(p: &Preprocess) -> bool {
    let integer = |v: &F32| v.value().fract() == 0.0;
    p.divisor.value() == 1.0 && p.mean.iter().all(integer) && p.std.iter().all(|s| s.value() == 1.0)
}

fn input_frac(graph: &Graph, options: &Options) -> BTreeMap<String, u8> {
    let first = inputs(graph).next().filter(|_| options.preprocess.as_ref().is_some_and(is_integral));
    first.map(|input| (input.name.clone(), 0)).into_iter().collect()
}

/// What preprocessing proves, else twice what calibration shows, else a guess.
fn input_ranges(
    graph: &Graph,
    options: &Options,
    observed: Option<&BTreeMap<String, (f32, f32)>>,
    warnings: &mut Vec<String>,
) -> BTreeMap<String, (f32, f32)> {
    let mut ranges = BTreeMap::new();
    for (i, input) in inputs(graph).enumerate() {
        let seen = observed.and_then(|o| o.get(&input.name)).map(|&(lo, hi)| {
            let most = 2.0 * lo.abs().max(hi.abs());
            (-most, most)
        });
        let preprocessed = options.preprocess.as_ref().filter(|_| i == 0).map(pixel_range);
        let range = preprocessed.or(seen).unwrap_or_else(|| {
            warnings.push(format!(
                "nothing is known about input `{}`: taken to lie within +-{FALLBACK_INPUT}; calibrate with real inputs",
                input.name
            ));
            (-FALLBACK_INPUT, FALLBACK_INPUT)
        });
        ranges.insert(input.name.clone(), range);
    }
    ranges
}

/// Smallest and largest value that preprocessing makes of a pixel.
fn pixel_range(p: &Preprocess) -> (f32, f32) {
    let ends = p
        .mean
        .iter()
        .zip(&p.std)
        .flat_map(|(m, s)| [0.0, 255.0].map(|pixel: f32| (pixel / p.divisor.value() - m.value()) / s.value()));
    ends.fold((0.0, 0.0), |(lo, hi): (f32, f32), v| (lo.min(v), hi.max(v)))
}

fn warn_about_ranges(graph: &Graph, bounds: &[Bound], fallback: f32, warnings: &mut Vec<String>) {
    let uses = uses(graph);
    let assumed: Vec<&str> = graph
        .iter()
        .filter(|(id, _)| bounds[id.index()].source == Source::Assumed && uses[id.index()] > 0)
        .map(|(_, n)| n.name.as_str())
        .collect();
    if let Some(first) = assumed.first() {
        warnings.push(format!(
            "ranges of {} nodes (first `{first}`) are not proven: values are taken to stay below {fallback}; \
             calibrate with real inputs",
            assumed.len()
        ));
    }
}

fn input_specs(graph: &Graph, options: &Options) -> Vec<InputSpec> {
    inputs(graph)
        .enumerate()
        .map(|(i, input)| InputSpec {
            name: input.name.clone(),
            shape: input.ty.shape.clone(),
            frac_bits: input.ty.as_fixed().map_or(0, |f| f.frac_bits),
            preprocess: options.preprocess.clone().filter(|_| i == 0),
        })
        .collect()
}

//! The pipeline: canonicalize, compose, split off the client's part, bound, quantize, lower, check.

use crate::accuracy::with_windows_of_bits;
use crate::canonicalize::canonicalize;
use crate::choose::{Chosen, choose};
use crate::compile::{Compiled, FRAC, Linear, Options, WEIGHT_FRAC, check};
use crate::compose::{Composed, compose};
use crate::depthwise::depthwise;
use crate::egraph::{Explanation, Totals};
use crate::equalize::{Equalized, equalize};
use crate::error::{CompileError, Result};
use crate::error_bound::{errors, likely_ulps, public_ulps};
use crate::graph_edit::{Builder, uses};
use crate::inputs::{input_frac, input_ranges, input_specs};
use crate::lrn::{has_lrn, piecewise, with_windows};
use crate::masks::{has_masks, within_reach};
use crate::predict::predict;
use crate::quantize::{Format, Fractions, Plan, quantize};
use crate::ranges::{Bound, Facts, Observed, Source, analyse, observe};
use crate::report::{Report, price, ranges};
use crate::reveal::{Reveal, best, next_best, rounded_ring, rounding};
use crate::segment::segments;
use crate::tail::{Hidden, Split, split};
use picc_ir::cost::profile::Profile;
use picc_ir::op::Op;
use picc_ir::ops::Input;
use picc_ir::program::Program;
use picc_ir::verify::{Stage, verify};
use picc_ir::weights::{RealWeights, RingWeights};
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use std::collections::BTreeMap;

/// What is said of programs that no party can run yet.
const PRICED_ONLY: &str = "priced only: the linear layers are prepared before the input is known, which has a price and \
                           no implementation yet; `pirun` refuses this program";
/// Without calibration, proven bounds are taken if they fit a ring of this many bits with the weights' fraction in it.
const REACH_RING: u8 = 44;
/// Otherwise values are taken to fit a ring of this many bits with the weights' fraction in it.
/// Networks that take pixels of 0 to 255 reach 2^13; what exceeds the assumption is garbled, so it is generous.
const FALLBACK_RING: u8 = 40;

/// Choices that trade accuracy for cost; the default makes none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tuning {
    /// Fraction or significant bits of activations.
    pub bits: Option<u8>,
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
    /// For each node of `core` the exponents of the least and greatest scale of its elements; none if all are 1.
    shifts: Vec<(i32, i32)>,
    observed: Option<Observed>,
    notes: Vec<String>,
    /// Hidden values that the client learns.
    warnings: Vec<String>,
}

impl Prepared {
    /// The model in the form whose default program is cheaper, with that program.
    pub fn cheapest(
        graph: &Graph,
        weights: &RealWeights,
        options: &Options,
        calibration: &[BTreeMap<String, Tensor<f32>>],
    ) -> Result<(Prepared, Compiled)> {
        let compiled = |model: Prepared| {
            let compiled = model.compile(options, &Tuning::default(), &model.bounds(options, options.margin())?)?;
            Ok((model, compiled))
        };
        let composed = compiled(Prepared::new(graph, weights, options, calibration)?)?;
        if !composed.0.composed {
            return Ok(composed);
        }
        // Layers are composed by what they cost alone; the whole program has the last word.
        let plain = compiled(Prepared::as_it_is(graph, weights, options, calibration)?)?;
        let seconds = |c: &Compiled| c.explanation.as_ref().map_or(f64::INFINITY, |e| e.after.seconds);
        if seconds(&plain.1) < seconds(&composed.1) {
            return Ok(plain);
        }
        let mut composed = composed;
        // To compose layers is a rewrite: what is saved is counted from the model as it came.
        if let (Some(explanation), Some(plain)) = (&mut composed.1.explanation, &plain.1.explanation) {
            explanation.compare_with(plain);
        }
        Ok(composed)
    }

    fn new(
        graph: &Graph,
        weights: &RealWeights,
        options: &Options,
        calibration: &[BTreeMap<String, Tensor<f32>>],
    ) -> Result<Prepared> {
        check(options)?;
        let (graph, weights) = canonical_form(graph, weights, options)?;
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
        let (graph, weights) = canonical_form(graph, weights, options)?;
        Prepared::canonical(Composed { graph, weights, notes: Vec::new() }, options, calibration)
    }

    fn canonical(
        composed: Composed,
        options: &Options,
        calibration: &[BTreeMap<String, Tensor<f32>>],
    ) -> Result<Prepared> {
        let composed_layers = !composed.notes.is_empty();
        let mut model = Prepared::split(composed, options)?;
        model.composed = composed_layers;
        if let Some(count) = options.reveal.classes().filter(|&count| count > 1) {
            let bounds = model.largest(&model.core, options, calibration)?;
            model.core = next_best(&model.core, count, |id| bounds[id.index()].max_abs())?;
            model.tail = relabelled(&model.tail, &model.core)?;
        }
        if has_lrn(&model.core) {
            let (expanded, windows) = with_windows(&model.core)?;
            let bounds = model.largest(&expanded, options, calibration)?;
            let largest = windows.into_iter().map(|(lrn, t)| (lrn, bounds[t.index()].max_abs())).collect();
            let (lines, approximations) = piecewise(&model.core, &largest)?;
            model.core = lines;
            model.notes.extend(approximations);
        }
        if has_masks(&model.core, &model.tail, &model.weights)? {
            let bounds = model.largest(&model.core, options, calibration)?;
            let core = std::mem::take(&mut model.core);
            model.core = within_reach(core, &model.tail, &mut model.weights, |id| bounds[id.index()].max_abs())?;
        }
        if matches!(options.fractions(!calibration.is_empty()), Fractions::Significant(_)) {
            model.equalize(options, calibration)?;
        }
        model.observed = observe(&model.core, &model.weights, calibration)?;
        Ok(model)
    }

    /// Gives each channel a scale.
    fn equalize(&mut self, options: &Options, calibration: &[BTreeMap<String, Tensor<f32>>]) -> Result<()> {
        // Pixels have one scale, and the client must see the values that it is to be shown less of.
        let ends = options.reveal == Reveal::All && options.preprocess.is_none();
        if let Some(equal) = equalize(&self.core, &self.tail, &self.weights, calibration, ends)? {
            let Equalized { core, tail, weights, shifts } = equal;
            (self.core, self.tail, self.weights, self.shifts) = (core, tail, weights, shifts);
        }
        Ok(())
    }

    /// The secure part and the client's, as they are.
    fn split(composed: Composed, options: &Options) -> Result<Prepared> {
        let Composed { graph: canonical, mut weights, notes: made } = composed;
        let Split { core, tail, notes, hidden } = split(&canonical, &weights)?;
        if !options.reveal_hidden {
            CompileError::all(hidden.iter().map(Hidden::refused).collect())?;
        }
        let warnings: Vec<String> = hidden.iter().map(Hidden::warning).collect();
        let core = depthwise(&core, &mut weights)?;
        let notes = made.into_iter().chain(notes).chain(warnings.iter().cloned()).collect();
        let shifts = Vec::new();
        Ok(Prepared { canonical, composed: false, core, weights, tail, shifts, observed: None, notes, warnings })
    }

    /// Bounds of a graph's values, before it is final.
    fn largest(
        &self,
        graph: &Graph,
        options: &Options,
        calibration: &[BTreeMap<String, Tensor<f32>>],
    ) -> Result<Vec<Bound>> {
        let observed = observe(graph, &self.weights, calibration)?;
        Ok(self.bounds_of(graph, observed.as_ref(), options, options.margin())?.bounds)
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

    /// Bits of activations, if nothing is tuned.
    pub fn fractions(&self, options: &Options) -> Fractions {
        options.fractions(self.observed.is_some())
    }

    /// Quantized and lowered.
    pub fn lowered(&self, options: &Options, tuning: &Tuning, bounds: &[Bound]) -> Result<Lowered> {
        let fractions = self.fractions(options);
        let uniform = matches!(fractions, Fractions::Uniform(_));
        let format = Format {
            fractions: tuning.bits.map_or(fractions, |bits| fractions.with_bits(bits)),
            uniform: options.ring,
            weight_frac: options.weight_frac.or(uniform.then_some(WEIGHT_FRAC)),
            weight_bits: options.weight_bits,
            weight_bits_of: tuning.weight_bits.clone(),
            input_frac: input_frac(&self.core, options),
            linear: options.linear,
        };
        let plan = Plan::new(&self.core, &self.weights, bounds, &format)?;
        let (ring_graph, ring_weights) = quantize(&self.core, &self.weights, &plan, &format)?;
        checked(&ring_graph, Stage::Ring)?;
        let shifts = rounding(&ring_graph, options.reveal)?;
        let priced_only = (options.linear == Linear::Preprocessed).then(|| PRICED_ONLY.to_owned());
        let draft = Program {
            model: options.model.clone(),
            inputs: Vec::new(),
            segments: Vec::new(),
            graph: Graph::default(),
            labels: options.labels.clone(),
            error_ulps: Vec::new(),
            source: options.source,
            notes: self.notes.iter().cloned().chain(plan.notes).chain(priced_only).collect(),
        };
        let chosen = choose(draft, &ring_graph, ring_weights, &self.tail, options)?;
        let Chosen { program, weights, explanation, profile } = chosen;
        let graph = with_windows_of_bits(&program.graph, &tuning.windows, options.profile.as_ref())?;
        let ring_graph = rounded_ring(ring_graph, &shifts)?;
        Ok(Lowered { ring_graph, program: Program { graph, ..program }, weights, explanation, profile })
    }
}

/// The canonical model, ending in what the client is shown of its outputs.
fn canonical_form(graph: &Graph, weights: &RealWeights, options: &Options) -> Result<(Graph, RealWeights)> {
    let (graph, weights) = canonicalize(graph.clone(), weights.clone())?;
    best(&graph, &weights, options.reveal)
}

/// The client's part behind outputs of other shapes; it does nothing.
fn relabelled(tail: &Graph, core: &Graph) -> Result<Graph> {
    let mut b = Builder::default();
    for (name, id) in &core.outputs {
        let ty = Ty::real(&core.ty(*id).shape, Owner::Client);
        b.add(Input { name: name.clone(), ty }, &[], &core.node(*id).name)?;
    }
    let mut graph = b.graph;
    for (name, id) in &tail.outputs {
        let Op::Input(source) = &tail.node(*id).op else {
            return Err(CompileError::Internal(format!("output `{name}` is no index")));
        };
        let at =
            graph.iter().find(|(_, n)| matches!(&n.op, Op::Input(i) if i.name == source.name)).map(|(id, _)| id);
        graph.outputs.push((name.clone(), at.unwrap_or(Id(0))));
    }
    Ok(graph)
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
    let mut explanation = explanation;
    // Comparisons without low bits came after the choice.
    if let (Some(explained), Some(prediction)) = (&mut explanation, &prediction)
        && let Some(inference) = &mut explained.inference
    {
        inference.after = Totals::whole(&cost, prediction);
    }
    let mut warnings: Vec<String> = model.warnings.iter().chain(&bounds.warnings).cloned().collect();
    if options.linear == Linear::Preprocessed {
        warnings.push(PRICED_ONLY.to_owned());
    }
    if let (Some(prediction), Some(profile)) = (&prediction, &profile) {
        warnings.extend(prediction.warnings(profile));
    }
    let ranges = ranges(&model.core, &bounds.bounds, &model.shifts);
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
    let left = i32::from(ring) - i32::from(options.weight_frac.unwrap_or(WEIGHT_FRAC)) - i32::from(frac) - 2;
    (left.max(4) as f32).exp2() * 0.999
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

//! What a program says about itself, in sections of lines: `picc inspect` prints them, the page lists them.

use picc_ir::op::Op;
use picc_ir::program::{InputSpec, Layout, Preprocess, Program};
use picc_ir::verify::who_learns;
use picc_passes::accuracy::Accuracy;
use picc_passes::{Compiled, Source, decimal};
use serde::{Deserialize, Serialize};

/// Class names that are listed one by one.
const CLASSES: usize = 12;

/// Where the bounds of a model's values come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calibration {
    /// Inputs that values were measured on.
    pub samples: usize,
    /// Nodes of the model whose bounds follow from the weights and the input's range,
    pub proven: usize,
    /// were measured, with a margin,
    pub calibrated: usize,
    /// and are neither.
    pub assumed: usize,
}

/// What the compiler knows beyond the program; it lies in the record beside it. Bounds that the weights decide stay out
/// of the program, which the client sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Known {
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// For each output, how many ulps it is off at most in all but about one run in 10^8.
    #[serde(default)]
    pub likely_ulps: Vec<(String, f64)>,
}

impl Known {
    /// Of a model that was compiled with so many calibration inputs.
    #[must_use]
    pub fn of(compiled: &Compiled, samples: usize) -> Known {
        let count = |source| compiled.report.ranges.iter().filter(|(_, bound)| bound.source == source).count();
        let calibration = Calibration {
            samples,
            proven: count(Source::Proven),
            calibrated: count(Source::Calibrated),
            assumed: count(Source::Assumed),
        };
        Known { calibration: Some(calibration), likely_ulps: compiled.report.likely_ulps.clone() }
    }
}

/// Lines about one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub title: &'static str,
    pub lines: Vec<String>,
}

/// Everything to say about a program before its costs. Empty sections are left out.
#[must_use]
pub fn sections(program: &Program, known: &Known, accuracy: Option<&Accuracy>) -> Vec<Section> {
    let section = |title, lines| Section { title, lines };
    let sections = [
        section("Inputs", inputs(program)),
        section("Outputs", outputs(program, known)),
        section("Who learns what", learns(program)),
        section("Calibration", calibration(known, accuracy)),
        section("Notes", program.notes.clone()),
    ];
    sections.into_iter().filter(|s| !s.lines.is_empty()).collect()
}

/// Smallest and largest value that the program takes at an input.
#[must_use]
pub fn range(program: &Program, spec: &InputSpec) -> Option<(f64, f64)> {
    let ty = program.graph.nodes.iter().find_map(|node| match &node.op {
        Op::Input(input) if input.name == spec.name => input.ty.as_fixed(),
        _ => None,
    })?;
    let unit = f64::from(ty.frac_bits).exp2();
    Some((ty.lo as f64 / unit, ty.hi as f64 / unit))
}

fn inputs(program: &Program) -> Vec<String> {
    let mut lines = Vec::new();
    for spec in &program.inputs {
        let range = range(program, spec).map(|(lo, hi)| format!(", values from {} to {}", number(lo), number(hi)));
        lines.push(format!(
            "input `{}` {:?}, {} fraction bits{}, from the client",
            spec.name,
            &spec.shape[..],
            spec.frac_bits,
            range.unwrap_or_default()
        ));
        lines.extend(spec.preprocess.as_ref().map(|p| format!("images for `{}`: {}", spec.name, steps(p))));
    }
    lines
}

/// Preprocessing of a pixel, 0 to 255, as a formula.
fn steps(p: &Preprocess) -> String {
    let list = |values: &[picc_ir::op::F32]| {
        let texts: Vec<String> = values.iter().map(|v| f32::from(*v).to_string()).collect();
        // One value for all channels is written once.
        match &texts[..] {
            [one, rest @ ..] if rest.iter().all(|t| t == one) => one.clone(),
            _ => format!("[{}]", texts.join(", ")),
        }
    };
    let order = if p.bgr { ", channels blue, green, red" } else { "" };
    let layout = match p.layout {
        Layout::Nchw => "channels first",
        Layout::Nhwc => "channels last",
    };
    format!("(pixel / {} - {}) / {}, {layout}{order}", f32::from(p.divisor), list(&p.mean), list(&p.std))
}

fn outputs(program: &Program, known: &Known) -> Vec<String> {
    let mut lines = Vec::new();
    for ((name, id), ulps) in program.graph.outputs.iter().zip(&program.error_ulps) {
        let likely = known.likely_ulps.iter().find(|(n, u)| n == name && *u > 0.0);
        let likely =
            likely.map(|(_, u)| format!(" (at most {u:.0} in all but one run in 10^8)")).unwrap_or_default();
        let bound = match ulps {
            0 => "bit-exact".to_owned(),
            1 => format!("within 1 ulp of the reference{likely}"),
            ulps => format!("within {ulps} ulps of the reference{likely}"),
        };
        lines.push(format!("output `{name}` {:?}, {bound}", &program.graph.ty(*id).shape[..]));
    }
    if !program.labels.is_empty() {
        let shown: Vec<&str> = program.labels.iter().take(CLASSES).map(String::as_str).collect();
        let more = program.labels.len().saturating_sub(CLASSES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(format!("{} classes: {}{more}", program.labels.len(), shown.join(", ")));
    }
    lines
}

fn learns(program: &Program) -> Vec<String> {
    let owners = who_learns(&program.graph);
    let values = owners.iter().map(|(party, what)| format!("the {party} learns {what}"));
    let shown = picc_passes::learns(&program.graph);
    values
        .chain(shown.unwrap_or_else(|e| vec![format!("what the client's part shows is not known: {e}")]))
        .collect()
}

fn calibration(known: &Known, accuracy: Option<&Accuracy>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(c) = known.calibration {
        let inputs = match c.samples {
            0 => "without calibration inputs".to_owned(),
            1 => "1 calibration input".to_owned(),
            n => format!("{n} calibration inputs"),
        };
        let sources =
            [(c.proven, "proven"), (c.calibrated, "measured on them with a margin"), (c.assumed, "assumed")];
        let sources = sources.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        lines.push(format!("{inputs}; ranges of the model's values: {}", sources.collect::<Vec<_>>().join(", ")));
    }
    if let Some(a) = accuracy {
        lines.push(format!(
            "accuracy budget of {} points: {} held-out samples, at most {} points lost at {} % confidence",
            decimal(a.budget_points, 2),
            a.held_out.samples,
            decimal(a.held_out.bound_points, 2),
            a.confidence
        ));
    }
    lines
}

/// With as many decimals as tell values of one program apart.
fn number(value: f64) -> String {
    let text = decimal(value, 4);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_zero_has_no_sign() {
        for (value, text) in [(0.0, "0"), (-0.000_001, "0"), (255.0, "255"), (-2.125, "-2.125"), (100.0, "100")] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn preprocessing_is_a_formula() {
        let values = |v: &[f32]| v.iter().copied().map(Into::into).collect();
        let mut p = Preprocess {
            divisor: 255.0.into(),
            mean: values(&[0.5, 0.5, 0.5]),
            std: values(&[0.25, 0.5, 1.0]),
            layout: Layout::Nhwc,
            bgr: false,
        };
        assert_eq!(steps(&p), "(pixel / 255 - 0.5) / [0.25, 0.5, 1], channels last");
        (p.bgr, p.layout) = (true, Layout::Nchw);
        assert!(steps(&p).ends_with("channels first, channels blue, green, red"), "{}", steps(&p));
    }
}

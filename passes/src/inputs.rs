//! What options and calibration say of a model's inputs.

use crate::compile::Options;
use picc_ir::Graph;
use picc_ir::op::{F32, Op};
use picc_ir::ops::Input;
use picc_ir::program::{InputSpec, Preprocess};
use std::collections::BTreeMap;

/// Largest input if nothing at all is known about it.
const FALLBACK_INPUT: f32 = 256.0;

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

/// Fraction bits of inputs that are integers.
pub(crate) fn input_frac(graph: &Graph, options: &Options) -> BTreeMap<String, u8> {
    let first = inputs(graph).next().filter(|_| options.preprocess.as_ref().is_some_and(is_integral));
    first.map(|input| (input.name.clone(), 0)).into_iter().collect()
}

/// What preprocessing proves, else what calibration shows with its margin, else a guess.
pub(crate) fn input_ranges(
    graph: &Graph,
    options: &Options,
    observed: Option<&BTreeMap<String, (f32, f32)>>,
    warnings: &mut Vec<String>,
) -> BTreeMap<String, (f32, f32)> {
    let mut ranges = BTreeMap::new();
    for (i, input) in inputs(graph).enumerate() {
        let seen = observed.and_then(|o| o.get(&input.name)).map(|&(lo, hi)| {
            let most = options.margin() * lo.abs().max(hi.abs());
            (-most, most)
        });
        let preprocessed = options.preprocess.as_ref().filter(|_| i == 0).map(Preprocess::range);
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

/// What the program says of its inputs.
pub(crate) fn input_specs(graph: &Graph, options: &Options) -> Vec<InputSpec> {
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

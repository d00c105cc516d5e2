//! What of the public program depends on the secret weights: one architecture, variants of its weights, the same
//! calibration inputs. The list in SECURITY.md, *What each party learns*, is this test's.

mod builder;

use builder::Builder;
use onnx_protobuf::tensor_proto::DataType;
use picc_compiler::onnx::{ExternalData, Options as Import, import};
use picc_ir::cost::profile::Profile;
use picc_ir::program::Program;
use picc_ir::{Graph, Id, Op, Tensor};
use picc_passes::{Options, compile};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a training run would set.
#[derive(Clone)]
struct Weights {
    conv: Vec<f32>,
    conv_bias: Vec<f32>,
    /// Scale, shift, mean and variance of the batch norm.
    norm: [Vec<f32>; 4],
    /// Upper bound of a `Clip`, an initializer.
    bound: f32,
    /// A one-element factor, an initializer.
    gain: f32,
    /// Scale of the quantized activations.
    scale: f32,
    dense: Vec<f32>,
    dense_bias: Vec<f32>,
}

const CHANNELS: usize = 2;
const PIXELS: usize = 16;
const CLASSES: usize = 3;

fn numbers(seed: u32, n: usize, scale: f32) -> Vec<f32> {
    let number =
        |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 16) as f32 / 65536.0 * 2.0 - 1.0;
    (0..n as u32).map(|i| number(i + seed) * scale).collect()
}

fn trained() -> Weights {
    Weights {
        conv: numbers(1, CHANNELS * 9, 0.6),
        conv_bias: vec![0.11, -0.2],
        norm: [vec![1.1, 0.9], vec![0.05, -0.1], vec![0.1, 0.2], vec![0.8, 1.3]],
        bound: 6.0,
        gain: 0.75,
        scale: 0.03,
        dense: numbers(2, CHANNELS * PIXELS * CLASSES, 0.4),
        dense_bias: vec![0.3, -0.1, 0.02],
    }
}

/// Compiled for a LAN, with these families of rewrites.
fn program(w: &Weights, families: Option<&[&str]>) -> Program {
    let channel = [CHANNELS as i64];
    let [scale, shift, mean, variance] = &w.norm;
    let model = Builder::new(13)
        .input("x", &[1, 1, 4, 4])
        .weight("conv.w", &[CHANNELS as i64, 1, 3, 3], &w.conv)
        .weight("conv.b", &channel, &w.conv_bias)
        .weight("norm.scale", &channel, scale)
        .weight("norm.shift", &channel, shift)
        .weight("norm.mean", &channel, mean)
        .weight("norm.var", &channel, variance)
        .weight("zero", &[], &[0.0])
        .weight("bound", &[], &[w.bound])
        .weight("gain", &[1], &[w.gain])
        .weight("q.scale", &[], &[w.scale])
        .bytes_tensor("q.zero", DataType::UINT8, &[0])
        .weight("dense.w", &[(CHANNELS * PIXELS) as i64, CLASSES as i64], &w.dense)
        .weight("dense.b", &[CLASSES as i64], &w.dense_bias)
        .node("Conv", &["x", "conv.w", "conv.b"], &["c"])
        .ints("pads", &[1, 1, 1, 1])
        .node("BatchNormalization", &["c", "norm.scale", "norm.shift", "norm.mean", "norm.var"], &["n"])
        .node("Clip", &["n", "zero", "bound"], &["r"])
        .node("QuantizeLinear", &["r", "q.scale", "q.zero"], &["q"])
        .node("DequantizeLinear", &["q", "q.scale", "q.zero"], &["d"])
        .node("Add", &["d", "gain"], &["m"])
        .node("Flatten", &["m"], &["f"])
        .node("Gemm", &["f", "dense.w", "dense.b"], &["y"])
        .output("y");
    let imported = import(&model.bytes(), &ExternalData::default(), &Import::default()).unwrap();
    let calibration: Vec<_> = (0..4)
        .map(|i| BTreeMap::from([("x".to_owned(), Tensor::new(&[1, 1, 4, 4], numbers(10 + i, 16, 1.0)))]))
        .collect();
    let families = families.map(|f| f.iter().map(|&name| name.to_owned()).collect());
    let options = Options { profile: Profile::named("lan"), families, ..Options::plain() };
    compile(&imported.graph, &imported.weights, &options, &calibration).unwrap().program
}

/// What of a program may depend on weights, by the names of SECURITY.md, and last all the rest.
fn fields(p: &Program) -> BTreeMap<&'static str, Vec<String>> {
    let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut add = |kind, value: String| fields.entry(kind).or_default().push(value);
    for node in &p.graph.nodes {
        let mut attributes = node.op.attributes();
        let fixed = node.ty.as_fixed();
        if let Some(f) = fixed {
            add("rings", f.ring_bits.to_string());
            add("fraction bits", f.frac_bits.to_string());
        }
        let range = format!("{:?}", fixed.map(|f| (f.lo, f.hi)));
        match &node.op {
            Op::Weight(weight) => add("largest values", format!("{} {range}", weight.name)),
            Op::Assume(_) => add("assumed ranges", range),
            Op::Const(_) => add("constants", attributes["value"].to_string()),
            _ => {}
        }
        if let Some(map) = attributes.as_object_mut() {
            if let Some(bits) = map.remove("weight_bits") {
                add("weight_bits", bits.to_string());
            }
            // Those of the fields above that are attributes too.
            for known in ["ring_bits", "lo", "hi", "value", "ty", "shift", "bits"] {
                map.remove(known);
            }
        }
        add("operators", format!("{} {attributes} {:?} {}", node.op.name(), node.args, node.name));
    }
    add("error bound", format!("{:?}", p.error_ulps));
    add("notes", format!("{:?}", p.notes));
    let rest = Program {
        graph: Graph {
            nodes: Vec::new(),
            outputs: p.graph.outputs.iter().map(|(name, _)| (name.clone(), Id(0))).collect(),
        },
        segments: Vec::new(),
        error_ulps: Vec::new(),
        notes: Vec::new(),
        ..p.clone()
    };
    add("rest", format!("{rest:?}"));
    fields
}

/// The kinds of fields in which two programs differ.
fn differences(a: &Program, b: &Program) -> Vec<&'static str> {
    let (x, y) = (fields(a), fields(b));
    let kinds: BTreeSet<&str> = x.keys().chain(y.keys()).copied().collect();
    let found: Vec<&str> = kinds.into_iter().filter(|kind| x.get(kind) != y.get(kind)).collect();
    assert_eq!(found.is_empty(), a.to_bytes() == b.to_bytes(), "every difference is found");
    found
}

/// A name, what is done to the weights, and the fields that it changes.
type Variant = (&'static str, fn(&mut Weights), &'static [&'static str]);

/// Each variant with the fields that it changes, without rewrites.
const VARIANTS: [Variant; 9] = [
    (
        "the channels in another order",
        |w| {
            for of_channel in [&mut w.conv_bias].into_iter().chain(&mut w.norm) {
                of_channel.rotate_left(1);
            }
            w.conv.rotate_left(9);
            w.dense.rotate_left(PIXELS * CLASSES);
        },
        &[],
    ),
    ("another weight", |w| w.dense[5] *= 0.9, &[]),
    ("another one-element weight", |w| w.gain = 0.7, &[]),
    ("weights that lead to other values", |w| w.dense[5..9].reverse(), &["assumed ranges", "rings"]),
    (
        "larger weights",
        |w| w.dense.iter_mut().for_each(|v| *v *= 4.0),
        &["assumed ranges", "fraction bits", "largest values", "rings"],
    ),
    (
        // Which makes one class so much larger than the others that the client divides it by a power of two.
        "a larger bias",
        |w| w.dense_bias[1] = -40.0,
        &["assumed ranges", "constants", "error bound", "fraction bits", "largest values", "operators", "rings"],
    ),
    (
        "another batch norm",
        |w| w.norm[0] = vec![3.9, 0.2],
        &["assumed ranges", "constants", "error bound", "fraction bits", "largest values", "operators", "rings"],
    ),
    (
        "another bound of a clip",
        |w| w.bound = 3.0,
        &["assumed ranges", "constants", "error bound", "fraction bits", "largest values", "operators", "rings"],
    ),
    (
        "another scale of quantized activations",
        |w| w.scale = 0.015,
        &["assumed ranges", "constants", "fraction bits", "operators", "rings"],
    ),
];

#[test]
fn only_listed_fields_depend_on_the_weights() {
    let base = program(&trained(), Some(&["none"]));
    for (what, change, expected) in VARIANTS {
        let mut weights = trained();
        change(&mut weights);
        assert_eq!(differences(&base, &program(&weights, Some(&["none"]))), expected, "{what}");
    }
}

/// What the optimizer does depends on weights through those fields only: where they are the same, so is the program.
#[test]
fn the_optimizer_sees_no_other_fields() {
    let base = program(&trained(), None);
    for (what, change, _) in VARIANTS.iter().filter(|(_, _, fields)| fields.is_empty()) {
        let mut weights = trained();
        change(&mut weights);
        assert!(program(&weights, None).to_bytes() == base.to_bytes(), "{what}");
    }
}

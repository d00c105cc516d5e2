//! Models whose channels, features, rows or heads are of unlike units: right by default options.
//!
//! `data/numerics` holds each model with inputs and what onnxruntime 1.31 computes of them, sample by sample along the
//! first axis. Right is: every column of the output (its second axis) within a hundredth of that column's largest
//! value, and every answer the same.

use picc_compiler::onnx::{Imported, Options, import_file};
use picc_compiler::runs::private_runs;
use picc_ir::Tensor;
use picc_ir::eval::quantize_to;
use picc_ir::npy::NpyArray;
use picc_ir::op::Op;
use picc_passes::accuracy::{Inputs, Sample};
use std::path::{Path, PathBuf};

fn data(name: &str, ending: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/numerics").join(format!("{name}.{ending}"))
}

/// The samples of an array.
fn samples(name: &str, ending: &str) -> Vec<Tensor<f32>> {
    let all = NpyArray::parse(&std::fs::read(data(name, ending)).unwrap()).unwrap().to_f32();
    let each = all.data.len() / all.shape[0];
    all.data.chunks(each).map(|v| Tensor::new(&all.shape[1..], v.to_vec())).collect()
}

fn answer(t: &Tensor<f32>) -> usize {
    (0..t.data.len()).fold(0, |best, i| if t.data[i] > t.data[best] { i } else { best })
}

/// Outputs of private runs of all samples, of the program that `picc` compiles with the first ones.
fn outputs(name: &str, calibration: usize) -> Vec<Tensor<f32>> {
    let Imported { graph, weights, .. } = import_file(&data(name, "onnx"), &Options::default()).unwrap();
    let input = graph.nodes.iter().find_map(|n| if let Op::Input(i) = &n.op { Some(i.name.clone()) } else { None });
    let input = input.unwrap();
    let xs = samples(name, "x.npy");
    let seen: Vec<Sample> =
        xs.iter().take(calibration).map(|x| Sample::from([(input.clone(), x.clone())])).collect();
    let compiled = picc_passes::compile(&graph, &weights, &picc_passes::Options::default(), &seen).unwrap();
    let mpc = &compiled.program.graph;
    let node = mpc.nodes.iter().find(|n| matches!(n.op, Op::Input(_))).unwrap();
    let format = node.ty.as_fixed().unwrap();
    let inputs: Vec<Inputs> = xs.iter().map(|x| Inputs::from([(input.clone(), quantize_to(x, format))])).collect();
    let runs: Vec<(&Inputs, u64)> = inputs.iter().zip(1..).collect();
    let runs = private_runs(mpc, &compiled.weights, &runs).unwrap();
    runs.into_iter().map(|run| run.outputs.into_iter().next().unwrap()).collect()
}

fn right(name: &str) {
    let want = samples(name, "y.npy");
    let got = outputs(name, usize::MAX);
    let shape = &want[0].shape;
    let (columns, inner) = (shape[1], shape[2..].iter().product::<usize>());
    let column = |i: usize| i / inner % columns;
    let mut largest = vec![0.0f32; columns];
    let mut worst = vec![0.0f32; columns];
    for (want, got) in want.iter().zip(&got) {
        for (i, (w, g)) in want.data.iter().zip(&got.data).enumerate() {
            largest[column(i)] = largest[column(i)].max(w.abs());
            worst[column(i)] = worst[column(i)].max((w - g).abs());
        }
    }
    for c in 0..columns {
        assert!(worst[c] <= 0.01 * largest[c], "{name}, column {c}: {} of {}", worst[c], largest[c]);
    }
    let differ = want.iter().zip(&got).filter(|(w, g)| answer(w) != answer(g)).count();
    assert_eq!(differ, 0, "{name}: answers of {}", want.len());
}

macro_rules! right {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            right(stringify!($name));
        }
    )*};
}

right! {
    bn_first_multispectral
    depthwise_spread
    scale_then_relu
    tabular_scales
    tiny_inputs_audio
    tiny_outputs
    tiny_then_big
    two_heads
    unequal_channels_2_12
}

/// A table of twelve features, from a thousandth to a thousand, with its scaler in the model: the classes of all 1,000
/// rows, of which 200 calibrate.
#[test]
fn scaler_inside() {
    let want = samples("scaler_inside", "y.npy");
    let got = outputs("scaler_inside", 200);
    let differ = want.iter().zip(&got).filter(|(w, g)| answer(w) != answer(g)).count();
    assert_eq!((differ, want.len()), (0, 1000));
}

//! The fast runner on trained models: bit for bit what the interpreter says, in both dialects.

use picc_ir::eval::{quantize_to, run_ring};
use picc_ir::testing::unit;
use picc_ir::{Graph, Op, Tensor};
use picc_kernels::fast::{Inputs, Runner};
use picc_passes::{Compiled, Options, compile};
use picc_tests::example;
use std::path::PathBuf;

/// `PICC_SHARED`, or the folder beside the repository.
fn shared_models() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| example::root().join("../shared")).join("models/models");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no models in {}", folder.display());
    None
}

fn agrees(name: &str, graph: &Graph, compiled: &Compiled, inputs: &[Inputs]) {
    let interpret =
        |i| run_ring(graph, i, &compiled.weights, &mut |_, _| ()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let expected: Vec<_> = inputs.iter().map(interpret).collect();
    let runner = Runner::new(graph, &compiled.weights).unwrap_or_else(|e| panic!("{name}: {e}"));
    let found = runner.run_many(inputs).expect("runs").into_iter().map(|run| run.outputs);
    assert!(found.eq(expected.iter().cloned()), "{name}, together");
    assert!(runner.run(&inputs[0]).expect("runs") == expected[0], "{name}, alone");
}

/// Inputs of `scale` times the calibrated range: with more than 1, claims about ranges break.
fn model(name: &str, (lo, hi): (f32, f32), options: Options, scale: f32) {
    let Some(folder) = shared_models() else { return };
    let path = folder.join(format!("{name}.onnx"));
    let imported =
        picc_compiler::onnx::import_file(&path, &Default::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut state = name.len() as u64;
    let mut sample = |scale: f32| -> std::collections::BTreeMap<String, Tensor<f32>> {
        let mut tensor =
            |shape: &[usize]| Tensor::full(shape, 0u8).map(|_| (lo + (hi - lo) * unit(&mut state)) * scale);
        imported.inputs.iter().map(|i| (i.name.clone(), tensor(&i.shape))).collect()
    };
    let calibration: Vec<_> = (0..3).map(|_| sample(1.0)).collect();
    let options = Options { model: name.to_owned(), ..options };
    let compiled = compile(&imported.graph, &imported.weights, &options, &calibration)
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    for graph in [&compiled.program.graph, &compiled.ring_graph] {
        let quantized = |sample: &std::collections::BTreeMap<String, Tensor<f32>>| -> Inputs {
            let mut inputs = Inputs::new();
            for node in &graph.nodes {
                if let (Op::Input(i), Some(f)) = (&node.op, node.ty.as_fixed()) {
                    inputs.insert(i.name.clone(), quantize_to(&sample[&i.name], f));
                }
            }
            inputs
        };
        let inputs: Vec<Inputs> = [scale, scale, 1.0].map(|s| quantized(&sample(s))).to_vec();
        agrees(name, graph, &compiled, &inputs);
    }
}

const SMALL: [(&str, (f32, f32)); 12] = [
    ("mnist_cntk", (0.0, 255.0)),
    ("mnist_convnet_maxpool", (0.0, 1.0)),
    ("mnist_fc_256x2", (0.0, 1.0)),
    ("mnist_heir_lenet5", (-0.424, 2.821)),
    ("mnist_tfe_b_cnn", (-0.424, 2.821)),
    ("cifar10_resnet8_mlctiny", (0.0, 255.0)),
    ("cifar10_resnet20", (-2.0, 2.5)),
    ("cifar10_minionn_relu6", (0.0, 1.0)),
    ("cifar10_vggsmall_base", (-2.0, 2.0)),
    ("cifar10_resnet_4b", (-2.0, 2.0)),
    ("fer_mini_xception", (-1.0, 1.0)),
    ("pneumonia_vggsmall", (-1.0, 1.0)),
];

#[test]
fn trained_models_agree() {
    for (name, range) in SMALL {
        model(name, range, Options::plain(), 1.0);
    }
}

#[test]
fn broken_claims_change_nothing() {
    for (name, range) in [SMALL[3], SMALL[5], SMALL[6]] {
        model(name, range, Options::plain(), 8.0);
        model(name, range, Options { ring: Some(37), frac: Some(12), exact: true, ..Options::plain() }, 8.0);
    }
}

//! Graph to ONNX and back: what is written means what was there, for ONNX's node tests, small models and real ones.

mod builder;

use builder::Builder;
use onnx_protobuf::{Message, ModelProto};
use picc_compiler::onnx::export::{ExportError, export};
use picc_compiler::onnx::{ExternalData, Imported, InputShape, Options, import, import_file};
use picc_ir::eval::run_real;
use picc_ir::ops::{Add, Conv, Input, Neg, Relu, Weight, ZeroInsert};
use picc_ir::testing::unit;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Owner, Tensor, Ty};
use picc_passes::canonicalize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::PathBuf;

type Inputs = BTreeMap<String, Tensor<f32>>;

/// The same values in every run.
fn values(seed: &mut u64, shape: &[usize]) -> Tensor<f32> {
    Tensor::new(shape, (0..shape.iter().product()).map(|_| 2.0 * unit(seed) - 1.0).collect())
}

fn reimported(bytes: &[u8]) -> Imported {
    import(bytes, &ExternalData::default(), &Options::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn outputs(graph: &Graph, weights: &RealWeights, inputs: &Inputs) -> Vec<(String, Tensor<f32>)> {
    run_real(graph, inputs, weights, &mut |_, _| {}).unwrap()
}

/// Largest difference of the outputs after a round trip, relative to the largest value of each.
fn round_trip(graph: &Graph, weights: &RealWeights, inputs: &Inputs) -> f32 {
    let bytes = export(graph, weights, "round trip").unwrap_or_else(|e| panic!("{e}\n{graph}"));
    let again = reimported(&bytes);
    let names = |g: &Graph| -> Vec<String> { g.outputs.iter().map(|(n, _)| n.clone()).collect() };
    assert_eq!(names(&again.graph), names(graph));
    let (before, after) = (outputs(graph, weights, inputs), outputs(&again.graph, &again.weights, inputs));
    let mut worst = 0f32;
    for ((name, a), (_, b)) in before.iter().zip(&after) {
        assert_eq!(a.shape, b.shape, "{name}");
        let most = a.data.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
        let far =
            |(x, y): (&f32, &f32)| if x == y || (x.is_nan() && y.is_nan()) { 0.0 } else { (x - y).abs() / most };
        let difference = a
            .data
            .iter()
            .zip(&b.data)
            .map(far)
            .fold(0f32, |m, d| if d.is_nan() { f32::INFINITY } else { m.max(d) });
        worst = worst.max(difference);
    }
    worst
}

#[test]
fn onnx_node_tests_survive_a_round_trip() {
    let bytes = include_bytes!("data/onnx_node_tests.zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes[..])).unwrap();
    let (mut seed, mut tried) = (1, 0);
    let mut operators = BTreeSet::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        let name = file.name().unwrap().into_owned();
        let Some(case) = name.strip_suffix("/model.onnx") else { continue };
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let model = ModelProto::parse_from_bytes(&content).unwrap();
        let opset = model.opset_import.iter().map(|o| o.version).max().unwrap_or(0);
        // Inputs that the model leaves open or that must be constants make a case that is no model by itself.
        let Ok(imported) = import(&content, &ExternalData::default(), &Options::default()) else { continue };
        let inputs: Inputs =
            imported.inputs.iter().map(|i| (i.name.clone(), values(&mut seed, &i.shape))).collect();
        let difference = round_trip(&imported.graph, &imported.weights, &inputs);
        assert!(difference <= 1e-5, "{case} (opset {opset}): {difference}\n{}", imported.graph);
        operators.extend(imported.graph.nodes.iter().map(|n| n.op.name()));
        tried += 1;
    }
    println!("{tried} cases with {operators:?}");
    assert!(tried > 150, "{tried}");
}

/// Where one layer of every kind that the rewrites make stands beside those that need several ONNX nodes.
#[test]
fn every_operator_of_a_network_survives() {
    let mut seed = 7;
    let data = |seed: &mut u64, n: usize| values(seed, &[n]).data;
    let model = Builder::new(17)
        .input("x", &[1, 4, 9, 9])
        .weight("w", &[6, 2, 3, 3], &data(&mut seed, 108))
        .weight("b", &[6], &data(&mut seed, 6))
        .weight("t", &[6, 3, 2, 2], &data(&mut seed, 72))
        .weight("g", &[48, 5], &data(&mut seed, 240))
        .weight("c", &[5], &data(&mut seed, 5))
        .node("Conv", &["x", "w", "b"], &["conv"])
        .int("group", 2)
        .ints("strides", &[2, 2])
        .ints("pads", &[1, 0, 1, 2])
        .node("ConvTranspose", &["conv", "t"], &["transposed"])
        .ints("strides", &[2, 2])
        .node("Clip", &["transposed"], &["clipped"])
        .node("MaxPool", &["clipped"], &["max"])
        .ints("kernel_shape", &[3, 3])
        .ints("strides", &[2, 2])
        .ints("pads", &[1, 1, 1, 1])
        .node("AveragePool", &["max"], &["average"])
        .ints("kernel_shape", &[2, 2])
        .ints("pads", &[1, 0, 0, 1])
        .node("LRN", &["average"], &["normal"])
        .int("size", 3)
        .node("GlobalAveragePool", &["normal"], &["global"])
        .node("Concat", &["global", "global"], &["twice"])
        .int("axis", 1)
        .node("Flatten", &["twice"], &["flat"])
        .integers("eight", &[1, 8])
        .node("Tile", &["flat", "eight"], &["tiled"])
        .node("Gemm", &["tiled", "g", "c"], &["gemm"])
        .node("LogSoftmax", &["gemm"], &["log"])
        .node("ArgMax", &["gemm"], &["best"])
        .int("axis", 1)
        .output("log")
        .output("best");
    let imported = reimported(&model.bytes());
    for seed in 0..4 {
        let inputs = Inputs::from([("x".to_owned(), values(&mut (seed + 100), &[1, 4, 9, 9]))]);
        let difference = round_trip(&imported.graph, &imported.weights, &inputs);
        assert!(difference <= 1e-5, "{difference}\n{}", imported.graph);
    }
}

#[test]
fn biases_are_inputs_of_their_layer_and_names_stay() {
    let model = Builder::new(13)
        .input("x", &[1, 2, 4, 4])
        .weight("conv.weight", &[3, 2, 1, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        .weight("conv.bias", &[3], &[0.5, 1.5, 2.5])
        .node("Conv", &["x", "conv.weight", "conv.bias"], &["features"])
        .node("Relu", &["features"], &["y"])
        .output("y");
    let imported = reimported(&model.bytes());
    let bytes = export(&imported.graph, &imported.weights, "m").unwrap();
    let written = ModelProto::parse_from_bytes(&bytes).unwrap();
    let graph = written.graph.as_ref().unwrap();
    let operators: Vec<&str> = graph.node.iter().map(|n| n.op_type.as_str()).collect();
    assert_eq!(operators, ["Conv", "Relu"]);
    assert_eq!(graph.node[0].input, ["x", "conv.weight", "conv.bias"]);
    assert_eq!(graph.node[0].name, "features");
    assert_eq!(graph.initializer.iter().map(|t| t.dims.clone()).collect::<Vec<_>>(), [vec![3, 2, 1, 1], vec![3]]);
    // What was public stays so: the only literals of this model are none.
    assert_eq!(reimported(&bytes).graph.nodes.len(), imported.graph.nodes.len());
}

#[test]
fn shared_values_are_not_written_twice_nor_taken_for_biases() {
    let real = |shape: &[usize], owner| Ty::real(shape, owner);
    let mut g = Graph::default();
    let x = g.add(Input { name: "x".to_owned(), ty: real(&[1, 2, 3, 3], Owner::Client) }, &[], "x").unwrap();
    let weight = |g: &mut Graph, name: &str, shape: &[usize]| {
        g.add(Weight { name: name.to_owned(), ty: real(shape, Owner::Server) }, &[], name).unwrap()
    };
    let w = weight(&mut g, "w", &[2, 2, 1, 1]);
    let b = weight(&mut g, "b", &[2, 1, 1]);
    let conv = Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups: 1 };
    let y = g.add(conv.clone(), &[x, w], "conv").unwrap();
    let z = g.add(Add {}, &[y, b], "sum").unwrap();
    // The convolution is read twice, the bias is added to something else too, names repeat, an input is an output.
    let n = g.add(Neg {}, &[y], "conv").unwrap();
    let m = g.add(Add {}, &[n, b], "conv").unwrap();
    let r = g.add(Relu {}, &[m], "sum").unwrap();
    let s = g.add(ZeroInsert { factor: vec![1, 1, 2, 3] }, &[r], "spread").unwrap();
    g.outputs = [("z", z), ("s", s), ("again", s), ("copy", x)].map(|(n, id)| (n.to_owned(), id)).into();
    let mut seed = 3;
    let weights: RealWeights =
        [("w", vec![2, 2, 1, 1]), ("b", vec![2, 1, 1])].map(|(n, s)| (n.to_owned(), values(&mut seed, &s))).into();
    let inputs = Inputs::from([("x".to_owned(), values(&mut seed, &[1, 2, 3, 3]))]);
    assert_eq!(round_trip(&g, &weights, &inputs), 0.0);
}

#[test]
fn what_cannot_be_written_says_why() {
    let mut g = Graph::default();
    let ty = Ty::real(&[1 << 30], Owner::Server);
    let w = g.add(Weight { name: "huge".to_owned(), ty }, &[], "huge");
    if let Ok(w) = w {
        g.outputs.push(("y".to_owned(), w));
        let error = export(&g, &RealWeights::new(), "m").unwrap_err();
        assert!(matches!(error, ExportError::TooLarge { found: 4_294_967_296, .. }), "{error}");
        assert!(error.to_string().contains("use a smaller model"));
    }
    let mut g = Graph::default();
    let w = g.add(Weight { name: "w".to_owned(), ty: Ty::real(&[2], Owner::Server) }, &[], "w").unwrap();
    g.outputs.push(("y".to_owned(), w));
    let error = export(&g, &RealWeights::new(), "m").unwrap_err();
    assert!(error.to_string().contains("weight `w` has no values"), "{error}");
}

/// `PICC_MODELS`, or the folder beside the checkout.
fn models() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_MODELS").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let folder = given.unwrap_or(beside);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no models at {}", folder.display());
    None
}

#[test]
fn real_models_survive_a_round_trip_as_imported_and_canonical() {
    let Some(folder) = models() else { return };
    // With PICC_EXPORTED the files are kept, to compare them with onnxruntime.
    let kept = std::env::var_os("PICC_EXPORTED").map(PathBuf::from);
    let mut seed = 5;
    for model in [
        "cifar10_marabou_large",
        "cifar10_minionn_relu6",
        "cifar10_resnet20",
        "cifar10_resnet8_mlctiny",
        "cifar10_resnet_4b",
        "cifar10_vggsmall_base",
        "cifar10_vit_pgd_2_3_16",
        "face_rfb320",
        "fer_mini_xception",
        "imagenet_mobilenetv1_0.25_128",
        "mnist_cntk",
        "mnist_convnet_maxpool",
        "mnist_fc_256x2",
        "mnist_heir_lenet5",
        "mnist_tfe_b_cnn",
        "pneumonia_vggsmall",
    ] {
        let path = folder.join(format!("models/{model}.onnx"));
        let imported = import_file(&path, &Options::default()).unwrap_or_else(|e| panic!("{model}: {e}"));
        let inputs: Inputs =
            imported.inputs.iter().map(|i| (i.name.clone(), values(&mut seed, &i.shape))).collect();
        let direct = round_trip(&imported.graph, &imported.weights, &inputs);
        let (graph, weights) = canonicalize(imported.graph, imported.weights).unwrap();
        let canonical = round_trip(&graph, &weights, &inputs);
        println!("{model:32} difference {direct:.1e}, canonical {canonical:.1e}");
        assert!(direct.max(canonical) <= 2e-5, "{model}");
        if let Some(kept) = &kept {
            let file = kept.join(format!("{model}.exported.onnx"));
            std::fs::write(file, export(&graph, &weights, model).unwrap()).unwrap();
        }
    }
}

#[test]
fn a_given_shape_becomes_the_models_own() {
    let model = Builder::new(17).free_input("x", &[None, Some(3)]).node("Relu", &["x"], &["y"]).output("y");
    let options =
        Options { input_shapes: vec![InputShape { name: None, shape: vec![4, 3] }], ..Options::default() };
    let imported = import(&model.bytes(), &ExternalData::default(), &options).unwrap();
    let bytes = export(&imported.graph, &imported.weights, "m").unwrap();
    assert_eq!(reimported(&bytes).inputs[0].shape[..], [4, 3]);
}

//! What the importer makes of small models, built here: forms of operators that differ between opsets, who owns
//! what, and what is reported about models that cannot be imported.

mod builder;

use builder::Builder;
use onnx_protobuf::tensor_proto::DataType;
use picc_compiler::onnx::{Cause, ExternalData, ImportError, Imported, InputShape, Options, import, import_file};
use picc_ir::eval::run_real;
use picc_ir::{Op, Owner, Tensor};
use std::collections::BTreeMap;

fn imported(model: &Builder) -> Imported {
    import(&model.bytes(), &ExternalData::default(), &Options::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn errors(model: &Builder) -> Vec<ImportError> {
    import(&model.bytes(), &ExternalData::default(), &Options::default()).unwrap_err().0
}

/// Imports and evaluates a model of one input; the first output.
fn outcome(model: &Builder, shape: &[usize], x: &[f32]) -> Tensor<f32> {
    let imported = imported(model);
    let inputs = BTreeMap::from([(imported.inputs[0].name.clone(), Tensor::new(shape, x.to_vec()))]);
    let outputs = run_real(&imported.graph, &inputs, &imported.weights, &mut |_, _| {}).unwrap();
    outputs.into_iter().next().unwrap().1
}

/// Owners of everything that is neither input nor computed.
fn sources(imported: &Imported) -> Vec<(Owner, Vec<usize>)> {
    let source = |op: &Op| matches!(op, Op::Weight(_) | Op::Const(_));
    let nodes = imported.graph.nodes.iter().filter(|n| source(&n.op));
    nodes.map(|n| (n.ty.owner, n.ty.shape.to_vec())).collect()
}

#[test]
fn clip_bounds_are_attributes_before_opset_11_and_inputs_after() {
    let x = [-2.0, 0.5, 7.0];
    let old = Builder::new(6 + 1).input("x", &[3]).node("Clip", &["x"], &["y"]);
    let old = old.float("min", -1.0).float("max", 6.0).output("y");
    assert_eq!(outcome(&old, &[3], &x).data, [-1.0, 0.5, 6.0]);
    let new = Builder::new(13).input("x", &[3]).weight("hi", &[], &[6.0]);
    let new = new.node("Clip", &["x", "", "hi"], &["y"]).output("y");
    assert_eq!(outcome(&new, &[3], &x).data, [-2.0, 0.5, 6.0]);
    // Bounds are public even though they are tensors of the file, and that is said.
    let imported = imported(&new);
    assert!(sources(&imported).iter().all(|(owner, _)| *owner == Owner::Public));
    assert!(imported.notes[0].contains("bound 6"), "{:?}", imported.notes);
}

#[test]
fn slices_squeezes_pads_and_sums_take_attributes_or_inputs() {
    let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    let old = Builder::new(9).input("x", &[1, 2, 3]).node("Slice", &["x"], &["s"]);
    let old = old.ints("starts", &[-1]).ints("ends", &[i64::MAX]).ints("axes", &[2]);
    let old = old.node("Squeeze", &["s"], &["q"]).ints("axes", &[0]);
    let old = old.node("Unsqueeze", &["q"], &["u"]).ints("axes", &[1]);
    let old = old.node("Pad", &["u"], &["p"]).ints("pads", &[0, 0, 1, 0, 0, 0]).float("value", 9.0);
    let old = old.node("ReduceSum", &["p"], &["y"]).ints("axes", &[-1]).int("keepdims", 0).output("y");
    let new = Builder::new(18).input("x", &[1, 2, 3]).integers("m1", &[-1]).integers("far", &[i64::MAX]);
    let new = new.integers("two", &[2]).integers("zero", &[0]).integers("one", &[1]).weight("nine", &[], &[9.0]);
    let new = new.integers("pads", &[1, 0]).node("Slice", &["x", "m1", "far", "two"], &["s"]);
    let new = new.node("Squeeze", &["s", "zero"], &["q"]).node("Unsqueeze", &["q", "one"], &["u"]);
    let new = new.node("Pad", &["u", "pads", "nine", "two"], &["p"]);
    let new = new.node("ReduceSum", &["p", "m1"], &["y"]).int("keepdims", 0).output("y");
    for model in [old, new] {
        let y = outcome(&model, &[1, 2, 3], &x);
        assert_eq!((&y.shape[..], &y.data[..]), (&[2, 1][..], &[11.0, 14.0][..]));
    }
}

#[test]
fn softmax_flattens_before_opset_13() {
    let x = [1.0, 2.0, 3.0, 4.0];
    let model = |opset| Builder::new(opset).input("x", &[1, 2, 2]).node("Softmax", &["x"], &["y"]).output("y");
    let sum = |t: &Tensor<f32>| t.data.iter().sum::<f32>();
    assert!((sum(&outcome(&model(11), &[1, 2, 2], &x)) - 1.0).abs() < 1e-6);
    assert!((sum(&outcome(&model(13), &[1, 2, 2], &x)) - 2.0).abs() < 1e-6);
}

#[test]
fn upsample_and_resize_repeat_the_nearest_element() {
    let up7 = Builder::new(7).input("x", &[1, 1, 1, 2]).node("Upsample", &["x"], &["y"]);
    let up7 = up7.floats("scales", &[1.0, 1.0, 2.0, 2.0]).output("y");
    let up9 = Builder::new(9).input("x", &[1, 1, 1, 2]).weight("s", &[4], &[1.0, 1.0, 2.0, 2.0]);
    let up9 = up9.node("Upsample", &["x", "s"], &["y"]).output("y");
    let sized = Builder::new(13).input("x", &[1, 1, 1, 2]).integers("size", &[1, 1, 2, 4]);
    let sized = sized.node("Resize", &["x", "", "", "size"], &["y"]).output("y");
    for model in [up7, up9, sized] {
        let y = outcome(&model, &[1, 1, 1, 2], &[3.0, 5.0]);
        assert_eq!((&y.shape[..], &y.data[..]), (&[1, 1, 2, 4][..], &[3., 3., 5., 5., 3., 3., 5., 5.][..]));
    }
    let linear = Builder::new(13).input("x", &[1, 1, 1, 2]).integers("size", &[1, 1, 2, 4]);
    let linear = linear.node("Resize", &["x", "", "", "size"], &["y"]).string("mode", "linear").output("y");
    assert!(errors(&linear)[0].to_string().contains("`y` (Resize): interpolation mode `linear`"));
}

#[test]
fn a_one_dimensional_convolution_is_a_two_dimensional_one() {
    let model = Builder::new(13).input("x", &[1, 1, 4]).weight("w", &[1, 1, 2], &[1.0, 10.0]);
    let model = model.weight("b", &[1], &[0.5]).node("Conv", &["x", "w", "b"], &["y"]);
    let model = model.ints("pads", &[1, 0]).ints("strides", &[2]).output("y");
    let y = outcome(&model, &[1, 1, 4], &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!((&y.shape[..], &y.data[..]), (&[1, 1, 2][..], &[10.5, 32.5][..]));
}

#[test]
fn batch_norm_is_a_factor_and_a_summand_of_the_server() {
    let model = Builder::new(9).input("x", &[1, 2, 1, 1]).weight("g", &[2], &[2.0, 1.0]);
    let model = model.weight("b", &[2], &[1.0, -1.0]).weight("m", &[2], &[3.0, 0.0]).weight("v", &[2], &[4.0, 1.0]);
    let model = model.node("BatchNormalization", &["x", "g", "b", "m", "v"], &["y"]).float("epsilon", 0.0);
    let model = model.output("y");
    assert_eq!(outcome(&model, &[1, 2, 1, 1], &[5.0, 5.0]).data, [3.0, 4.0]);
    let secret = (Owner::Server, vec![1, 2, 1, 1]);
    assert_eq!(sources(&imported(&model)), [secret.clone(), secret]);
}

#[test]
fn gemm_folds_its_factors_and_orientation_into_the_weights() {
    let model = Builder::new(13).input("x", &[1, 2]).weight("w", &[1, 2], &[3.0, 5.0]).weight("c", &[1], &[1.0]);
    let model = model.node("Gemm", &["x", "w", "c"], &["y"]).float("alpha", 2.0).float("beta", 4.0);
    let model = model.int("transB", 1).output("y");
    assert_eq!(outcome(&model, &[1, 2], &[1.0, 10.0]).data, [110.0]);
    assert_eq!(imported(&model).weights["w"].data, [6.0, 10.0]);
    assert_eq!(imported(&model).weights["c"].data, [4.0]);
}

#[test]
fn trained_tensors_are_secret_and_literals_public() {
    let model = Builder::new(13).input("x", &[1, 2]).weight("s", &[], &[3.0]).constant("k", &[], &[0.5]);
    let model = model.constant("t", &[2], &[1.0, 2.0]).node("Mul", &["x", "s"], &["a"]);
    let model = model.node("Mul", &["a", "k"], &["b"]).node("Add", &["b", "t"], &["y"]).output("y");
    let imported = imported(&model);
    let owners = sources(&imported);
    assert_eq!(owners, [(Owner::Server, vec![]), (Owner::Public, vec![]), (Owner::Server, vec![2])]);
    assert_eq!(imported.weights.keys().collect::<Vec<_>>(), ["s", "t"]);
    assert_eq!(imported.notes, ["public, as part of the program: literal `k` = 0.5"]);

    let options = Options { secret_literals: true, ..Options::default() };
    let strict = import(&model.bytes(), &ExternalData::default(), &options).unwrap();
    assert!(sources(&strict).iter().all(|(owner, _)| *owner == Owner::Server));
    assert!(strict.notes.is_empty());
}

#[test]
fn what_is_computed_from_weights_is_computed_now_and_stays_secret() {
    let model = Builder::new(13).input("x", &[1, 2]).weight("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let model = model.constant("half", &[], &[0.5]).node("Transpose", &["w"], &["t"]);
    let model = model.node("Mul", &["t", "half"], &["h"]).node("MatMul", &["x", "h"], &["y"]).output("y");
    let imported = imported(&model);
    assert_eq!(sources(&imported), [(Owner::Server, vec![2, 2])]);
    assert_eq!(imported.weights["w"].data, [0.5, 1.5, 1.0, 2.0]);
    assert_eq!(imported.graph.nodes.len(), 3);
}

#[test]
fn one_weight_used_twice_is_one_weight() {
    let model = Builder::new(13).input("x", &[2]).weight("w", &[2], &[1.0, 2.0]);
    let model = model.node("Mul", &["x", "w"], &["a"]).node("Add", &["a", "w"], &["y"]).output("y");
    assert_eq!(imported(&model).weights.len(), 1);
    assert_eq!(outcome(&model, &[2], &[3.0, 3.0]).data, [4.0, 8.0]);
}

#[test]
fn initializers_that_are_listed_as_inputs_are_weights() {
    let model = Builder::new(7).input("x", &[2]).input("w", &[2]).weight("w", &[2], &[1.0, 2.0]);
    let imported = imported(&model.node("Add", &["x", "w"], &["y"]).output("y"));
    assert_eq!(imported.inputs.len(), 1);
    assert_eq!(imported.weights.len(), 1);
}

#[test]
fn a_quantized_model_is_read_as_what_it_means() {
    let model =
        Builder::new(13).input("x", &[1, 3]).weight("s", &[], &[0.5]).bytes_tensor("z", DataType::UINT8, &[4]);
    let model = model.bytes_tensor("wq", DataType::INT8, &[2, 0xfe, 4]).weight("ws", &[], &[0.25]);
    let model = model.node("QuantizeLinear", &["x", "s", "z"], &["q"]).node("Reshape", &["q", "shape"], &["r"]);
    let model = model.integers("shape", &[3]).node("DequantizeLinear", &["r", "s", "z"], &["d"]);
    let model = model.node("DequantizeLinear", &["wq", "ws"], &["w"]).node("Mul", &["d", "w"], &["y"]).output("y");
    // Integers 0..=255 with zero point 4 and scale 1/2 stand for -2..=125.5; a quarter is not rounded.
    assert_eq!(outcome(&model, &[1, 3], &[-9.0, 0.25, 200.0]).data, [-1.0, -0.125, 125.5]);
    let imported = imported(&model);
    assert_eq!(imported.weights["wq"].data, [0.5, -0.5, 1.0]);
    assert!(imported.notes.iter().any(|n| n.contains("1 quantized activations")), "{:?}", imported.notes);
}

#[test]
fn a_free_batch_is_one_and_other_free_axes_are_asked_for() {
    let model = Builder::new(13).free_input("x", &[None, Some(2)]).node("Relu", &["x"], &["y"]).output("y");
    assert_eq!(imported(&model).inputs[0].shape[..], [1, 2]);
    let open = Builder::new(13).free_input("x", &[None, None]).node("Relu", &["x"], &["y"]).output("y");
    assert_eq!(errors(&open)[0].to_string(), "input `x`: axis 1 is free");
    assert!(errors(&open)[0].way_out().unwrap().contains("--input-shape"));
    let shaped = |shapes: &[&str]| {
        let input_shapes = shapes.iter().map(|s| s.parse().unwrap()).collect();
        import(&open.bytes(), &ExternalData::default(), &Options { input_shapes, ..Options::default() })
    };
    assert_eq!(shaped(&["8x5"]).unwrap().inputs[0].shape[..], [8, 5]);
    assert_eq!(shaped(&["x:8x5"]).unwrap().graph.nodes[1].ty.shape[..], [8, 5]);
    assert!(shaped(&["y:8x5"]).unwrap_err().to_string().contains("the model's inputs are x"));
}

#[test]
fn shapes_follow_a_batch_through_an_unsimplified_flatten() {
    let model = Builder::new(13).free_input("x", &[None, Some(2), Some(3)]).node("Shape", &["x"], &["s"]);
    let model = model.integers("zero", &[0]).integers("minus", &[-1]).node("Gather", &["s", "zero"], &["n"]);
    let model = model.node("Concat", &["n", "minus"], &["t"]).int("axis", 0);
    let model = model.node("Reshape", &["x", "t"], &["y"]).output("y");
    let input_shapes = vec![InputShape { name: None, shape: vec![4, 2, 3] }];
    let imported =
        import(&model.bytes(), &ExternalData::default(), &Options { input_shapes, ..Options::default() }).unwrap();
    assert_eq!(imported.graph.nodes.last().unwrap().ty.shape[..], [4, 6]);
}

#[test]
fn only_what_the_outputs_need_is_imported() {
    let model = Builder::new(13).input("x", &[2]).node("Frobnicate", &["x"], &["unused"]);
    let model = model.node("Relu", &["x"], &["y"]).output("y");
    assert_eq!(imported(&model).graph.nodes.len(), 2);
}

#[test]
fn every_problem_is_reported_at_once_with_its_way_out() {
    let model = Builder::new(17).input("x", &[1, 4]).weight("w", &[4], &[1.0; 4]);
    let model = model.node("LayerNormalization", &["x", "w"], &["a"]).node("Relu", &["a"], &["b"]);
    let model = model.node("Frobnicate", &["b"], &["c"]).domain("com.example").node("Gelu", &["b"], &["d"]);
    let model = model.node("Add", &["c", "d"], &["e"]).node("Mod", &["d", "d"], &["f"]);
    let model = model.node("TopK", &["e", "f"], &["y"]).output("y");
    let found = errors(&model);
    let operators: Vec<&str> = found
        .iter()
        .map(|e| match e {
            ImportError::Node { operator, .. } => operator.as_str(),
            other => panic!("{other}"),
        })
        .collect();
    // `Mod` is found although its argument could not be computed: the shape was known.
    assert_eq!(operators, ["LayerNormalization", "Frobnicate", "Gelu", "Mod", "TopK"]);
    assert!(found.iter().all(|e| e.way_out().is_some()), "{found:?}");
    assert_eq!(
        found[1].to_string(),
        "node `c` (Frobnicate): the operator `com.example.Frobnicate` is not supported"
    );
}

#[test]
fn opsets_and_retired_operators_are_named() {
    let old = Builder::new(6).input("x", &[2]).node("Relu", &["x"], &["y"]).output("y");
    assert!(matches!(errors(&old)[0], ImportError::Opset { found: 6, .. }));
    let retired = Builder::new(10).input("x", &[1, 1, 2, 2]).node("Upsample", &["x"], &["y"]).output("y");
    let [ImportError::Node { cause, .. }] = &errors(&retired)[..] else { panic!() };
    assert_eq!(*cause, Cause::Opset { since: 7, until: 9, found: 10 });
}

#[test]
fn functions_of_the_model_are_inlined() {
    let model = Builder::new(18).input("x", &[2]).weight("w", &[2], &[10.0, 20.0]);
    let model = model.function("Twice", &["a"], &["b"], &[("Add", &["a", "a"], "b")]);
    let model = model.node("Twice", &["x"], &["t"]).domain("local").node("Mul", &["t", "w"], &["y"]).output("y");
    assert_eq!(outcome(&model, &[2], &[1.0, 2.0]).data, [20.0, 80.0]);
    assert_eq!(imported(&model).graph.nodes[1].name, "t/b");

    let endless = Builder::new(18).input("x", &[2]).function("F", &["a"], &["b"], &[("F", &["a"], "b")]);
    let endless = endless.node("F", &["x"], &["y"]).domain("local").output("y");
    assert!(errors(&endless)[0].to_string().contains("nested too deeply"));
}

#[test]
fn a_known_condition_chooses_its_branch() {
    for (condition, expected) in [(1, [2.0, 0.0]), (0, [0.0, 3.0])] {
        let model = Builder::new(13).input("x", &[2]).integers("c", &[condition]);
        let model = model.node("If", &["c"], &["y"]);
        let model = model.branch("then_branch", "Relu", &["x"]).branch("else_branch", "Neg", &["clipped"]);
        let model = model.before("Clip", &["x", "", "zero"], &["clipped"]).weight("zero", &[], &[0.0]).output("y");
        assert_eq!(outcome(&model, &[2], &[2.0, -3.0]).data, expected);
    }
    let secret = Builder::new(13).input("x", &[1]).node("If", &["x"], &["y"]);
    let secret = secret.branch("then_branch", "Relu", &["x"]).branch("else_branch", "Neg", &["x"]).output("y");
    assert!(errors(&secret)[0].to_string().contains("(condition) is computed from the model's input"));
}

#[test]
fn weights_may_lie_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = Builder::new(13).input("x", &[2]).external("w", &[2], "w.bin", 4);
    let model = model.node("Mul", &["x", "w"], &["y"]).output("y");
    let values: Vec<u8> = [7.0f32, 1.5, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(folder.path().join("w.bin"), values).unwrap();
    std::fs::write(folder.path().join("m.onnx"), model.bytes()).unwrap();
    let imported = import_file(&folder.path().join("m.onnx"), &Options::default()).unwrap();
    assert_eq!(imported.weights["w"].data, [1.5, -2.0]);
    // The same bytes without a folder: nothing outside may be read.
    assert!(errors(&model)[0].to_string().contains("did not come from a file"));
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let model = Builder::new(13).input("x", &[2]).weight("w", &[2], &[1.0, f32::NAN]);
    let model = model.node("Mul", &["x", "w"], &["y"]).output("y");
    assert!(errors(&model)[0].to_string().contains("`w` holds a value that is not finite"));
}

#[test]
fn a_model_that_gives_its_weights_away_is_refused() {
    let model = Builder::new(13).input("x", &[2]).weight("w", &[2], &[1.0, 2.0]);
    let model = model.node("Relu", &["w"], &["y"]).output("y");
    assert!(errors(&model)[0].to_string().contains("does not depend on the model's input"));
}

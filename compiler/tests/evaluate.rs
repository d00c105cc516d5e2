//! Whatever depends on weights and constants alone is computed at import, in the forms in which exporters write it, and
//! stays the server's. The values of all operators are compared in `onnx_nodes.rs`.

mod builder;

use builder::Builder;
use onnx_protobuf::tensor_proto::DataType;
use picc_compiler::onnx::{Cause, ExternalData, ImportError, Imported, Options, import};
use picc_ir::eval::run_real;
use picc_ir::{Op, Owner, Tensor};
use std::collections::BTreeMap;

fn imported(model: &Builder) -> Imported {
    import(&model.bytes(), &ExternalData::default(), &Options::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn cause(model: &Builder) -> Cause {
    match import(&model.bytes(), &ExternalData::default(), &Options::default()).unwrap_err().0.remove(0) {
        ImportError::Node { cause, .. } => cause,
        other => panic!("{other}"),
    }
}

/// The first output for the input `x`.
fn outcome(imported: &Imported, shape: &[usize], x: &[f32]) -> Vec<f32> {
    let inputs = BTreeMap::from([("x".to_owned(), Tensor::new(shape, x.to_vec()))]);
    run_real(&imported.graph, &inputs, &imported.weights, &mut |_, _| {}).unwrap().swap_remove(0).1.data
}

fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} instead of {b:?}");
}

/// Owners of weights and constants.
fn owners(imported: &Imported) -> Vec<Owner> {
    let sources = imported.graph.nodes.iter().filter(|n| matches!(n.op, Op::Weight(_) | Op::Const(_)));
    sources.map(|n| n.ty.owner).collect()
}

/// `g v / |v|`, as torch.nn.utils.weight_norm is exported.
#[test]
fn a_normalised_weight_is_one_weight() {
    let model = Builder::new(20).input("x", &[1, 2]).weight("v", &[2, 2], &[3.0, 4.0, 5.0, 12.0]);
    let model = model.weight("g", &[2, 1], &[10.0, 26.0]).integers("axis", &[1]);
    let model = model.node("ReduceL2", &["v", "axis"], &["n"]).node("Div", &["v", "n"], &["u"]);
    let model = model.node("Mul", &["u", "g"], &["w"]).node("Gemm", &["x", "w"], &["y"]).output("y");
    let imported = imported(&model);
    close(&outcome(&imported, &[1, 2], &[1.0, 0.5]), &[6.0 + 5.0, 8.0 + 12.0]);
    assert_eq!(owners(&imported), [Owner::Server]);
}

#[test]
fn a_layer_norm_of_a_weight_is_one_weight() {
    let model =
        Builder::new(20).input("x", &[1, 1]).weight("w", &[1, 2], &[1.0, 5.0]).weight("s", &[2], &[1.0, 3.0]);
    let model = model.node("LayerNormalization", &["w", "s"], &["v"]).int("axis", -1).float("epsilon", 0.0);
    let model = model.node("MatMul", &["x", "v"], &["y"]).output("y");
    let imported = imported(&model);
    close(&outcome(&imported, &[1, 1], &[2.0]), &[-2.0, 6.0]);
    assert_eq!(owners(&imported), [Owner::Server]);
}

/// Weights of 8 bits that are clipped as integers, as Brevitas and others write narrow ranges.
#[test]
fn clipped_integers_become_weights() {
    let model = Builder::new(20).input("x", &[1, 4]).bytes_tensor("q", DataType::INT8, &[0x80, 0x81, 5, 0x7f]);
    let model = model.bytes_tensor("lo", DataType::INT8, &[0x81]).bytes_tensor("hi", DataType::INT8, &[0x7e]);
    let model = model.weight("s", &[], &[0.5]).node("Clip", &["q", "lo", "hi"], &["c"]);
    let model = model.node("DequantizeLinear", &["c", "s"], &["w"]).node("Mul", &["x", "w"], &["y"]).output("y");
    let imported = imported(&model);
    close(&outcome(&imported, &[1, 4], &[1.0; 4]), &[-63.5, -63.5, 2.5, 63.0]);
    assert_eq!(owners(&imported), [Owner::Server]);
}

/// Each operator applied to a weight: the result is the server's, one weight, and no other number is in the graph.
#[test]
fn what_comes_of_a_weight_stays_secret() {
    let unary =
        ["Sin", "Gelu", "Mish", "Shrink", "Hardmax", "LpNormalization", "ReduceL2", "ReduceLogSumExp", "Clip"];
    for operator in unary {
        let model = Builder::new(20).input("x", &[1, 2]).weight("w", &[1, 2], &[0.25, 3.0]);
        let model = model.node(operator, &["w"], &["v"]).node("Mul", &["x", "v"], &["y"]).output("y");
        let imported = imported(&model);
        assert_eq!(owners(&imported), [Owner::Server], "{operator}");
        assert!(!imported.notes.iter().any(|n| n.contains("public")), "{operator}: {:?}", imported.notes);
    }
    // Where an element is the largest, or is not zero, says something of the weights too.
    let marks: [&[&str]; 3] = [&["TopK", "w", "one"], &["NonZero", "w"], &["ArgMax", "w"]];
    for node in marks {
        let model = Builder::new(20).input("x", &[1]).weight("w", &[3], &[0.0, 3.0, 0.0]).integers("one", &[1]);
        let outputs: &[&str] = if node[0] == "TopK" { &["", "k"] } else { &["k"] };
        let model = model.node(node[0], &node[1..], outputs).node("Cast", &["k"], &["f"]).int("to", 1);
        let model = model.node("Add", &["x", "f"], &["y"]).output("y");
        let imported = imported(&model);
        assert_eq!(outcome(&imported, &[1], &[0.5]), [1.5], "{node:?}");
        assert_eq!(owners(&imported), [Owner::Server], "{node:?}");
    }
}

#[test]
fn what_comes_of_literals_stays_public() {
    let model = Builder::new(20).input("x", &[1]).constant("c", &[], &[0.5]).node("Cos", &["c"], &["k"]);
    let model = model.node("Mul", &["x", "k"], &["y"]).output("y");
    let imported = imported(&model);
    close(&outcome(&imported, &[1], &[2.0]), &[2.0 * 0.5f32.cos()]);
    assert_eq!(owners(&imported), [Owner::Public]);
}

/// torch writes adaptive pools with it.
#[test]
fn known_indices_gather_from_a_secret_value() {
    let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let model =
        Builder::new(20).input("x", &[2, 3, 2]).integers("flat", &[0, 2, 1, -1, 1, 0]).integers("s", &[3, 2]);
    let model = model.node("Reshape", &["flat", "s"], &["i"]).node("GatherND", &["x", "i"], &["y"]).output("y");
    assert_eq!(outcome(&imported(&model), &[2, 3, 2], &x), [4.0, 5.0, 10.0, 11.0, 6.0, 7.0]);
    let model = Builder::new(20).input("x", &[2, 3, 2]).integers("flat", &[2, 0]).integers("s", &[2, 1]);
    let model = model.node("Reshape", &["flat", "s"], &["i"]).node("GatherND", &["x", "i"], &["y"]);
    assert_eq!(outcome(&imported(&model.int("batch_dims", 1).output("y")), &[2, 3, 2], &x), [4.0, 5.0, 6.0, 7.0]);
}

#[test]
fn operators_of_constants_alone_are_refused_of_secrets_with_the_reason() {
    let model = Builder::new(20).input("x", &[3]).integers("axis", &[0]).node("CumSum", &["x", "axis"], &["y"]);
    let cause = cause(&model.output("y"));
    assert!(matches!(&cause, Cause::Refused { why, .. } if why.contains("constants only")), "{cause}");
}

/// A few bytes must not keep the importer busy for hours, nor fill the memory.
#[test]
fn what_is_computed_is_bounded() {
    let large = Builder::new(20).input("x", &[1]).integers("n", &[1 << 12]).node("ConstantOfShape", &["n"], &["w"]);
    let products = large.node("Einsum", &["w", "w", "w"], &["s"]).string("equation", "a,b,c->");
    let products = products.node("Add", &["x", "s"], &["y"]).output("y");
    assert!(matches!(cause(&products), Cause::TooLarge { .. }));
    let marks = Builder::new(20).input("x", &[1]).integers("n", &[1 << 12]).node("ConstantOfShape", &["n"], &["w"]);
    let marks = marks.integers("depth", &[1 << 28]).weight("values", &[2], &[0.0, 1.0]);
    let marks =
        marks.node("OneHot", &["w", "depth", "values"], &["s"]).node("Add", &["x", "s"], &["y"]).output("y");
    assert!(matches!(cause(&marks), Cause::TooLarge { .. }));
}

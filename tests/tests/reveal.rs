//! What the client is shown: small models that showed it hidden layers, and options that show it less, in private runs.

#[path = "../../compiler/tests/builder/mod.rs"]
mod builder;

use builder::Builder;
use picc_compiler::onnx::{ExternalData, Imported, import};
use picc_ir::op::{MpcOp, Op};
use picc_passes::{CompileError, Options, Reveal, compile, learns};
use picc_tests::example;
use picc_tests::private::compare;

fn imported(model: &Builder) -> Imported {
    import(&model.bytes(), &ExternalData::default(), &picc_compiler::onnx::Options::default())
        .unwrap_or_else(|e| panic!("{e}"))
}

/// `[8, n]` different weights.
fn weights(n: usize) -> Vec<f32> {
    (0..8 * n).map(|i| ((i * 37 % 23) as f32 - 11.0) / 16.0).collect()
}

fn layer(n: usize) -> Builder {
    let model = Builder::new(17).input("x", &[1, 8]).weight("w", &[8, n as i64], &weights(n));
    model.node("MatMul", &["x", "w"], &["h"])
}

/// Elements that the client is shown, if the model compiles; else the nodes whose hidden values it would be shown.
fn shown(model: &Builder) -> Result<usize, Vec<String>> {
    let model = imported(model);
    match compile(&model.graph, &model.weights, &Options::plain(), &[]) {
        Ok(compiled) => {
            let graph = &compiled.program.graph;
            let last = learns(graph).unwrap().pop().unwrap();
            assert!(last.contains("no more than the declared outputs"), "{last}");
            Ok(graph.nodes.iter().filter(|n| matches!(n.op, Op::Mpc(MpcOp::Reveal(_)))).map(|n| n.ty.len()).sum())
        }
        Err(error) => Err(error
            .problems()
            .into_iter()
            .map(|p| match p {
                CompileError::RevealsHidden { node, .. } => node.clone(),
                other => panic!("{other}"),
            })
            .collect()),
    }
}

#[test]
fn a_function_before_a_selection_shows_the_selection() {
    let model = layer(5).node("Sigmoid", &["h"], &["p"]).integers("s", &[1]).integers("e", &[3]);
    let model = model.integers("a", &[1]).node("Slice", &["p", "s", "e", "a"], &["y"]).output("y");
    assert_eq!(shown(&model), Ok(2));
    let model = layer(5).node("Sigmoid", &["h"], &["p"]).integers("i", &[4]);
    let model = model.node("Gather", &["p", "i"], &["y"]).int("axis", 1).output("y");
    assert_eq!(shown(&model), Ok(1));
    let model = layer(5).node("Sigmoid", &["h"], &["p"]).node("ReduceMax", &["p"], &["y"]).output("y");
    assert_eq!(shown(&model), Ok(1));
}

#[test]
fn what_shows_more_than_the_outputs_is_refused_by_name() {
    let expectation = layer(5).node("Softmax", &["h"], &["p"]).weight("age", &[5], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let expectation = expectation.node("Mul", &["p", "age"], &["q"]).integers("axes", &[1]);
    let expectation = expectation.node("ReduceSum", &["q", "axes"], &["y"]).output("y");
    assert_eq!(shown(&expectation), Err(vec!["h".to_owned()]));
    let nothing = layer(5).node("Exp", &["h"], &["s"]).node("Sub", &["s", "s"], &["y"]).output("y");
    assert_eq!(shown(&nothing), Err(vec!["h".to_owned()]));
    let gate = layer(5).weight("v", &[5, 5], &[0.25; 25]).node("MatMul", &["h", "v"], &["g"]);
    let gate = gate.node("Sigmoid", &["g"], &["s"]).node("Mul", &["h", "s"], &["m"]);
    let gate = gate.node("Relu", &["m"], &["y"]).output("y");
    let mut nodes = shown(&gate).unwrap_err();
    nodes.sort();
    assert_eq!(nodes, ["g", "h"]);
}

/// Private runs equal the reference in every bit, and show the classes or bits that were asked for.
#[test]
fn less_is_shown_in_private_runs() {
    let exact = |reveal| Options { exact: true, reveal, ..Options::plain() };
    let scores = example::compiled(1, exact(Reveal::All));
    let images = example::images(&scores);
    for (reveal, elements) in [(Reveal::Label, 1), (Reveal::Rounded(6), 2)] {
        let compiled = example::compiled(1, exact(reveal));
        let found = compare(&compiled, &images);
        assert_eq!(found.ulps, 0, "{reveal}");
        let reveals: Vec<_> =
            compiled.program.graph.nodes.iter().filter(|n| matches!(n.op, Op::Mpc(MpcOp::Reveal(_)))).collect();
        assert_eq!(reveals.iter().map(|n| n.ty.len()).sum::<usize>(), elements, "{reveal}");
    }
}

/// Three of seven classes, with all cryptography.
#[test]
fn the_best_classes_in_a_private_run() {
    let model = layer(7).node("Relu", &["h"], &["r"]).weight(
        "v",
        &[7, 7],
        &(0..49).map(|i| (i * 29 % 17) as f32 / 8.0 - 1.0).collect::<Vec<f32>>(),
    );
    let model = imported(&model.node("MatMul", &["r", "v"], &["y"]).output("y"));
    let samples: Vec<picc_runtime::inputs::Sample> = (0..4)
        .map(|s| {
            let values = (0..8).map(|i| ((i * 5 + s * 3) % 7) as f32 / 3.0 - 1.0).collect();
            [("x".to_owned(), picc_ir::Tensor::new(&[1, 8], values))].into_iter().collect()
        })
        .collect();
    let options = Options { exact: true, reveal: Reveal::Top(3), ..Options::plain() };
    let compiled = compile(&model.graph, &model.weights, &options, &samples).unwrap();
    assert_eq!(compare(&compiled, &samples).ulps, 0);
    assert_eq!(compiled.program.graph.ty(compiled.program.graph.outputs[0].1).shape[..], [1, 3]);
}

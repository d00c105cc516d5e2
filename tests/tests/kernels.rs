//! Kernels of real models: what each party computes between two messages, fused, against node by node.

use picc_ir::kernel::construct::{Lanes, build};
use picc_ir::kernel::testing::agree;
use picc_ir::{Party, Program, Tensor};
use picc_passes::{Options, compile};
use picc_tests::example;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

/// `PICC_SHARED`, or the folder beside the repository.
fn models() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| example::root().join("../shared")).join("models/models");
    if !folder.is_dir() {
        eprintln!("skipped: no models in {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Compiled for ranges that a sample of ones shows: what the kernels compute does not depend on them.
fn program(name: &str) -> Option<Program> {
    let path = models()?.join(format!("{name}.onnx"));
    let imported =
        picc_compiler::onnx::import_file(&path, &Default::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let ones = imported.inputs.iter().map(|i| (i.name.clone(), Tensor::full(&i.shape, 1.0))).collect();
    let compiled = compile(&imported.graph, &imported.weights, &Options::plain(), &[ones]);
    Some(compiled.unwrap_or_else(|e| panic!("{name}: {e}")).program)
}

fn kernels_agree(name: &str) {
    let Some(program) = program(name) else { return };
    for party in Party::BOTH {
        agree(&program.graph, &program.segments, party, Lanes::Narrow, 1).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn kernels_of_small_models_equal_their_nodes() {
    for name in
        ["mnist_cntk", "mnist_heir_lenet5", "mnist_tfe_b_cnn", "cifar10_resnet8_mlctiny", "fer_mini_xception"]
    {
        kernels_agree(name);
    }
}

/// `cargo test --release -p picc-tests --test kernels -- --ignored --nocapture`: all models (minutes).
#[test]
#[ignore = "minutes"]
fn kernels_of_all_models_equal_their_nodes() {
    let Some(folder) = models() else { return };
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("readable")
        .filter_map(|f| Some(f.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    for name in names {
        let path = models().expect("there").join(format!("{name}.onnx"));
        let Ok(imported) = picc_compiler::onnx::import_file(&path, &Default::default()) else { continue };
        let ones = imported.inputs.iter().map(|i| (i.name.clone(), Tensor::full(&i.shape, 1.0))).collect();
        let Ok(compiled) = compile(&imported.graph, &imported.weights, &Options::plain(), &[ones]) else {
            println!("{name:32} does not compile");
            continue;
        };
        let program = compiled.program;
        let start = Instant::now();
        let built: Vec<_> = program
            .segments
            .iter()
            .map(|s| {
                build(&program.graph, &s.nodes, Party::Server, Lanes::Narrow)
                    .unwrap_or_else(|e| panic!("{name}: {e}"))
            })
            .collect();
        let time = start.elapsed();
        let steps: usize = built.iter().map(|b| b.kernel.steps.len()).sum();
        let distinct: BTreeSet<_> = built.iter().map(|b| b.kernel.anonymous()).collect();
        println!(
            "{name:32} {:4} segments, {:4} distinct, {steps:5} steps, built and verified in {time:?}",
            built.len(),
            distinct.len()
        );
        for party in Party::BOTH {
            agree(&program.graph, &program.segments, party, Lanes::Narrow, 1)
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

/// The kernels of ResNet-20 that differ, as the server runs them.
#[test]
fn kernels_of_a_resnet() {
    let Some(program) = program("cifar10_resnet20") else { return };
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for segment in &program.segments {
        let built = build(&program.graph, &segment.nodes, Party::Server, Lanes::Narrow).expect("builds");
        if seen.insert(built.kernel.anonymous()) {
            let ops: Vec<&str> = segment.nodes.iter().map(|&id| program.graph.node(id).op.name()).collect();
            text += &format!("{}\n{}\n", ops.join(", "), *built.kernel);
        }
    }
    let summary = format!("{} segments, {} kernels that differ\n\n", program.segments.len(), seen.len());
    insta::assert_snapshot!(summary + &text);
}

//! Runs `filetests/<pass>/<name>.pir` and compares with the blessed text beside it.
//!
//! Bless with `INSTA_UPDATE=always cargo test -p picc-passes`, then read the diff.

use crate::compose::compose_by;
use crate::testing::{Rng, max_difference, outputs_of};
use crate::{Options, canonicalize, compile, tail};
use picc_ir::op::Op;
use picc_ir::verify::{Stage, verify};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Inputs = BTreeMap<String, Tensor<f32>>;

fn run(pass: &str, transform: impl Fn(&Graph, &RealWeights) -> String) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests").join(pass);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "pir"));
    files.sort();
    assert!(!files.is_empty(), "no filetests in {}", dir.display());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let graph: Graph = text.parse().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        verify(&graph, Stage::Real).unwrap_or_else(|e| panic!("{}: {e:?}", file.display()));
        let result = transform(&graph, &weights(&graph));
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&dir);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(text.lines().next().unwrap_or_default());
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        settings.bind(|| insta::assert_snapshot!(name, result));
    }
}

/// Values of every weight, seeded by its name.
fn weights(graph: &Graph) -> RealWeights {
    let mut weights = RealWeights::new();
    for node in &graph.nodes {
        if let Op::Weight(w) = &node.op {
            let seed = w.name.bytes().fold(7u64, |h, b| h * 31 + u64::from(b));
            weights.insert(w.name.clone(), Rng(seed).tensor(&w.ty.shape, 1.0));
        }
    }
    weights
}

fn inputs(graph: &Graph, seed: u64) -> Inputs {
    let mut rng = Rng(seed);
    let mut inputs = Inputs::new();
    for node in &graph.nodes {
        if let Op::Input(i) = &node.op {
            inputs.insert(i.name.clone(), rng.tensor(&i.ty.shape, 1.0));
        }
    }
    inputs
}

#[test]
fn canonical_forms() {
    run("canonicalize", |graph, weights| {
        let (canonical, new_weights) = canonicalize(graph.clone(), weights.clone()).unwrap();
        verify(&canonical, Stage::Real).unwrap();
        for seed in 0..3 {
            let inputs = inputs(graph, seed);
            let (before, after) =
                (outputs_of(graph, weights, &inputs), outputs_of(&canonical, &new_weights, &inputs));
            for (a, b) in before.iter().zip(&after) {
                assert!(max_difference(a, b) < 1e-4, "another function:\n{canonical}");
            }
        }
        let again = canonicalize(canonical.clone(), new_weights).unwrap().0;
        assert_eq!(again, canonical, "canonical forms are final");
        canonical.to_string()
    });
}

/// Every pair of layers that may be composed is.
#[test]
fn compositions() {
    run("compose", |graph, weights| {
        let (canonical, weights_of) = canonicalize(graph.clone(), weights.clone()).unwrap();
        let done = compose_by(canonical, weights_of, |_| Some(1)).unwrap();
        let inputs = inputs(graph, 0);
        let (before, after) =
            (outputs_of(graph, weights, &inputs), outputs_of(&done.graph, &done.weights, &inputs));
        assert!(max_difference(&before[0], &after[0]) < 1e-4, "another function:\n{}", done.graph);
        format!("{}notes\n{}\n", done.graph, done.notes.join("\n"))
    });
}

#[test]
fn splits() {
    run("split", |graph, weights| {
        let split = tail::split(graph, weights).unwrap();
        let hidden: Vec<String> = split.hidden.iter().map(tail::Hidden::warning).collect();
        let (notes, hidden) = (split.notes.join("\n"), hidden.join("\n"));
        format!("core\n{}\nclient\n{}\nnotes\n{notes}\nhidden\n{hidden}\n", split.core, split.tail)
    });
}

fn compiled(graph: &Graph, weights: &RealWeights) -> crate::Compiled {
    let calibration: Vec<Inputs> = (0..4).map(|seed| inputs(graph, seed)).collect();
    compile(graph, weights, &Options::plain(), &calibration).unwrap()
}

#[test]
fn ring_graphs() {
    run("quantize", |graph, weights| compiled(graph, weights).ring_graph.to_string());
}

#[test]
fn mpc_graphs() {
    run("protocols", |graph, weights| compiled(graph, weights).program.graph.to_string());
}

//! What becomes a graph: ONNX models and the text form.

use picc_compiler::onnx::{ExternalData, Limits, Options, import};
use picc_ir::eval::{run_real, run_ring};
use picc_ir::mpc::schedule::schedule;
use picc_ir::op::MpcOp;
use picc_ir::verify::{Stage, verify, who_learns};
use picc_ir::{Elem, Graph, Op, Program, Tensor, Ty};
use picc_passes::{CompileError, compile};
use std::collections::BTreeMap;

/// A trained model, through the importer and the whole optimizer.
///
/// # Panics
/// If the optimizer makes a program that the verifier refuses.
pub fn onnx(data: &[u8]) -> bool {
    // Room for small models only, so that a hostile one is refused before it costs much.
    let limits = Limits { model_bytes: 1 << 20, nodes: 1 << 8, tensor_elements: 1 << 12, folded_elements: 1 << 18 };
    let options = Options { limits, ..Options::default() };
    let Ok(imported) = import(data, &ExternalData::default(), &options) else { return false };
    verify(&imported.graph, Stage::Real).expect("what is imported is well-typed");
    if work(&imported.graph) > 1 << 22 {
        return false;
    }
    match compile(&imported.graph, &imported.weights, &picc_passes::Options::default(), &[]) {
        Ok(compiled) => {
            let bytes = compiled.program.to_bytes();
            assert_eq!(Program::from_bytes(&bytes), Ok(compiled.program), "what is compiled may be run");
            true
        }
        Err(CompileError::Internal(bug)) => panic!("{bug}"),
        Err(_) => false,
    }
}

/// The text form of a graph of any stage.
///
/// # Panics
/// If an accepted graph does not survive a round trip, or cannot be evaluated.
pub fn text(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(graph) = text.parse::<Graph>() else { return false };
    let mut accepted = false;
    let printed = graph.to_string();
    assert_eq!(printed.parse().as_ref(), Ok(&graph), "{printed}");
    for stage in [Stage::Real, Stage::Ring, Stage::Mpc] {
        if verify(&graph, stage).is_err() {
            continue;
        }
        accepted = true;
        let _ = who_learns(&graph);
        if stage == Stage::Mpc {
            let _ = schedule(&graph);
        }
        if work(&graph) <= 1 << 22 {
            evaluate(&graph, stage);
        }
    }
    accepted
}

/// Elements, and multiplications of the products.
fn work(graph: &Graph) -> u64 {
    let elements = |ty: &Ty| ty.len() as u64;
    let node = |node: &picc_ir::Node| {
        let window = match &node.op {
            Op::MaxPool(op) => op.kernel.iter().map(|&k| k as u64).product(),
            Op::Mpc(MpcOp::MaxPoolOt(op)) => op.kernel.iter().map(|&k| k as u64).product(),
            Op::SumPool(op) => op.kernel.iter().map(|&k| k as u64).product(),
            op if op.name().starts_with("conv") || op.name().starts_with("matmul") => {
                node.args.iter().map(|&a| elements(graph.ty(a))).min().unwrap_or(1)
            }
            _ => 1u64,
        };
        elements(&node.ty).saturating_mul(window.max(1))
    };
    graph.nodes.iter().map(node).fold(0, u64::saturating_add)
}

/// A verified graph has a meaning for every input in range: zeros, or what is nearest to them.
fn evaluate(graph: &Graph, stage: Stage) {
    let mut sources: BTreeMap<String, &Ty> = BTreeMap::new();
    for node in &graph.nodes {
        match &node.op {
            Op::Input(op) => drop(sources.insert(op.name.clone(), &node.ty)),
            Op::Weight(op) => drop(sources.insert(op.name.clone(), &node.ty)),
            _ => {}
        }
    }
    if stage == Stage::Real {
        let zeros = sources.into_iter().map(|(name, ty)| (name, Tensor::full(&ty.shape, 0.0))).collect();
        let _ = run_real(graph, &zeros, &zeros, &mut |_, _| {});
        return;
    }
    let least = |ty: &Ty| match ty.elem {
        Elem::Fixed(f) => 0.clamp(f.lo, f.hi),
        Elem::Real => 0,
    };
    let values = sources.into_iter().map(|(name, ty)| (name, Tensor::full(&ty.shape, least(ty)))).collect();
    let _ = run_ring(graph, &values, &values, &mut |id, value| {
        if let (Some(t), Elem::Fixed(f)) = (value.as_ring(), graph.ty(id).elem) {
            assert!(
                t.data.iter().all(|v| (f.lo..=f.hi).contains(v)) || claims(graph),
                "node {} leaves its range:\n{graph}",
                id.0
            );
        }
    });
}

/// Whether a graph claims ranges that it does not prove.
fn claims(graph: &Graph) -> bool {
    graph.nodes.iter().any(|n| matches!(n.op, Op::Assume(_)))
}

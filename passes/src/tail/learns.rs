//! What the client learns from a program, in words: recomputed from the program itself.

use super::functions::describe;
use super::trace::{Shown, shown};
use crate::error::Result;
use picc_ir::facts::ClientPart;
use picc_ir::op::{MpcOp, Op};
use picc_ir::{Elem, Graph, Id};
use std::collections::BTreeSet;

/// What the client learns from running a verified program's graph, one line each; the last one says whether that is
/// more than the declared outputs. A value shows no more if it follows from the outputs: every function that leads from
/// it to them can be undone, or other outputs give what is missing; of the logits of a softmax, all but one summand.
///
/// # Errors
/// If the client's part has no meaning, which the verifier does not let through.
pub fn learns(graph: &Graph) -> Result<Vec<String>> {
    let revealed = |id: Id| graph.node(id).args.iter().any(|a| comes_from_reveal(graph, *a));
    let sources: Vec<Id> =
        graph.iter().filter(|(_, n)| matches!(n.op, Op::Dequantize(_))).map(|(id, _)| id).collect();
    let shown = shown(graph, &sources, &|id| !revealed(id))?;
    let mut lines: Vec<String> = graph.outputs.iter().map(|(name, id)| output(graph, name, *id)).collect();
    let beyond: Vec<String> = shown.iter().filter(|s| s.beyond() > 0).map(|s| hidden(graph, s)).collect();
    let summand = graph.nodes.iter().any(|n| matches!(n.op, Op::Softmax(_)) && n.ty.elem == Elem::Real);
    lines.push(if !beyond.is_empty() {
        format!("that is more than the declared outputs, hidden values: {}", beyond.join(", "))
    } else if summand {
        "that is no more than the declared outputs, but for one summand of the logits of each softmax".to_owned()
    } else {
        "that is no more than the declared outputs".to_owned()
    });
    Ok(lines)
}

fn output(graph: &Graph, name: &str, id: Id) -> String {
    let shape = extents(&graph.ty(id).shape);
    let (mut from, mut functions) = (BTreeSet::new(), BTreeSet::new());
    let (mut seen, mut stack) = (BTreeSet::new(), vec![id]);
    while let Some(at) = stack.pop() {
        if !seen.insert(at) {
            continue;
        }
        let node = graph.node(at);
        match &node.op {
            Op::Dequantize(_) => {
                from.insert(format!("`{}` {}", node.name, extents(&node.ty.shape)));
            }
            op => {
                if op.facts().client == ClientPart::Starts {
                    functions.insert(describe(op));
                }
                stack.extend(&node.args);
            }
        }
    }
    if functions.is_empty() {
        return format!("the client learns output `{name}` {shape}");
    }
    let (from, functions) = (from.into_iter().collect::<Vec<_>>(), functions.into_iter().collect::<Vec<_>>());
    format!(
        "the client learns output `{name}` {shape}, which it computes ({}) from {}",
        functions.join(", "),
        from.join(", ")
    )
}

fn hidden(graph: &Graph, shown: &Shown) -> String {
    let node = graph.node(shown.id);
    format!("{} values of `{}` {}", shown.beyond(), node.name, extents(&node.ty.shape))
}

fn extents(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "(one value)".to_owned();
    }
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

fn comes_from_reveal(graph: &Graph, id: Id) -> bool {
    let (mut seen, mut stack) = (BTreeSet::new(), vec![id]);
    while let Some(at) = stack.pop() {
        if matches!(graph.node(at).op, Op::Mpc(MpcOp::Reveal(_))) {
            return true;
        }
        if seen.insert(at) {
            stack.extend(&graph.node(at).args);
        }
    }
    false
}

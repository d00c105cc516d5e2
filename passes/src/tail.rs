//! Splits a real graph where the secure part ends: what follows a softmax, say, the client computes on what it has
//! learned, over the reals.
//!
//! ```text
//! input -> conv -> relu -> gemm ->| reveal |-> softmax -> output
//!          core (secure)          |        |   tail (the client alone)
//! ```

use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, is_known, known, prune, real_const};
use picc_ir::op::Op;
use picc_ir::ops::Input;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Ty};
use std::collections::BTreeMap;

/// The two halves. Input `i` of the tail is output `i` of the core, under the same name.
pub(crate) struct Split {
    pub core: Graph,
    pub tail: Graph,
    pub notes: Vec<String>,
}

/// What an operator can be once the client computes alone.
enum Place {
    /// Starts the client's part: over the reals there is nothing secure for it.
    Starts,
    /// Elementwise or a matter of shape: the client can do it too.
    Follows,
    /// Takes the server's weights in a way that would make them public.
    Never,
}

fn place(op: &Op) -> Place {
    match op {
        Op::Softmax(_) | Op::LogSoftmax(_) | Op::Unary(_) | Op::Div(_) => Place::Starts,
        Op::Add(_)
        | Op::Sub(_)
        | Op::Mul(_)
        | Op::Neg(_)
        | Op::Concat(_)
        | Op::Slice(_)
        | Op::Pad(_)
        | Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Expand(_)
        | Op::Gather(_)
        | Op::ZeroInsert(_)
        | Op::SumPool(_)
        | Op::ReduceSum(_)
        | Op::Relu(_)
        | Op::Max(_)
        | Op::MaxPool(_)
        | Op::ReduceMax(_)
        | Op::ArgMax(_)
        | Op::Lrn(_) => Place::Follows,
        Op::Input(_)
        | Op::Weight(_)
        | Op::Const(_)
        | Op::Conv(_)
        | Op::MatMul(_)
        | Op::Shl(_)
        | Op::TruncReduce(_)
        | Op::Extend(_)
        | Op::Reduce(_)
        | Op::Assume(_)
        | Op::Dequantize(_)
        | Op::Share(_)
        | Op::Reveal(_)
        | Op::ConvRlwe(_)
        | Op::ConvOt(_)
        | Op::MatMulRlwe(_)
        | Op::MatMulOt(_)
        | Op::MulOt(_)
        | Op::SquareOt(_)
        | Op::TruncReduceLocal(_)
        | Op::TruncReduceFaithful(_)
        | Op::ExtendOt(_)
        | Op::ReluOt(_)
        | Op::ReluRescaleOt(_)
        | Op::MaxOt(_)
        | Op::MaxPoolOt(_)
        | Op::ReduceMaxOt(_)
        | Op::ArgMaxOt(_)
        | Op::ConvPre(_)
        | Op::MatMulPre(_)
        | Op::ReluGc(_) => Place::Never,
    }
}

/// Splits a canonical real graph.
pub(crate) fn split(graph: &Graph, weights: &RealWeights) -> Result<Split> {
    let starts = tail_starts(graph)?;
    let mut notes = Vec::new();
    let mut core = Graph { nodes: graph.nodes.clone(), outputs: Vec::new() };
    let mut tail = Builder::default();
    let mut in_tail: BTreeMap<Id, Id> = BTreeMap::new();

    // A core value enters the tail through a reveal; one that is an output keeps the output's name.
    let mut enter = |tail: &mut Builder, in_tail: &mut BTreeMap<Id, Id>, id: Id, name: String| -> Result<Id> {
        if let Some(&t) = in_tail.get(&id) {
            return Ok(t);
        }
        let ty = Ty::real(&graph.ty(id).shape, Owner::Client);
        let t = tail.add(Input { name: name.clone(), ty }, &[], &graph.node(id).name)?;
        core.outputs.push((name, id));
        in_tail.insert(id, t);
        Ok(t)
    };
    for (name, id) in &graph.outputs {
        if starts[id.index()].is_none() {
            if is_known(graph, *id) {
                return Err(CompileError::Unsupported {
                    node: graph.node(*id).name.clone(),
                    op: graph.node(*id).op.name(),
                    why: format!("output `{name}` depends on no input"),
                    way_out: "remove it from the model's outputs".to_owned(),
                });
            }
            enter(&mut tail, &mut in_tail, *id, name.clone())?;
        }
    }
    for (id, node) in graph.iter().filter(|(id, _)| starts[id.index()].is_some()) {
        let mut args = Vec::with_capacity(node.args.len());
        for &a in &node.args {
            if starts[a.index()].is_none() && !in_tail.contains_key(&a) {
                let arg = graph.node(a);
                if let Some(values) = known(graph, weights, a)? {
                    if matches!(arg.op, Op::Weight(_)) {
                        notes.push(format!("constants of node `{}` become public", node.name));
                    }
                    in_tail.insert(a, tail.add(real_const(&values), &[], &arg.name)?);
                } else {
                    let revealed = format!("{}:{}", arg.name, a.0);
                    if arg.ty.owner != Owner::Client {
                        notes.push(format!("the client learns the value of node `{}`", arg.name));
                    }
                    enter(&mut tail, &mut in_tail, a, revealed)?;
                }
            }
            args.push(in_tail[&a]);
        }
        if matches!(place(&node.op), Place::Starts) {
            notes.push(format!(
                "{} of node `{}` is computed by the client on what it has learned",
                describe(&node.op),
                node.name
            ));
        }
        let t = tail.add(node.op.clone(), &args, &node.name)?;
        in_tail.insert(id, t);
    }
    let mut tail = tail.graph;
    tail.outputs = graph.outputs.iter().map(|(name, id)| (name.clone(), in_tail[id])).collect();
    Ok(Split { core: prune(&core), tail, notes })
}

/// For each node of the tail, the node that put it there.
fn tail_starts(graph: &Graph) -> Result<Vec<Option<Id>>> {
    let mut starts: Vec<Option<Id>> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let after = node.args.iter().find_map(|a| starts[a.index()]);
        let starts_here = matches!(place(&node.op), Place::Starts);
        if let (Some(after), Place::Never) = (after, place(&node.op)) {
            return Err(CompileError::WeightsAfterReveal {
                node: node.name.clone(),
                op: node.op.name(),
                after: graph.node(after).name.clone(),
                after_op: describe(&graph.node(after).op),
            });
        }
        starts.push(after.or(starts_here.then_some(id)));
    }
    Ok(starts)
}

fn describe(op: &Op) -> String {
    match op {
        Op::Unary(u) => format!("{:?}", u.function).to_lowercase(),
        _ => op.name().to_owned(),
    }
}

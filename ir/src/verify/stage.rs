//! Which operators each stage of compilation may contain.

use super::{At, Stage, Violation, is_real};
use crate::graph::{Graph, Node};
use crate::op::Op;
use crate::ty::Owner;

/// What an operator needs from the parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Source,
    /// Linear: local on shares.
    Linear,
    /// Local unless two different parties' secrets meet.
    Product,
    /// Not linear: local only for a value that one party knows.
    Nonlinear,
    /// Over the reals, or from a ring to them.
    Real,
    /// `share` and `reveal`.
    Boundary,
    Protocol,
}

fn kind(op: &Op) -> Kind {
    match op {
        Op::Input(_) | Op::Weight(_) | Op::Const(_) => Kind::Source,
        Op::Add(_)
        | Op::Sub(_)
        | Op::Neg(_)
        | Op::Shl(_)
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
        | Op::Reduce(_)
        | Op::Assume(_) => Kind::Linear,
        Op::Mul(_) | Op::Conv(_) | Op::MatMul(_) => Kind::Product,
        Op::Relu(_)
        | Op::Max(_)
        | Op::MaxPool(_)
        | Op::ReduceMax(_)
        | Op::ArgMax(_)
        | Op::TruncReduce(_)
        | Op::Extend(_) => Kind::Nonlinear,
        Op::Softmax(_) | Op::LogSoftmax(_) | Op::Unary(_) | Op::Div(_) | Op::Lrn(_) | Op::Dequantize(_) => {
            Kind::Real
        }
        Op::Share(_) | Op::Reveal(_) => Kind::Boundary,
        Op::ConvRlwe(_)
        | Op::ConvOt(_)
        | Op::ConvPre(_)
        | Op::MatMulPre(_)
        | Op::ReluGc(_)
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
        | Op::ArgMaxOt(_) => Kind::Protocol,
    }
}

pub(super) fn check(graph: &Graph, stage: Stage, found: &mut Vec<Violation>) {
    for (id, node) in graph.iter() {
        let why = match stage {
            Stage::Real => why_not_real(node),
            Stage::Ring => why_not_ring(node),
            Stage::Mpc => why_not_mpc(graph, node),
        };
        found.extend(why.map(|why| Violation::Stage { at: At::new(id, node), stage, why }));
    }
}

fn why_not_real(node: &Node) -> Option<&'static str> {
    match kind(&node.op) {
        Kind::Boundary | Kind::Protocol => Some("it says how, not what"),
        _ if !is_real(node) => Some("a fixed-point value"),
        _ => None,
    }
}

fn why_not_ring(node: &Node) -> Option<&'static str> {
    match kind(&node.op) {
        Kind::Protocol => Some("it says how, not what"),
        _ => why_not_known(node),
    }
}

fn why_not_mpc(graph: &Graph, node: &Node) -> Option<&'static str> {
    let secret =
        || node.args.iter().filter_map(|a| graph.nodes.get(a.index())).filter(|n| n.ty.owner != Owner::Public);
    let lowered = match kind(&node.op) {
        Kind::Product if node.ty.owner == Owner::Shared && secret().count() > 1 => {
            Some("a product of two secrets needs a protocol")
        }
        Kind::Nonlinear if node.ty.owner == Owner::Shared => Some("a shared value needs a protocol"),
        _ => None,
    };
    lowered.or_else(|| why_not_known(node))
}

/// After quantization, reals are what the client computes on its own.
fn why_not_known(node: &Node) -> Option<&'static str> {
    let known = matches!(node.ty.owner, Owner::Client | Owner::Public);
    (is_real(node) && !known).then_some("only the client computes over the reals, on what it knows")
}

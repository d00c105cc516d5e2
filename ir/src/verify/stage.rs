//! Which operators each stage of compilation may contain.

use super::{At, Stage, Violation, is_real};
use crate::facts::Needs;
use crate::graph::{Graph, Node};
use crate::ty::Owner;

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
    match node.op.facts().needs {
        Needs::Boundary | Needs::Protocol => Some("it says how, not what"),
        _ if !is_real(node) => Some("a fixed-point value"),
        _ => None,
    }
}

fn why_not_ring(node: &Node) -> Option<&'static str> {
    match node.op.facts().needs {
        Needs::Protocol => Some("it says how, not what"),
        _ => why_not_known(node),
    }
}

fn why_not_mpc(graph: &Graph, node: &Node) -> Option<&'static str> {
    let secret =
        || node.args.iter().filter_map(|a| graph.nodes.get(a.index())).filter(|n| n.ty.owner != Owner::Public);
    let lowered = match node.op.facts().needs {
        Needs::Product if node.ty.owner == Owner::Shared && secret().count() > 1 => {
            Some("a product of two secrets needs a protocol")
        }
        Needs::Nonlinear if node.ty.owner == Owner::Shared => Some("a shared value needs a protocol"),
        _ => None,
    };
    lowered.or_else(|| why_not_known(node))
}

/// After quantization, reals are what the client computes on its own.
fn why_not_known(node: &Node) -> Option<&'static str> {
    let known = matches!(node.ty.owner, Owner::Client | Owner::Public);
    (is_real(node) && !known).then_some("only the client computes over the reals, on what it knows")
}

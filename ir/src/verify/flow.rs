//! Information flow: who may learn what.

use super::{At, Stage, Violation};
use crate::graph::{Graph, Id};
use crate::op::{MpcOp, Op};
use crate::party::Party;
use crate::ty::Owner;
use std::collections::BTreeSet;

pub(super) fn check(graph: &Graph, stage: Stage, found: &mut Vec<Violation>) {
    owners(graph, found);
    outputs(graph, stage, found);
    let revealed = revealed(graph);
    let needed = needed(graph);
    for (id, node) in graph.iter() {
        let at = || At::new(id, node);
        if !revealed[id.index()] {
            continue;
        }
        if node.ty.owner != Owner::Client {
            found.push(Violation::RevealedFlowsBack { at: at() });
        }
        if !needed[id.index()] {
            found.push(Violation::RevealedUndeclared { at: at() });
        }
    }
}

/// Every step goes up in `Public < Client, Server < Shared`; only `reveal` goes down, to the client.
fn owners(graph: &Graph, found: &mut Vec<Violation>) {
    for (id, node) in graph.iter() {
        let to = node.ty.owner;
        let mut leak = |from| found.push(Violation::Leak { at: At::new(id, node), from, to });
        if let Some(source) = source_owner(&node.op).filter(|s| *s != to) {
            leak(source);
        }
        for arg in node.args.iter().filter_map(|a| graph.nodes.get(a.index())) {
            let from = arg.ty.owner;
            let revealing =
                matches!(node.op, Op::Mpc(MpcOp::Reveal(_))) && from == Owner::Shared && to == Owner::Client;
            let upwards = from == to || from == Owner::Public || to == Owner::Shared;
            if !revealing && !upwards {
                leak(from);
            }
        }
    }
}

fn source_owner(op: &Op) -> Option<Owner> {
    if let Op::Input(_) = op {
        Some(Owner::Client)
    } else if let Op::Weight(_) = op {
        Some(Owner::Server)
    } else if let Op::Const(_) = op {
        Some(Owner::Public)
    } else {
        None
    }
}

/// Declared outputs exist, once, and none is the server's; a lowered program gives each of them to the client.
fn outputs(graph: &Graph, stage: Stage, found: &mut Vec<Violation>) {
    if graph.outputs.is_empty() {
        found.push(Violation::NoOutput);
    }
    let mut seen = BTreeSet::new();
    for (output, id) in &graph.outputs {
        if !seen.insert(output) {
            found.push(Violation::OutputTwice { output: output.clone() });
        }
        let Some(node) = graph.nodes.get(id.index()) else {
            found.push(Violation::OutputMissing { output: output.clone(), id: *id });
            continue;
        };
        let allowed = match node.ty.owner {
            Owner::Client => true,
            Owner::Shared | Owner::Public => stage != Stage::Mpc,
            Owner::Server => false,
        };
        if !allowed {
            found.push(Violation::OutputOwner { output: output.clone(), owner: node.ty.owner });
        }
    }
}

/// Nodes that are, or are computed from, something that was revealed.
fn revealed(graph: &Graph) -> Vec<bool> {
    let mut marks: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let from_args = node.args.iter().any(|a| marks.get(a.index()).copied().unwrap_or(false));
        marks.push(from_args || matches!(node.op, Op::Mpc(MpcOp::Reveal(_))));
    }
    marks
}

/// Nodes that a declared output is computed from.
fn needed(graph: &Graph) -> Vec<bool> {
    let mut marks = vec![false; graph.nodes.len()];
    for (_, id) in &graph.outputs {
        if let Some(mark) = marks.get_mut(id.index()) {
            *mark = true;
        }
    }
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        if marks[i] {
            for a in node.args.iter().filter(|a| a.index() < i) {
                marks[a.index()] = true;
            }
        }
    }
    marks
}

/// What each party learns from running the program, one line each, for people. The graph is verified.
#[must_use]
pub fn who_learns(graph: &Graph) -> Vec<(Party, String)> {
    let mut lines = Vec::new();
    for (id, node) in graph.iter() {
        if let Op::Mpc(MpcOp::Reveal(reveal)) = &node.op {
            let outputs: Vec<String> = outputs_of(graph, id).iter().map(|name| format!("`{name}`")).collect();
            lines.push((reveal.to, format!("`{}`, {}, for {}", node.name, node.ty, outputs.join(", "))));
        }
    }
    for party in Party::BOTH {
        if !lines.iter().any(|(p, _)| *p == party) {
            lines.push((party, "nothing".to_owned()));
        }
    }
    lines
}

/// Declared outputs that are computed from this node.
fn outputs_of(graph: &Graph, id: Id) -> Vec<&str> {
    let mut marks = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        marks[i] = i == id.index() || node.args.iter().any(|a| marks.get(a.index()).copied().unwrap_or(false));
    }
    let reached = graph.outputs.iter().filter(|(_, o)| marks.get(o.index()).copied().unwrap_or(false));
    reached.map(|(name, _)| name.as_str()).collect()
}

//! Segmentation: which local nodes of an mpc graph run together, as one kernel.
//!
//! ```text
//!   P1 -> a -> b ----------> P2 -> c        a, b           one segment, after P1
//!          \-> d -----------------/|        d              moves to c: its value would only wait there
//!                            w ----/        c, d           one segment, after P2
//! ```
//! Every node goes after the last protocol that it depends on: a group. No path leads out of a group and back, since it
//! would pass a later protocol. A node whose users all stand in one later group moves there, unless that keeps more
//! bytes alive than it frees: fused with its users it needs no memory. Groups fall apart into segments where nothing
//! connects them, so that equal layers give equal kernels.

use picc_ir::kernel::Lane;
use picc_ir::segment::{Segment, is_local, is_protocol};
use picc_ir::{Graph, Id, Owner};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// The segments of a verified mpc graph.
#[must_use]
pub fn segments(graph: &Graph) -> Vec<Segment> {
    let groups = groups(graph);
    let mut members: BTreeMap<Option<Id>, Vec<Id>> = BTreeMap::new();
    for (id, _) in graph.iter().filter(|(id, _)| is_local(graph, *id)) {
        members.entry(groups[id.index()]).or_default().push(id);
    }
    members.into_values().flat_map(|nodes| connected(graph, &nodes)).collect()
}

/// For each node the protocol after which it is there: itself, or the group that it belongs to.
fn groups(graph: &Graph) -> Vec<Option<Id>> {
    let mut groups: Vec<Option<Id>> = vec![None; graph.nodes.len()];
    let mut users: Vec<Vec<Id>> = vec![Vec::new(); graph.nodes.len()];
    for (id, node) in graph.iter() {
        let latest = node.args.iter().filter_map(|a| groups[a.index()]).max();
        groups[id.index()] = if is_protocol(graph, id) { Some(id) } else { latest };
        node.args.iter().for_each(|a| users[a.index()].push(id));
    }
    let outputs: BTreeSet<Id> = graph.outputs.iter().map(|(_, id)| *id).collect();
    for (id, node) in graph.iter().collect::<Vec<_>>().into_iter().rev() {
        let fused = !users[id.index()].is_empty() && users[id.index()].iter().all(|&u| is_local(graph, u));
        if !is_local(graph, id) || !fused || outputs.contains(&id) {
            continue;
        }
        let target = groups[users[id.index()][0].index()];
        if target <= groups[id.index()] || users[id.index()].iter().any(|u| groups[u.index()] != target) {
            continue;
        }
        // Shares that would have to wait for the group.
        let waits = |a: &&Id| {
            let others = users[a.index()].iter().filter(|u| **u != id);
            graph.ty(**a).owner == Owner::Shared && others.map(|u| groups[u.index()]).max().flatten() < target
        };
        let mut args = node.args.to_vec();
        args.sort_unstable();
        args.dedup();
        if args.iter().filter(waits).map(|&a| bytes(graph, a)).sum::<u64>() <= bytes(graph, id) {
            groups[id.index()] = target;
        }
    }
    groups
}

fn bytes(graph: &Graph, id: Id) -> u64 {
    let ty = graph.ty(id);
    ty.len() as u64 * ty.as_fixed().map_or(8, |f| Lane::of_ring(f.ring_bits).bytes() as u64)
}

/// Parts of a group that share no node and no share that they read.
fn connected(graph: &Graph, nodes: &[Id]) -> Vec<Segment> {
    let mut leader: BTreeMap<Id, Id> = BTreeMap::new();
    fn find(leader: &BTreeMap<Id, Id>, mut id: Id) -> Id {
        while let Some(&next) = leader.get(&id).filter(|n| **n != id) {
            id = next;
        }
        id
    }
    for &id in nodes {
        for &other in graph.node(id).args.iter().filter(|a| graph.ty(**a).owner == Owner::Shared) {
            let (a, b) = (find(&leader, id), find(&leader, other));
            // The smaller id leads.
            leader.insert(a.max(b), a.min(b));
        }
    }
    let mut parts: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    for &id in nodes {
        parts.entry(find(&leader, id)).or_default().push(id);
    }
    let mut parts: Vec<Vec<Id>> = parts.into_values().collect();
    parts.sort();
    parts.into_iter().map(|nodes| Segment { nodes }).collect()
}

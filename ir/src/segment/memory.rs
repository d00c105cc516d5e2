//! How many bytes of shares a party holds at once.

use super::{Placed, Segment, is_protocol};
use crate::kernel::Lane;
use crate::kernel::build::Lanes;
use crate::ty::Owner;
use crate::{Graph, Id};

/// Bytes of the shared values that exist outside of kernels. Weights and inputs are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// At the widest moment.
    pub peak: u64,
    /// The protocol node at or after which that is.
    pub at: Option<Id>,
    /// If nothing were freed.
    pub total: u64,
}

/// Bytes of a value in its lane.
fn bytes(graph: &Graph, id: Id, lanes: Lanes) -> u64 {
    let ty = graph.ty(id);
    let lane = match (lanes, ty.as_fixed()) {
        (Lanes::Narrow, Some(f)) => Lane::of_ring(f.ring_bits),
        (Lanes::Wide, _) | (Lanes::Narrow, None) => Lane::U64,
    };
    ty.len() as u64 * lane.bytes() as u64
}

/// The memory of a program whose segments are placed: each value is freed after the last protocol or segment that reads
/// it.
#[must_use]
pub fn memory(graph: &Graph, segments: &[Segment], placed: &Placed, lanes: Lanes) -> Memory {
    // Events: for each protocol node itself, then the segments that follow it.
    let mut events: Vec<(Option<Id>, Vec<Id>)> = Vec::new();
    let follow = |events: &mut Vec<(Option<Id>, Vec<Id>)>, protocol| {
        for s in placed.following(protocol) {
            events.push((protocol, segments[s].nodes.clone()));
        }
    };
    follow(&mut events, None);
    for (id, _) in graph.iter().filter(|(id, _)| is_protocol(graph, *id)) {
        events.push((Some(id), vec![id]));
        follow(&mut events, Some(id));
    }
    let mut last = vec![0usize; graph.nodes.len()];
    let mut outside = vec![false; graph.nodes.len()];
    for (at, (_, nodes)) in events.iter().enumerate() {
        for &id in nodes {
            last[id.index()] = last[id.index()].max(at);
            outside[id.index()] |= nodes.len() == 1 && is_protocol(graph, id);
            for arg in &graph.node(id).args {
                last[arg.index()] = at;
                outside[arg.index()] |= nodes.binary_search(arg).is_err();
            }
        }
    }
    let mut freed: Vec<Vec<Id>> = vec![Vec::new(); events.len()];
    let (mut memory, mut live) = (Memory::default(), 0u64);
    for (at, (protocol, nodes)) in events.iter().enumerate() {
        let born = nodes.iter().copied();
        for id in born.filter(|id| outside[id.index()] && graph.ty(*id).owner == Owner::Shared) {
            live += bytes(graph, id, lanes);
            memory.total += bytes(graph, id, lanes);
            freed[last[id.index()].max(at)].push(id);
        }
        if live > memory.peak {
            (memory.peak, memory.at) = (live, *protocol);
        }
        live -= freed[at].iter().map(|&id| bytes(graph, id, lanes)).sum::<u64>();
    }
    memory
}

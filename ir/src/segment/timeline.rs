//! What a party does in one inference, in order, and when values are no longer needed.

use super::{Placed, Segment, is_local, is_protocol};
use crate::kernel::Lane;
use crate::kernel::construct::Lanes;
use crate::ty::Owner;
use crate::{Graph, Id};
use std::collections::BTreeMap;

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// A value that one party (or both) knows: a source, or computed without shares.
    Own(Id),
    /// A node that sends messages.
    Protocol(Id),
    /// The kernel of a segment.
    Segment(usize),
}

/// One thing to do, and the values that nothing needs after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub work: Work,
    pub frees: Vec<Id>,
}

/// Everything, in order. Values are those of single nodes and the outputs of segments; what a segment computes for
/// itself is none. Declared outputs are never freed.
#[must_use]
pub fn timeline(graph: &Graph, segments: &[Segment], placed: &Placed) -> Vec<Event> {
    let mut own: BTreeMap<Option<Id>, Vec<Id>> = BTreeMap::new();
    let mut after: Vec<Option<Id>> = vec![None; graph.nodes.len()];
    for (id, node) in graph.iter() {
        let latest = node.args.iter().filter_map(|a| after[a.index()]).max();
        let protocol = is_protocol(graph, id);
        after[id.index()] = if protocol { Some(id) } else { latest };
        if !protocol && !is_local(graph, id) {
            own.entry(latest).or_default().push(id);
        }
    }
    let protocols = graph.iter().map(|(id, _)| id).filter(|id| is_protocol(graph, *id));
    let mut events = Vec::new();
    for protocol in std::iter::once(None).chain(protocols.map(Some)) {
        events.extend(protocol.map(Work::Protocol));
        events.extend(own.get(&protocol).into_iter().flatten().map(|&id| Work::Own(id)));
        events.extend(placed.following(protocol).map(Work::Segment));
    }
    freed(graph, segments, placed, events)
}

/// Adds what each event frees.
fn freed(graph: &Graph, segments: &[Segment], placed: &Placed, events: Vec<Work>) -> Vec<Event> {
    // The event that makes a value or reads it last; `None` as long as it stays inside a segment.
    let mut last: Vec<Option<usize>> = vec![None; graph.nodes.len()];
    for (at, work) in events.iter().enumerate() {
        match work {
            Work::Own(id) | Work::Protocol(id) => {
                last[id.index()] = Some(at);
                graph.node(*id).args.iter().for_each(|a| last[a.index()] = Some(at));
            }
            Work::Segment(s) => {
                let args = segments[*s].nodes.iter().flat_map(|id| &graph.node(*id).args);
                for arg in args.filter(|a| placed.of[a.index()] != Some(*s)) {
                    last[arg.index()] = Some(at);
                }
            }
        }
    }
    graph.outputs.iter().for_each(|(_, id)| last[id.index()] = None);
    let mut events: Vec<Event> = events.into_iter().map(|work| Event { work, frees: Vec::new() }).collect();
    for (id, _) in graph.iter() {
        if let Some(at) = last[id.index()] {
            events[at].frees.push(id);
        }
    }
    events
}

/// Bytes of the shares that exist outside of kernels. Weights, inputs and what is revealed are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// At the widest moment.
    pub peak: u64,
    /// If nothing were freed.
    pub total: u64,
}

/// The memory of a program whose segments are placed, if shares lie in these lanes.
#[must_use]
pub fn memory(graph: &Graph, segments: &[Segment], placed: &Placed, lanes: Lanes) -> Memory {
    let bytes = |id: Id| {
        let ty = graph.ty(id);
        let lane = match (lanes, ty.as_fixed()) {
            (Lanes::Narrow, Some(f)) => Lane::of_ring(f.ring_bits),
            (Lanes::Wide, _) | (Lanes::Narrow, None) => Lane::U64,
        };
        let counted = ty.owner == Owner::Shared;
        if counted { ty.len() as u64 * lane.bytes() as u64 } else { 0 }
    };
    let events = timeline(graph, segments, placed);
    // What is freed somewhere is a value outside of segments.
    let mut value = vec![false; graph.nodes.len()];
    events.iter().flat_map(|e| &e.frees).for_each(|id| value[id.index()] = true);
    let (mut memory, mut live) = (Memory::default(), 0u64);
    for Event { work, frees } in &events {
        let one = |id: &Id| if value[id.index()] { bytes(*id) } else { 0 };
        let born: u64 = match work {
            Work::Own(id) | Work::Protocol(id) => one(id),
            Work::Segment(s) => segments[*s].nodes.iter().map(one).sum(),
        };
        live += born;
        memory.total += born;
        memory.peak = memory.peak.max(live);
        live -= frees.iter().map(|id| bytes(*id)).sum::<u64>();
    }
    memory
}

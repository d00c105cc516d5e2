//! Segments: which local nodes run together between two messages.
//!
//! A program lists, for its nodes that need no message and whose value is shared, which of them each party computes at
//! once; [`crate::kernel::construct`] makes one kernel of each list. Everything else runs node by node.
//!
//! ```text
//! protocols, in the order of their ids    P3      P9              P12
//! segments, in the order of the list   S0    S1 S2     (none)         S3
//! ```
//! A segment runs after the last protocol whose result it needs, itself or through earlier segments
//! ([`Placed::after`]). [`check`] refuses a list in which a segment needs a later one, or a protocol needs a segment
//! that runs after it; so no path leads out of a segment and back into it.

use crate::{Graph, Id};
use serde::{Deserialize, Serialize};

mod timeline;

pub use crate::locality::{is_local, is_protocol};
pub use timeline::{Event, Memory, Work, memory, timeline};

/// Nodes that run together, ids ascending.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Segment {
    pub nodes: Vec<Id>,
}

/// Why a list of segments is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    #[error("segment {segment} is empty")]
    Empty { segment: usize },
    #[error("segment {segment}: its nodes are not in ascending order")]
    Order { segment: usize },
    #[error("segment {segment}: %{} is not in the graph", id.0)]
    Unknown { segment: usize, id: Id },
    #[error("segment {segment}: %{} is not a local step on shares", id.0)]
    NotLocal { segment: usize, id: Id },
    #[error("%{} is in two segments", id.0)]
    Twice { id: Id },
    #[error("%{} is local and in no segment", id.0)]
    InNone { id: Id },
    #[error("segment {segment} needs segment {later}, which does not come before it")]
    Later { segment: usize, later: usize },
    #[error("segment {segment} runs after %{}, the one before it after %{}", after.map_or(0, |a| a.0), before.map_or(0, |b| b.0))]
    Unsorted { segment: usize, before: Option<Id>, after: Option<Id> },
    #[error("%{} needs segment {segment}, which runs after it", id.0)]
    TooLate { id: Id, segment: usize },
}

/// Where the segments of a program run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// For each segment the protocol node directly after which it runs; `None`: before all of them. Ascending.
    pub after: Vec<Option<Id>>,
    /// For each node its segment.
    pub of: Vec<Option<usize>>,
}

impl Placed {
    /// Segments that run directly after a protocol node, or before all of them, in order.
    pub fn following(&self, protocol: Option<Id>) -> std::ops::Range<usize> {
        self.after.partition_point(|a| *a < protocol)..self.after.partition_point(|a| *a <= protocol)
    }
}

/// Every local node alone: the plainest list, without fusion.
#[must_use]
pub fn one_each(graph: &Graph) -> Vec<Segment> {
    let mut after: Vec<Option<Id>> = vec![None; graph.nodes.len()];
    let mut found = Vec::new();
    for (id, node) in graph.iter() {
        let latest = node.args.iter().filter_map(|a| after[a.index()]).max();
        after[id.index()] = if is_protocol(graph, id) { Some(id) } else { latest };
        if is_local(graph, id) {
            found.push((latest, id));
        }
    }
    found.sort();
    found.into_iter().map(|(_, id)| Segment { nodes: vec![id] }).collect()
}

/// Checks the segments of a verified graph, and says where they run. The list may come from anybody.
pub fn check(graph: &Graph, segments: &[Segment]) -> Result<Placed, SegmentError> {
    let mut placed = Placed { after: Vec::with_capacity(segments.len()), of: vec![None; graph.nodes.len()] };
    for (segment, Segment { nodes }) in segments.iter().enumerate() {
        if nodes.is_empty() {
            return Err(SegmentError::Empty { segment });
        }
        if nodes.windows(2).any(|w| w[0] >= w[1]) {
            return Err(SegmentError::Order { segment });
        }
        for &id in nodes {
            if id.index() >= graph.nodes.len() {
                return Err(SegmentError::Unknown { segment, id });
            }
            if !is_local(graph, id) {
                return Err(SegmentError::NotLocal { segment, id });
            }
            if placed.of[id.index()].replace(segment).is_some() {
                return Err(SegmentError::Twice { id });
            }
        }
    }
    if let Some((id, _)) = graph.iter().find(|(id, _)| is_local(graph, *id) && placed.of[id.index()].is_none()) {
        return Err(SegmentError::InNone { id });
    }
    for (segment, Segment { nodes }) in segments.iter().enumerate() {
        let mut after = None;
        for &arg in nodes.iter().flat_map(|id| &graph.node(*id).args) {
            after = after.max(match placed.of[arg.index()] {
                Some(own) if own == segment => None,
                Some(later) if later > segment => return Err(SegmentError::Later { segment, later }),
                Some(earlier) => placed.after[earlier],
                None => is_protocol(graph, arg).then_some(arg),
            });
        }
        if let Some(&before) = placed.after.last()
            && after < before
        {
            return Err(SegmentError::Unsorted { segment, before, after });
        }
        placed.after.push(after);
    }
    for (id, node) in graph.iter().filter(|(id, _)| is_protocol(graph, *id)) {
        let late = node.args.iter().filter_map(|a| placed.of[a.index()]).find(|&s| placed.after[s] >= Some(id));
        if let Some(segment) = late {
            return Err(SegmentError::TooLate { id, segment });
        }
    }
    Ok(placed)
}

//! The order of a model's data: its layers, and the places where the results of several of them meet.
//!
//! ```text
//!   relu1 ──> conv2 ──> relu2 ──> conv3 ──> [add] ──> relu3
//!     └───────────────────────────────────────┘   a skip connection: `add` sends nothing and reads two layers
//! ```

use super::Layer;
use picc_ir::mpc::schedule::ProgramCost;
use picc_ir::{Graph, Node};
use std::collections::{BTreeMap, BTreeSet};

/// A layer with messages, or a local step in which results of several layers meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Which layer of the report; `None` for a local step.
    pub layer: Option<usize>,
    pub name: String,
    pub kind: &'static str,
    pub shape: String,
    /// Earlier stops whose results it reads, by index.
    pub reads: Vec<usize>,
}

/// Name of the ONNX node that a node computes, or of its operator.
pub(super) fn name(node: &Node) -> &str {
    if node.name.is_empty() { node.op.name() } else { &node.name }
}

/// Stops in the order of the data: what one reads comes before it.
pub(super) fn flow(graph: &Graph, cost: &ProgramCost, layers: &[Layer]) -> Vec<Stop> {
    let of_layer: BTreeMap<&str, usize> = layers.iter().enumerate().map(|(i, l)| (l.name.as_str(), i)).collect();
    let mut stops: Vec<Stop> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    // For each node the stops that its value comes from, through local nodes.
    let mut sources: Vec<BTreeSet<usize>> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let of = |a: &picc_ir::Id| sources[a.index()].clone();
        let read: BTreeSet<usize> = node.args.iter().flat_map(of).collect();
        let sends = cost.nodes[id.index()].rounds > 0;
        // Results meet where no argument alone comes from all of them.
        let meet = read.len() > 1 && node.args.iter().all(|a| sources[a.index()].len() < read.len());
        let name = name(node);
        if !sends && !meet {
            sources.push(read);
            continue;
        }
        // A local step of a layer, as the sum inside a product, belongs to its layer.
        let known = places.get(name).copied().filter(|&p| stops[p].layer.is_some());
        let place = known.unwrap_or(stops.len());
        if known.is_none() {
            places.insert(name, place);
            stops.push(Stop {
                layer: if sends { of_layer.get(name).copied() } else { None },
                name: name.to_owned(),
                kind: node.op.name(),
                shape: super::costs::shape(&node.ty),
                reads: Vec::new(),
            });
        }
        // A name that is used again later reads what comes after its first step: such a line is not drawn.
        let new: Vec<usize> = read.into_iter().filter(|r| *r < place && !stops[place].reads.contains(r)).collect();
        stops[place].reads.extend(new);
        sources.push(BTreeSet::from([place]));
    }
    stops
}

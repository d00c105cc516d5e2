//! Which names of an ONNX graph its outputs depend on.

use onnx_protobuf::{GraphProto, NodeProto};
use std::collections::HashSet;

/// Names that the model's outputs depend on.
pub(super) fn used(graph: &GraphProto) -> HashSet<&str> {
    needed(&graph.node, graph.output.iter().map(|o| o.name.as_str()))
}

/// Values that no layer with weights follows. Of functions and branches nothing is said.
pub(super) fn at_the_end(graph: &GraphProto) -> HashSet<&str> {
    let layer = |n: &NodeProto| {
        let linear = ["Conv", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "Attention", "Einsum"];
        linear.iter().any(|l| n.op_type.contains(l)) || n.attribute.iter().any(|a| a.g.is_some())
    };
    let mut inside: HashSet<&str> = HashSet::new();
    let mut ends: HashSet<&str> = HashSet::new();
    for node in graph.node.iter().rev() {
        let followed = node.output.iter().any(|o| inside.contains(o.as_str()));
        if !followed {
            ends.extend(node.output.iter().map(String::as_str));
        }
        if followed || layer(node) {
            inside.extend(node.input.iter().map(String::as_str));
        }
    }
    ends
}

/// Names that the outputs depend on.
pub(super) fn needed<'m>(nodes: &'m [NodeProto], outputs: impl Iterator<Item = &'m str>) -> HashSet<&'m str> {
    let mut needed: HashSet<&str> = outputs.collect();
    for node in nodes.iter().rev() {
        if node.output.iter().any(|o| needed.contains(o.as_str())) {
            needed.extend(node.input.iter().map(String::as_str));
            captured(node, &mut needed);
        }
    }
    needed
}

/// Names that a node's subgraphs may take from around it. Nesting is bounded by the parser.
fn captured<'m>(node: &'m NodeProto, names: &mut HashSet<&'m str>) {
    for graph in node.attribute.iter().flat_map(|a| a.g.as_ref().into_iter().chain(&a.graphs)) {
        names.extend(graph.output.iter().map(|o| o.name.as_str()));
        for inner in &graph.node {
            names.extend(inner.input.iter().map(String::as_str));
            captured(inner, names);
        }
    }
}

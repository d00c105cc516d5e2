//! A scale by the server's weights that no linear layer took in becomes a depthwise 1x1 convolution.
//!
//! DenseNet's batch norm stands before its ReLU: `x * s` with one secret `s` for each channel. As a convolution of
//! `[outer, channels, inner, 1]` it runs in the protocol that the other linear layers use.

use crate::canonicalize::along;
use crate::error::Result;
use crate::graph_edit::{Builder, known, prune};
use picc_ir::op::Op;
use picc_ir::ops::{Conv, Reshape, Weight};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};

pub(crate) fn depthwise(graph: &Graph, weights: &mut RealWeights) -> Result<Graph> {
    let mut b = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(graph.nodes.len());
    for (_, node) in graph.iter() {
        let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        let scale = match (&node.op, &node.args[..]) {
            (Op::Mul(_), &[x, s]) if matches!(graph.node(s).op, Op::Weight(_)) => {
                channel_scale(graph, weights, x, s, &node.ty)?
            }
            _ => None,
        };
        let id = match scale {
            Some((axis, values)) => {
                let w = per_channel_weight(&mut b, weights, graph, node.args[1], values)?;
                scaled(&mut b, args[0], w, axis, &node.ty, &node.name)?
            }
            None => b.add(node.op.clone(), &args, &node.name)?,
        };
        map.push(id);
    }
    b.graph.outputs = graph.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok(prune(&b.graph))
}

/// The axis that the weights run along, and one weight for each of its positions.
fn channel_scale(graph: &Graph, weights: &RealWeights, x: Id, s: Id, ty: &Ty) -> Result<Option<(usize, Vec<f32>)>> {
    let Some(values) = known(graph, weights, s)? else { return Ok(None) };
    if graph.ty(x).shape != ty.shape {
        return Ok(None);
    }
    let rank = ty.shape.len();
    Ok((1..rank).chain([0]).filter(|&a| a < rank).find_map(|a| along(&values, &ty.shape, a).map(|v| (a, v))))
}

fn per_channel_weight(
    b: &mut Builder,
    weights: &mut RealWeights,
    graph: &Graph,
    s: Id,
    values: Vec<f32>,
) -> Result<Id> {
    let Op::Weight(weight) = &graph.node(s).op else { return b.add(graph.node(s).op.clone(), &[], "") };
    let shape = [values.len(), 1, 1, 1];
    let name = format!("{}:{}x1x1x1", weight.name, values.len());
    weights.insert(name.clone(), Tensor::new(&shape, values));
    b.add(Weight { name, ty: Ty::real(&shape, Owner::Server) }, &[], &graph.node(s).name)
}

fn scaled(b: &mut Builder, x: Id, w: Id, axis: usize, ty: &Ty, name: &str) -> Result<Id> {
    let channels = ty.shape[axis];
    let conv = Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups: channels };
    if axis == 1 && ty.shape.len() == 4 {
        return b.add(conv, &[x, w], name);
    }
    let outer = ty.shape[..axis].iter().product();
    let inner = ty.shape[axis + 1..].iter().product();
    let x = b.add(Reshape { shape: vec![outer, channels, inner, 1] }, &[x], name)?;
    let y = b.add(conv, &[x, w], name)?;
    b.add(Reshape { shape: ty.shape.to_vec() }, &[y], name)
}

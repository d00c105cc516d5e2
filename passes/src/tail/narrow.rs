//! Only the elements that an output needs are revealed.
//!
//! ```text
//! value -> reveal -> function -> slice        becomes    value -> picked elements -> reveal -> in their places, zero
//!                                                        elsewhere -> function -> slice
//! ```

use super::trace::Shown;
use crate::error::Result;
use crate::graph_edit::{Builder, real_const};
use picc_ir::ops::{Concat, Gather, Input, Reshape};
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use std::collections::BTreeMap;

/// Core and tail with the elements that no output needs left out; `sources` are the tail's inputs with their values in
/// the core.
pub(super) fn needed_only(
    core: Graph,
    tail: Graph,
    shown: &[Shown],
    sources: &[(Id, Id)],
) -> Result<(Graph, Graph)> {
    let partial: BTreeMap<Id, (&Shown, Id)> = shown
        .iter()
        .zip(sources)
        .filter(|(s, (_, c))| s.needed.contains(&false) && core.ty(*c).owner != Owner::Client)
        .map(|(s, (t, c))| (*t, (s, *c)))
        .collect();
    if partial.is_empty() {
        return Ok((core, tail));
    }
    let mut chosen = Builder::default();
    let mut copied = Vec::with_capacity(core.nodes.len());
    for (_, node) in core.iter() {
        let args: Vec<Id> = node.args.iter().map(|a: &Id| copied[a.index()]).collect();
        copied.push(chosen.add(node.op.clone(), &args, &node.name)?);
    }
    let mut outputs: Vec<(String, Id)> =
        core.outputs.iter().map(|(name, id)| (name.clone(), copied[id.index()])).collect();
    let mut client = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(tail.nodes.len());
    for (id, node) in tail.iter() {
        let Some((shown, value)) = partial.get(&id) else {
            let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
            map.push(client.add(node.op.clone(), &args, &node.name)?);
            continue;
        };
        let picked: Vec<u32> = (0u32..).zip(&shown.needed).filter(|(_, needed)| **needed).map(|(i, _)| i).collect();
        let name = &node.name;
        let output = outputs.iter().position(|(_, v)| *v == copied[value.index()]);
        let (Some(at), false) = (output, picked.is_empty()) else {
            // Nothing of it is needed.
            outputs.retain(|(_, v)| *v != copied[value.index()]);
            map.push(client.add(real_const(&Tensor::full(&node.ty.shape, 0.0)), &[], name)?);
            continue;
        };
        let flat = chosen.add(Reshape { shape: vec![shown.needed.len()] }, &[copied[value.index()]], name)?;
        outputs[at].1 = chosen.add(Gather { axis: 0, indices: picked.clone() }, &[flat], name)?;
        let ty = Ty::real(&[picked.len()], Owner::Client);
        let input = client.add(Input { name: outputs[at].0.clone(), ty }, &[], name)?;
        let zero = client.add(real_const(&Tensor::full(&[1], 0.0)), &[], name)?;
        let with_zero = client.add(Concat { axis: 0 }, &[input, zero], name)?;
        let last = u32::try_from(picked.len()).unwrap_or(u32::MAX);
        let mut places = 0u32..;
        let indices = shown.needed.iter().map(|&n| if n { places.next().unwrap_or(last) } else { last }).collect();
        let placed = client.add(Gather { axis: 0, indices }, &[with_zero], name)?;
        map.push(client.add(Reshape { shape: node.ty.shape.to_vec() }, &[placed], name)?);
    }
    let mut core = chosen.graph;
    core.outputs = outputs;
    let mut rest = client.graph;
    rest.outputs = tail.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok((core, rest))
}

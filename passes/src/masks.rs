//! Masks before a softmax that the client computes: constants of -10^9 or -3.4e38 that stand for minus infinity.
//!
//! No ring holds them. A masked logit needs to lie only so far below the others that its exponential is nothing, so the
//! constant becomes `-2^k`, four times as large as any other value there and larger than 64.

use crate::error::Result;
use crate::graph_edit::{Builder, known, prune, real_const};
use picc_ir::op::Op;
use picc_ir::ops::Weight;
use picc_ir::tensor::broadcast;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Tensor, Ty};

/// Constants below this are masks.
const MASK: f32 = -1e6;

/// A sum `x + constant` whose constant masks elements of a softmax.
struct Masked {
    sum: Id,
    x: Id,
    constant: Id,
}

/// Whether there is a mask.
pub(crate) fn has_masks(core: &Graph, tail: &Graph, weights: &RealWeights) -> Result<bool> {
    masked(core, tail, weights).map(|found| !found.is_empty())
}

/// The secure part with masks that a ring holds; `largest` bounds its values.
pub(crate) fn within_reach(
    core: Graph,
    tail: &Graph,
    weights: &mut RealWeights,
    largest: impl Fn(Id) -> f32,
) -> Result<Graph> {
    let found = masked(&core, tail, weights)?;
    let mut b = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(core.nodes.len());
    for (id, node) in core.iter() {
        let mut args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        if let Some(mask) = found.iter().find(|m| m.sum == id) {
            let values = known(&core, weights, mask.constant)?.unwrap_or_default().into_owned();
            let rest = values.data.iter().filter(|v| **v > MASK).fold(largest(mask.x), |m, v| m.max(v.abs()));
            let low = -(4.0 * rest + 64.0).log2().ceil().exp2();
            let values = values.map(|&v| if v <= MASK { low } else { v });
            let at = node.args.iter().position(|a| *a == mask.constant).unwrap_or(1);
            let name = &core.node(mask.constant).name;
            args[at] = match &core.node(mask.constant).op {
                Op::Weight(w) => {
                    let fresh = (2..).map(|n| format!("{}.{n}", w.name)).find(|n| !weights.contains_key(n));
                    let fresh = fresh.unwrap_or_default();
                    weights.insert(fresh.clone(), values);
                    b.add(Weight { name: fresh, ty: w.ty.clone() }, &[], name)?
                }
                _ => b.add(real_const(&values), &[], name)?,
            };
        }
        map.push(b.add(node.op.clone(), &args, &node.name)?);
    }
    let outputs = core.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok(prune(&Graph { outputs, ..b.graph }))
}

fn masked(core: &Graph, tail: &Graph, weights: &RealWeights) -> Result<Vec<Masked>> {
    let mut found = Vec::new();
    for (name, sum) in &core.outputs {
        let Some(axis) = softmax_of(tail, name) else { continue };
        let (Op::Add(_), &[a, b]) = (&core.node(*sum).op, &core.node(*sum).args[..]) else { continue };
        let used = core.nodes.iter().flat_map(|n| &n.args).filter(|a| *a == sum).count();
        let named = core.outputs.iter().filter(|(_, o)| o == sum).count();
        if used > 0 || named > 1 {
            continue;
        }
        for (x, constant) in [(a, b), (b, a)] {
            let Some(values) = known(core, weights, constant)? else { continue };
            let masks = values.data.iter().any(|&v| v <= MASK);
            if masks && some_stay(&values, core.ty(*sum), axis) {
                found.push(Masked { sum: *sum, x, constant });
            }
        }
    }
    Ok(found)
}

/// The axis of the softmax that is all the client does with a value.
fn softmax_of(tail: &Graph, name: &str) -> Option<usize> {
    let (input, _) = tail.iter().find(|(_, n)| matches!(&n.op, Op::Input(i) if i.name == name))?;
    if tail.outputs.iter().any(|(_, o)| *o == input) {
        return None;
    }
    let mut axes = tail.nodes.iter().filter(|n| n.args.contains(&input)).map(|n| match &n.op {
        Op::Softmax(s) => Some(s.axis),
        _ => None,
    });
    let first = axes.next()??;
    axes.all(|axis| axis == Some(first)).then_some(first)
}

/// Whether every softmax has an element that is not masked: else what it gives depends on the mask's size.
fn some_stay(mask: &Tensor<f32>, ty: &Ty, axis: usize) -> bool {
    if broadcast(&mask.shape, &ty.shape).as_deref() != Some(&ty.shape[..]) {
        return false;
    }
    // Along axes that the mask does not have it is the same; the softmax's own axis may be one of them.
    let Some(own) = (axis + mask.shape.len()).checked_sub(ty.shape.len()) else { return false };
    let (extent, inner) = (mask.shape[own], mask.shape[own + 1..].iter().product::<usize>().max(1));
    (0..mask.data.len() / (extent * inner))
        .all(|outer| (0..inner).all(|i| (0..extent).any(|k| mask.data[(outer * extent + k) * inner + i] > MASK)))
}

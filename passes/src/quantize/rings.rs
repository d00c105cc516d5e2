//! Which ring each value lives in.
//!
//! Three facts decide: a comparison costs several bytes for each bit of its ring; an extension costs one OT for each
//! element, whatever the distance; a reduction is free. So
//!
//! * comparisons run in the shortest ring that holds what is compared;
//! * a product is truncated into the ring that its users want, as it may choose the ring that it accumulates in;
//! * a value is extended once, to the largest ring that any user wants, and reduced for the others: a skip connection
//!   past a convolution costs nothing beyond the convolution's own extension.
//!
//! With `--ring` there is one ring for everything and nothing to decide.

use super::bits_for;
use super::plan::{Format, MAX_OT_RING, Plan, too_uniform};
use crate::error::{CompileError, Result};
use crate::graph_edit::{is_known, uses};
use crate::ranges::Bound;
use picc_ir::facts::Movement;
use picc_ir::op::Op;
use picc_ir::{Graph, Id};

/// Shorter rings save nothing worth a special case.
const MIN_RING: u8 = 8;
/// Units of the last place by which truncations may push a value over its proven bound.
pub(super) const SLACK: f64 = 16.0;

/// Bits of each value beside its sign, at its fraction.
pub(super) fn magnitudes(graph: &Graph, bounds: &[Bound], frac: &[u8]) -> Result<Vec<u8>> {
    let mut all = Vec::with_capacity(bounds.len());
    for (id, node) in graph.iter() {
        let scale = f64::from(frac[id.index()]).exp2();
        let bits = bits_for(f64::from(bounds[id.index()].max_abs()) * scale + SLACK);
        if bits + 2 > u32::from(MAX_OT_RING) && !is_known(graph, id) {
            return Err(CompileError::RingTooSmall {
                node: node.name.clone(),
                needed: bits + 2,
                ring: MAX_OT_RING,
                way_out: "calibrate with real inputs, or normalise the input".to_owned(),
            });
        }
        all.push(u8::try_from(bits).unwrap_or(u8::MAX));
    }
    Ok(all)
}

/// The ring of each value, with one spare bit: differences do not wrap, and an offset makes the sign known.
pub(super) fn rings(graph: &Graph, bits: &[u8], format: &Format) -> Result<Vec<u8>> {
    if let Some(ring) = format.uniform {
        for (id, node) in graph.iter().filter(|(id, _)| !is_known(graph, *id)) {
            let needed = u32::from(bits[id.index()]) + 2;
            if needed > u32::from(ring) {
                return Err(too_uniform(&node.name, needed, ring));
            }
        }
        return Ok(vec![ring; graph.nodes.len()]);
    }
    let biased = biased(graph);
    let needs: Vec<u8> = graph
        .iter()
        .map(|(id, _)| if biased[id.index()] { 0 } else { MIN_RING.max(bits[id.index()] + 2) })
        .collect();
    let mut ring = vec![0; graph.nodes.len()];
    let mut wanted = vec![0; graph.nodes.len()];
    let extended = extended(graph);
    for (id, node) in graph.iter().collect::<Vec<_>>().into_iter().rev() {
        let i = id.index();
        let args = || node.args.iter().filter(|&&a| !is_known(graph, a)).map(|a| a.index());
        ring[i] = if compares(&node.op) {
            let own = args().map(|a| needs[a]).fold(needs[i], u8::max);
            // One bit more costs no more than an extension that nobody else needs, and saves its rounds.
            if !extended[i] && wanted[i] == own + 1 { wanted[i] } else { own }
        } else {
            needs[i].max(wanted[i])
        };
        if passes_ring(&node.op) {
            args().for_each(|a| wanted[a] = wanted[a].max(ring[i]));
        }
    }
    Ok(ring)
}

/// For each node the largest ring that a user wants it in.
pub(super) fn demands(graph: &Graph, plan: &Plan) -> Vec<u8> {
    let ring = &plan.ring;
    let mut demand = vec![0; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let wanted = match (&node.op, plan.product[i]) {
            (_, Some(product)) => product.ring,
            (Op::SumPool(_) | Op::ReduceSum(_), None) => sum_ring(plan, node.args[0], i, demand[i]),
            (op, None) if is_moved(op) || matches!(op, Op::Neg(_)) => ring[i].max(demand[i]),
            _ => ring[i],
        };
        node.args.iter().for_each(|a| demand[a.index()] = demand[a.index()].max(wanted));
    }
    demand
}

/// Ring in which windows are summed: that of the result if the argument has as many bits, else, as the argument must
/// be extended anyway, the one that the result is wanted in.
///
/// The sum is taken at the fraction of its argument `arg`; a result at fewer bits is truncated afterwards.
pub(super) fn sum_ring(plan: &Plan, arg: Id, result: usize, wanted: u8) -> u8 {
    let more = plan.frac[arg.index()].saturating_sub(plan.frac[result]);
    let own = plan.ring[result] + more;
    if plan.ring[arg.index()] >= own || more > 0 { own } else { own.max(wanted) }
}

/// Values that are extended for a product or a sum over windows, so that joins find them in a larger ring.
fn extended(graph: &Graph) -> Vec<bool> {
    let mut extended = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let here = match &node.op {
            Op::Conv(_) | Op::MatMul(_) | Op::Mul(_) | Op::SumPool(_) | Op::ReduceSum(_) => true,
            op => passes_ring(op) && !compares(op) && !matches!(op, Op::Add(_) | Op::Sub(_)) && extended[i],
        };
        if here {
            node.args.iter().for_each(|a| extended[a.index()] = true);
        }
    }
    extended
}

/// Products that only a bias is added to: nobody looks at them before.
fn biased(graph: &Graph) -> Vec<bool> {
    let uses = uses(graph);
    let mut biased = vec![false; graph.nodes.len()];
    for (_, node) in graph.iter() {
        if let (Op::Add(_), &[y, b]) = (&node.op, &node.args[..])
            && is_known(graph, b)
            && uses[y.index()] == 1
            && matches!(graph.node(y).op, Op::Conv(_) | Op::MatMul(_) | Op::Mul(_))
        {
            biased[y.index()] = true;
        }
    }
    biased
}

/// Compares what it is given: its ring is that of its arguments.
fn compares(op: &Op) -> bool {
    matches!(op, Op::Relu(_) | Op::Max(_) | Op::MaxPool(_) | Op::ReduceMax(_) | Op::ArgMax(_))
}

/// Takes its arguments in the ring of its result, at its fraction.
fn passes_ring(op: &Op) -> bool {
    compares(op) || is_moved(op) || matches!(op, Op::Add(_) | Op::Sub(_) | Op::Neg(_))
}

/// Only moves elements.
pub(super) fn is_moved(op: &Op) -> bool {
    op.facts().movement != Movement::None
}

//! Two sums of products that meet get one fraction, so that they are added as they are and truncated once.
//!
//! Weights have as many fraction bits as they hold, so that products that meet (a layer and the layer on its skip
//! connection) would differ by a few bits. The one with more gives up bits of its weights, as long as those keep
//! enough.

use super::plan::{Format, Plan, factor, least_weight_frac};
use crate::error::Result;
use crate::graph_edit::{is_known, known};
use picc_ir::op::Op;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id};
use std::collections::BTreeSet;

/// Takes bits off the weights of products that meet others with fewer.
pub(super) fn sums(graph: &Graph, weights: &RealWeights, format: &Format, plan: &mut Plan) -> Result<()> {
    // Fractions of values that are raw when they are computed: products with known factors, and sums of such.
    let mut raw: Vec<Option<u8>> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let terms = secrets(graph, id);
        let frac = match (&node.op, &terms[..]) {
            (Op::Add(_) | Op::Sub(_), &[x]) => raw[x.index()],
            (Op::Add(_) | Op::Sub(_), &[x, y]) => {
                if let (Some(a), Some(b)) = (raw[x.index()], raw[y.index()])
                    && a != b
                {
                    let wide = if a > b { x } else { y };
                    give_up(graph, weights, plan, &mut raw, wide, a.abs_diff(b))?;
                }
                raw[x.index()].filter(|&a| raw[y.index()] == Some(a))
            }
            _ => factor(graph, id)
                .zip(plan.product[id.index()])
                .map(|((x, _), product)| plan.operand_frac(graph, format, x) + product.factor_frac),
        };
        raw.push(frac.filter(|&f| f > plan.frac[id.index()]));
    }
    Ok(())
}

/// Takes `bits` off all weights under the sum `wide`, or off none: half-way it would be truncated twice all the same.
fn give_up(
    graph: &Graph,
    weights: &RealWeights,
    plan: &mut Plan,
    raw: &mut [Option<u8>],
    wide: Id,
    bits: u8,
) -> Result<()> {
    let mut open = vec![wide];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let (Some((_, w)), Some(product)) = (factor(graph, id), plan.product[id.index()]) else {
            open.extend(secrets(graph, id));
            continue;
        };
        let values = known(graph, weights, w)?.unwrap_or_default();
        let largest = values.data.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        if i32::from(product.factor_frac) - i32::from(bits) < least_weight_frac(largest).max(0) {
            return Ok(());
        }
    }
    for id in seen {
        let i = id.index();
        if let Some(product) = &mut plan.product[i] {
            product.factor_frac -= bits;
            product.ring = product.ring.saturating_sub(bits).max(plan.ring[i]);
        }
        raw[i] = raw[i].map(|frac| frac - bits);
    }
    Ok(())
}

fn secrets(graph: &Graph, id: Id) -> Vec<Id> {
    graph.node(id).args.iter().copied().filter(|&a| !is_known(graph, a)).collect()
}

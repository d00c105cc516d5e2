//! Puts windows of bits into the comparisons of a lowered graph.
//!
//! A window changes neither the type of a comparison nor anybody's ring, so it is decided after everything else, on the
//! mpc graph, under whichever protocols were chosen before.

use crate::egraph::Prices;
use crate::error::Result;
use crate::graph_edit::Builder;
use picc_ir::cost::profile::Profile;
use picc_ir::mpc::{MAX_RADIX, MaxPoolOt, ReluOt};
use picc_ir::op::{MpcOp, Op};
use picc_ir::ops::Assume;
use picc_ir::ty::ring_limits;
use picc_ir::{Fixed, Graph, Id, Ty};
use std::collections::BTreeMap;

/// Fewest bits that a comparison keeps, its sign included. The lost carry takes `2^skip_low` values from the bottom of
/// the ring; with four bits left that is an eighth of the negative ones.
const KEPT: u8 = 4;

/// Lets the comparisons of each named node leave out its low bits, as far as their ring allows. Under a profile the
/// radix is chosen again, by price.
pub(crate) fn with_windows_of_bits(
    graph: &Graph,
    windows: &BTreeMap<String, u8>,
    profile: Option<&Profile>,
) -> Result<Graph> {
    if windows.is_empty() {
        return Ok(graph.clone());
    }
    let mut prices = profile.map(Prices::new);
    let mut b = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(graph.nodes.len());
    for (_, node) in graph.iter() {
        let mut args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        let skip_low = windows.get(&node.name).copied().unwrap_or(0);
        let mut op = node.op.clone();
        if let (Some(most), Some(f)) = (largest_window(&op, args.first().map(|&a| b.ty(a))), fixed(&b, &args)) {
            let skip_low = skip_low.min(most);
            if let Some((lo, hi)) = claim(&op, f, skip_low) {
                args[0] = b.add(Assume { lo, hi }, &args, &node.name)?;
            }
            op = windowed(&op, skip_low, None);
            if let (Some(prices), true) = (&mut prices, skip_low > 0) {
                let arg = b.ty(args[0]);
                let candidates = (1..=MAX_RADIX).map(|radix| windowed(&op, skip_low, Some(radix)));
                let priced = candidates.filter_map(|op| Some((prices.of(&op, &[arg], &node.ty)?.picos, op)));
                op = priced.min_by_key(|(picos, _)| *picos).map_or(op, |(_, op)| op);
            }
        }
        map.push(b.add(op, &args, &node.name)?);
    }
    let outputs = graph.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok(Graph { outputs, ..b.graph })
}

fn fixed(b: &Builder, args: &[Id]) -> Option<Fixed> {
    args.first().and_then(|&a| b.ty(a).as_fixed())
}

/// Most low bits that a comparison of values of type `x` can leave out; `None` for what has no window.
pub(super) fn largest_window(op: &Op, x: Option<&Ty>) -> Option<u8> {
    let f = x?.as_fixed()?;
    let compares = matches!(op, Op::Mpc(MpcOp::ReluOt(_)) | Op::Mpc(MpcOp::MaxPoolOt(_)));
    compares.then(|| f.ring_bits.saturating_sub(KEPT))
}

/// The range that must be claimed so that the lost carry does not leave the ring, if the type does not say it.
fn claim(op: &Op, f: Fixed, skip_low: u8) -> Option<(i64, i64)> {
    let least = ring_limits(f.ring_bits).0 + (1 << skip_low);
    // A pool compares differences.
    let (lo, hi) = if let Op::Mpc(MpcOp::MaxPoolOt(_)) = op { (least / 2, -(least / 2)) } else { (least, f.hi) };
    let claim = (f.lo.max(lo), f.hi.min(hi));
    (skip_low > 0 && claim != (f.lo, f.hi) && claim.0 <= claim.1).then_some(claim)
}

/// The comparison without its low bits.
pub(super) fn windowed(op: &Op, skip_low: u8, radix: Option<u8>) -> Op {
    match op {
        Op::Mpc(MpcOp::ReluOt(r)) => ReluOt { skip_low, radix: radix.unwrap_or(r.radix) }.into(),
        Op::Mpc(MpcOp::MaxPoolOt(p)) => MaxPoolOt { skip_low, radix: radix.unwrap_or(p.radix), ..p.clone() }.into(),
        op => op.clone(),
    }
}

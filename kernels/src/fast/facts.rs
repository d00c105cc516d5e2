//! Ranges that hold whatever the inputs are.
//!
//! A type's range may rest on an `assume`, a claim that a value can break; the interpreter then goes on with the value
//! as it is. Here claims are looked through, so that arithmetic chosen by a range is exact in any case. A protocol that
//! may be off by one may be so at the end of the range.

use picc_ir::eval::Shares;
use picc_ir::op::MpcOp;
use picc_ir::{Elem, Fixed, Graph, Node, Op, Ty};

/// For each node that is an integer: its ring, and a range that its values never leave.
pub(super) fn facts(graph: &Graph) -> Vec<Option<Fixed>> {
    let mut tys: Vec<Ty> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        tys.push(sound(node, &tys));
    }
    tys.iter().map(Ty::as_fixed).collect()
}

fn sound(node: &Node, tys: &[Ty]) -> Ty {
    let Some(stated) = node.ty.as_fixed() else { return node.ty.clone() };
    let args: Option<Vec<&Ty>> = node.args.iter().map(|a| tys.get(a.index())).collect();
    let inferred = match (&node.op, args.as_deref()) {
        (Op::Input(_) | Op::Weight(_) | Op::Const(_), _) => return node.ty.clone(),
        (Op::Assume(_), Some(&[x])) => x.as_fixed(),
        (op, Some(args)) => op.infer(args).ok().and_then(|ty| ty.as_fixed()),
        (_, None) => None,
    };
    // A protocol refuses what its claim would have allowed: then only the ring is known.
    let range = inferred.filter(|f| f.ring_bits == stated.ring_bits);
    let full = Fixed::full(stated.ring_bits, stated.frac_bits);
    let range = range.unwrap_or(full);
    let off = i64::from(Shares::tosses(&node.op) || matches!(node.op, Op::Mpc(MpcOp::TruncReduceLocal(_))));
    let (lo, hi) = (range.lo.saturating_sub(off).max(full.lo), range.hi.saturating_add(off).min(full.hi));
    node.ty.with_elem(Elem::Fixed(Fixed { lo, hi, ..range }))
}

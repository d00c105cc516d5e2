//! Shape operations that change nothing, or that compose.

use super::Rewriter;
use crate::error::Result;
use picc_ir::Id;
use picc_ir::op::Op;
use picc_ir::ops::{Reshape, Transpose};

/// An operation that returns its argument is its argument.
pub(super) fn identity(r: &mut Rewriter, op: &Op, args: &[Id], _name: &str) -> Result<Option<Id>> {
    let Some(&x) = args.first() else { return Ok(None) };
    let shape = r.shape(x);
    let same = match op {
        Op::Reshape(o) => o.shape[..] == *shape,
        Op::Expand(o) => o.shape[..] == *shape,
        Op::Transpose(o) => o.perm.iter().enumerate().all(|(i, &p)| i == p),
        Op::Slice(o) => o.size[..] == *shape && o.step.iter().all(|&s| s == 1),
        Op::Pad(o) => o.before.iter().chain(&o.after).all(|&p| p == 0),
        Op::ZeroInsert(o) => o.factor.iter().all(|&f| f == 1),
        Op::Gather(o) => {
            o.indices.len() == shape.get(o.axis).copied().unwrap_or(0)
                && o.indices.iter().enumerate().all(|(i, &j)| i == j as usize)
        }
        Op::Concat(_) => args.len() == 1,
        Op::SumPool(o) => o.kernel == [1, 1] && o.stride == [1, 1] && o.pads == [0; 4],
        Op::MaxPool(o) => o.kernel == [1, 1] && o.stride == [1, 1] && o.pads == [0; 4],
        _ => false,
    };
    Ok(same.then_some(x))
}

/// The outer shape counts.
pub(super) fn reshape_of_reshape(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    match (op, args.first().map(|&x| (r.op(x), r.args(x)))) {
        (Op::Reshape(_), Some((Op::Reshape(_), &[x]))) => r.emit(op.clone(), &[x], name).map(Some),
        _ => Ok(None),
    }
}

/// Permutations compose; one that only moves axes of extent 1 is a reshape.
pub(super) fn transpose_of_transpose(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::Transpose(outer), &[x]) = (op, args) else { return Ok(None) };
    if let (Op::Transpose(inner), &[y]) = (r.op(x), r.args(x)) {
        let perm = outer.perm.iter().map(|&p| inner.perm[p]).collect();
        return r.emit(Transpose { perm }, &[y], name).map(Some);
    }
    let long: Vec<usize> = outer.perm.iter().copied().filter(|&p| r.shape(x)[p] != 1).collect();
    if long.is_sorted() {
        let shape = outer.perm.iter().map(|&p| r.shape(x)[p]).collect();
        return r.emit(Reshape { shape }, &[x], name).map(Some);
    }
    Ok(None)
}

/// A sum or maximum over axes of extent 1 is a reshape.
pub(super) fn sum_of_one(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (axes, keep) = match op {
        Op::ReduceSum(o) => (&o.axes, o.keep),
        Op::ReduceMax(o) => (&o.axes, o.keep),
        _ => return Ok(None),
    };
    let shape = r.shape(args[0]);
    if !axes.iter().all(|&a| shape.get(a) == Some(&1)) {
        return Ok(None);
    }
    let kept = shape.iter().enumerate().filter(|(i, _)| keep || !axes.contains(i)).map(|(_, &d)| d).collect();
    r.emit(Reshape { shape: kept }, args, name).map(Some)
}

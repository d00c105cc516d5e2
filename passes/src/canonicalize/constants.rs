//! Constant folding, and constants in their canonical place.

use super::Rewriter;
use crate::error::{CompileError, Result};
use crate::graph_edit::scalar_const;
use picc_ir::op::Op;
use picc_ir::ops::ConstValue;
use picc_ir::tensor::broadcast;
use picc_ir::{Id, Owner, Tensor, Ty};
use std::borrow::Cow;

/// An operation whose arguments are all weights or constants is computed now.
pub(super) fn fold(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    if args.is_empty() || !args.iter().all(|&a| r.is_known(a)) {
        return Ok(None);
    }
    let fail = |source| CompileError::Type { node: name.to_owned(), op: op.name(), source };
    let values = args.iter().map(|&a| r.known(a)).collect::<Result<Option<Vec<Cow<Tensor<f32>>>>>>()?;
    let Some(values) = values else { return Ok(None) };
    let values: Vec<&Tensor<f32>> = values.iter().map(Cow::as_ref).collect();
    let tys: Vec<&Ty> = args.iter().map(|&a| r.b.ty(a)).collect();
    let owner = op.infer(&tys).map_err(fail)?.owner;
    let result = op.eval_real(&values, &tys).map_err(fail)?;
    let base = args.iter().find_map(|&a| match r.op(a) {
        Op::Weight(w) => Some(w.name.clone()),
        _ => None,
    });
    let owner = if base.is_some() { Owner::Server } else { owner };
    r.constant(result, owner, base.as_deref().unwrap_or(name), name).map(Some)
}

/// `k + x` is `x + k`.
pub(super) fn known_second(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    match (op, args) {
        (Op::Add(_) | Op::Mul(_) | Op::Max(_), &[a, b]) if r.is_known(a) && !r.is_known(b) => {
            r.emit(op.clone(), &[b, a], name).map(Some)
        }
        _ => Ok(None),
    }
}

/// A constant tensor of one value is a scalar where it broadcasts.
pub(super) fn uniform_is_scalar(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) | Op::Max(_), &[a, b]) = (op, args) else {
        return Ok(None);
    };
    for (k, x, first) in [(b, a, false), (a, b, true)] {
        let Op::Const(c) = r.op(k) else { continue };
        let changes = c.ty.shape[..] != [1] && !r.shape(x).is_empty();
        let same_result = broadcast(&c.ty.shape, r.shape(x)).as_deref() == Some(r.shape(x));
        let value = match &c.value {
            ConstValue::Real(v) if v.iter().all(|u| *u == v[0]) => v.first().map(|v| v.value()),
            _ => None,
        };
        if let (true, true, Some(value)) = (changes, same_result, value) {
            let k_name = r.name(k);
            let scalar = r.b.add(scalar_const(value), &[], &k_name)?;
            let args = if first { [scalar, x] } else { [x, scalar] };
            return r.emit(op.clone(), &args, name).map(Some);
        }
    }
    Ok(None)
}

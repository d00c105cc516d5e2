//! Scales and biases: into the weights of the linear layer beside them, else merged.

use super::Rewriter;
use crate::error::Result;
use crate::graph_edit::scalar_const;
use picc_ir::op::Op;
use picc_ir::ops::{Add, Div, Mul, Neg, Reshape};
use picc_ir::{Id, Tensor};

/// A convolution or matrix product with known weights.
struct Linear {
    op: Op,
    x: Id,
    w: Id,
    weights_left: bool,
}

impl Linear {
    fn at(r: &Rewriter, id: Id) -> Option<Linear> {
        Linear::of(r, r.op(id), r.args(id))
    }

    fn of(r: &Rewriter, op: &Op, args: &[Id]) -> Option<Linear> {
        let &[a, b] = args else { return None };
        let weights_left = match op {
            Op::Conv(_) if r.is_known(b) => false,
            Op::MatMul(_) if r.is_known(b) => false,
            Op::MatMul(_) if r.is_known(a) => true,
            _ => return None,
        };
        let (x, w) = if weights_left { (b, a) } else { (a, b) };
        Some(Linear { op: op.clone(), x, w, weights_left })
    }

    /// Axes that one output channel runs along: of the result and of the weights.
    fn out_axes(&self, out_rank: usize, w_rank: usize) -> (usize, usize) {
        match (&self.op, self.weights_left) {
            (Op::Conv(_), _) => (1, 0),
            (_, false) => (out_rank - 1, w_rank - 1),
            (_, true) => (out_rank - 2, w_rank - 2),
        }
    }

    fn rebuild(&self, r: &mut Rewriter, x: Id, w: Id, name: &str) -> Result<Id> {
        let args = if self.weights_left { [w, x] } else { [x, w] };
        r.emit(self.op.clone(), &args, name)
    }
}

/// The values of `t`, which broadcasts to `shape`, if they differ along `axis` only.
pub(crate) fn along(t: &Tensor<f32>, shape: &[usize], axis: usize) -> Option<Vec<f32>> {
    let lead = shape.len().checked_sub(t.shape.len())?;
    let n = shape[axis];
    let fits = t.shape.iter().enumerate().all(|(i, &d)| d == 1 || (i + lead == axis && d == n));
    match (fits, t.data.len()) {
        (true, 1) => Some(vec![t.data[0]; n]),
        (true, _) => Some(t.data.clone()),
        (false, _) => None,
    }
}

/// `scale(linear(x, w)) = linear(x, scale w)`: batch norm's scale.
pub(super) fn scale_into_linear(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::Mul(_), &[y, s]) = (op, args) else { return Ok(None) };
    let (Some(linear), true, true) = (Linear::at(r, y), r.single(y), r.is_known(s)) else { return Ok(None) };
    let w_rank = r.shape(linear.w).len();
    let (out_axis, w_axis) = linear.out_axes(r.shape(y).len(), w_rank);
    let scale = r.known(s)?.and_then(|t| along(&t, r.shape(y), out_axis).map(|v| (v.len(), t.data.len())));
    let Some((channels, count)) = scale else { return Ok(None) };
    let mut shape = vec![1; w_rank];
    shape[w_axis] = if count == 1 { 1 } else { channels };
    let linear_name = r.name(y);
    let s = r.emit(Reshape { shape }, &[s], name)?;
    let w = r.emit(Mul {}, &[linear.w, s], name)?;
    linear.rebuild(r, linear.x, w, &linear_name).map(Some)
}

/// `(y + b) s = y s + b s`, where `y s` can go on into a linear layer or another scale.
pub(super) fn scale_before_bias(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::Mul(_), &[sum, s]) = (op, args) else { return Ok(None) };
    let (Op::Add(_), &[y, b]) = (r.op(sum), r.args(sum)) else { return Ok(None) };
    let scaled = matches!((r.op(y), r.args(y)), (Op::Mul(_), &[_, k]) if r.is_known(k));
    let moves = Linear::at(r, y).is_some() || scaled;
    if !moves || !r.is_known(s) || !r.is_known(b) || !r.single(sum) || !r.single(y) {
        return Ok(None);
    }
    let bias_name = r.name(sum);
    let y = r.emit(Mul {}, &[y, s], name)?;
    let b = r.emit(Mul {}, &[b, s], name)?;
    r.emit(Add {}, &[y, b], &bias_name).map(Some)
}

/// `(x s) t = x (s t)`
pub(super) fn scales_merge(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    merge(r, op, args, name, |op| matches!(op, Op::Mul(_)))
}

/// `(x + b) + c = x + (b + c)`
pub(super) fn biases_merge(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    merge(r, op, args, name, |op| matches!(op, Op::Add(_)))
}

fn merge(r: &mut Rewriter, op: &Op, args: &[Id], name: &str, is: fn(&Op) -> bool) -> Result<Option<Id>> {
    let &[inner, k] = args else { return Ok(None) };
    let &[x, j] = r.args(inner) else { return Ok(None) };
    if !is(op) || !is(r.op(inner)) || !r.is_known(k) || !r.is_known(j) || !r.single(inner) {
        return Ok(None);
    }
    let both = r.emit(op.clone(), &[j, k], name)?;
    r.emit(op.clone(), &[x, both], name).map(Some)
}

/// `x - k = x + (-k)`
pub(super) fn sub_is_add(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::Sub(_), &[x, k]) = (op, args) else { return Ok(None) };
    if !r.is_known(k) {
        return Ok(None);
    }
    let k = r.emit(Neg {}, &[k], name)?;
    r.emit(Add {}, &[x, k], name).map(Some)
}

/// `x / k = x (1 / k)`
pub(super) fn div_is_mul(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::Div(_), &[x, k]) = (op, args) else { return Ok(None) };
    if r.known(k)?.is_none_or(|t| t.data.iter().any(|v| !v.recip().is_finite())) {
        return Ok(None);
    }
    let one = r.b.add(scalar_const(1.0), &[], name)?;
    let k = r.emit(Div {}, &[one, k], name)?;
    r.emit(Mul {}, &[x, k], name).map(Some)
}

/// Adding 0, multiplying by 1: public constants only, weights are not looked at.
pub(super) fn neutral(r: &mut Rewriter, op: &Op, args: &[Id], _name: &str) -> Result<Option<Id>> {
    let neutral = match op {
        Op::Add(_) => 0.0,
        Op::Mul(_) => 1.0,
        _ => return Ok(None),
    };
    let &[x, k] = args else { return Ok(None) };
    let public = matches!(r.op(k), Op::Const(_));
    let is = public && r.shape(k) == [1] && r.known(k)?.is_some_and(|t| t.data == [neutral]);
    Ok((is && !r.shape(x).is_empty()).then_some(x))
}

/// `linear(x s, w) = linear(x, s w)`: a scale for each input channel, such as an average's reciprocal.
pub(super) fn scaled_input(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let Some(linear) = Linear::of(r, op, args) else { return Ok(None) };
    let (Op::Mul(_), &[x, s]) = (r.op(linear.x), r.args(linear.x)) else { return Ok(None) };
    if !r.is_known(s) || !r.single(linear.x) || r.shape(x) != r.shape(linear.x) {
        return Ok(None);
    }
    let rank = r.shape(x).len();
    let in_axis = match (op, linear.weights_left) {
        (Op::Conv(_), _) => 1,
        (_, false) => rank - 1,
        (_, true) => rank - 2,
    };
    let Some(values) = r.known(s)?.and_then(|t| along(&t, r.shape(x), in_axis)) else { return Ok(None) };
    let w_shape = r.shape(linear.w).to_vec();
    let factors = match op {
        Op::Conv(conv) => {
            let (per_group, outs) = (w_shape[1], w_shape[0] / conv.groups);
            let data = (0..w_shape[0])
                .flat_map(|m| (0..per_group).map(move |j| (m / outs) * per_group + j))
                .map(|c| values[c])
                .collect();
            Tensor::new(&[w_shape[0], per_group, 1, 1], data)
        }
        _ if linear.weights_left => Tensor::new(&[1, values.len()], values),
        _ => Tensor::new(&[values.len(), 1], values),
    };
    let (owner, scale_name) = (r.b.ty(s).owner, r.name(s));
    let base = match r.op(s) {
        Op::Weight(w) => w.name.clone(),
        _ => scale_name,
    };
    let factors = r.constant(factors, owner, &base, name)?;
    let w = r.emit(Mul {}, &[linear.w, factors], name)?;
    linear.rebuild(r, x, w, name).map(Some)
}

/// A scalar factor sinks below shape operations and sums, towards a linear layer that takes it in.
pub(super) fn scalar_after_shape(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let moves = matches!(
        op,
        Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::Gather(_)
            | Op::Pad(_)
            | Op::ZeroInsert(_)
            | Op::SumPool(_)
            | Op::ReduceSum(_)
    );
    let (true, &[product]) = (moves, args) else { return Ok(None) };
    let (Op::Mul(_), &[x, s]) = (r.op(product), r.args(product)) else { return Ok(None) };
    let scalar = r.is_known(s) && r.shape(s).iter().all(|&d| d == 1) && r.shape(x) == r.shape(product);
    if !scalar || !r.single(product) {
        return Ok(None);
    }
    let mul_name = r.name(product);
    let moved = r.emit(op.clone(), &[x], name)?;
    let s = r.emit(Reshape { shape: vec![1] }, &[s], &mul_name)?;
    r.emit(Mul {}, &[moved, s], &mul_name).map(Some)
}

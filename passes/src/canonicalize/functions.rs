//! Functions over the reals behind whatever selects or compares: then the client is shown less.
//!
//! ```text
//! slice(sigmoid x) = sigmoid(slice x)        max(sigmoid x) = sigmoid(max x)        argmax(sigmoid x) = argmax x
//! ```
//! Only the client computes these functions, on values that it is shown; what comes before them stays secret.

use super::Rewriter;
use crate::error::Result;
use picc_ir::Id;
use picc_ir::op::Op;
use picc_ir::ops::{ConstValue, Function, Max, Relu, Slice, Softmax, Sub, Unary};

/// The strictly increasing function that node `id` applies, and to what.
fn increasing(r: &Rewriter, id: Id) -> Option<(Function, Id)> {
    let Op::Unary(u) = r.op(id) else { return None };
    let x = *r.args(id).first()?;
    match u.function {
        Function::Exp | Function::Log | Function::Sigmoid | Function::Tanh | Function::Sqrt | Function::Erf => {
            Some((u.function, x))
        }
        // Falling, on two separate pieces.
        Function::Reciprocal => None,
    }
}

/// A shape or a selection of function values: the function of fewer values.
pub(super) fn selection_first(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let &[x] = args else { return Ok(None) };
    let fewer = match op {
        Op::Slice(_) | Op::Reshape(_) | Op::Transpose(_) => true,
        Op::Gather(g) => g.indices.len() <= r.shape(x)[g.axis],
        _ => return Ok(None),
    };
    if !fewer {
        return Ok(None);
    }
    let function = match (r.op(x).clone(), op) {
        (function @ Op::Unary(_), _) => function,
        (Op::Softmax(s), Op::Transpose(t)) => {
            let Some(axis) = t.perm.iter().position(|&p| p == s.axis) else { return Ok(None) };
            Softmax { axis }.into()
        }
        (function @ Op::Softmax(Softmax { axis }), op) if leaves(op, axis, r.shape(x)) => function,
        _ => return Ok(None),
    };
    let (inner, of) = (r.args(x)[0], r.name(x));
    let selected = r.emit(op.clone(), &[inner], name)?;
    r.emit(function, &[selected], &of).map(Some)
}

/// Whether a selection takes all of an axis, in order.
fn leaves(op: &Op, axis: usize, shape: &[usize]) -> bool {
    match op {
        Op::Slice(s) => s.start[axis] == 0 && s.size[axis] == shape[axis] && s.step[axis] == 1,
        Op::Gather(g) => g.axis != axis,
        _ => false,
    }
}

/// The larger of two function values is the function of the larger one; the index of the largest needs no function.
pub(super) fn maximum_first(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    if let (Op::Max(_), &[a, b]) = (op, args) {
        let (Some((f, x)), Some((g, y))) = (increasing(r, a), increasing(r, b)) else { return Ok(None) };
        if f != g {
            return Ok(None);
        }
        let of = r.name(a);
        let larger = r.emit(Max {}, &[x, y], name)?;
        return r.emit(Unary { function: f }, &[larger], &of).map(Some);
    }
    let (Op::MaxPool(_) | Op::ReduceMax(_) | Op::ArgMax(_), &[x]) = (op, args) else { return Ok(None) };
    let index = matches!(op, Op::ArgMax(_));
    if let Some((function, inner)) = increasing(r, x) {
        let of = r.name(x);
        let largest = r.emit(op.clone(), &[inner], name)?;
        return if index { Ok(Some(largest)) } else { r.emit(Unary { function }, &[largest], &of).map(Some) };
    }
    // A positive scale and an offset on the way to the function keep the order, too.
    if !scaled(r, x) {
        return Ok(None);
    }
    let (step, rest, of) = (r.op(x).clone(), r.args(x).to_vec(), r.name(x));
    let largest = r.emit(op.clone(), &rest[..1], name)?;
    if index { Ok(Some(largest)) } else { r.emit(step, &[largest, rest[1]], &of).map(Some) }
}

/// Whether `x` is an increasing function of something, times positive numbers, plus numbers.
fn scaled(r: &Rewriter, mut x: Id) -> bool {
    loop {
        if increasing(r, x).is_some() {
            return true;
        }
        let &[inner, k] = r.args(x) else { return false };
        let Op::Const(c) = r.op(k) else { return false };
        let value = match &c.value {
            ConstValue::Real(v) if v.len() == 1 && c.ty.shape[..] == [1] && !r.shape(inner).is_empty() => {
                v[0].value()
            }
            _ => return false,
        };
        match r.op(x) {
            Op::Mul(_) if value > 0.0 => x = inner,
            Op::Add(_) => x = inner,
            _ => return false,
        }
    }
}

/// `relu(exp x) = exp x`, `relu(tanh x) = tanh(relu x)`.
pub(super) fn relu_first(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::Relu(_), &[x]) = (op, args) else { return Ok(None) };
    let Some((function, inner)) = increasing(r, x) else { return Ok(None) };
    match function {
        Function::Exp | Function::Sigmoid | Function::Sqrt => Ok(Some(x)),
        Function::Tanh | Function::Erf => {
            let of = r.name(x);
            let positive = r.emit(Relu {}, &[inner], name)?;
            r.emit(Unary { function }, &[positive], &of).map(Some)
        }
        Function::Log | Function::Reciprocal => Ok(None),
    }
}

/// `exp x / sum of exp x` is a softmax, whatever is subtracted from all `x` before.
pub(super) fn softmax_written_out(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::Div(_), &[above, below]) = (op, args) else { return Ok(None) };
    let (Op::Unary(Unary { function: Function::Exp }), Op::ReduceSum(sum)) = (r.op(above), r.op(below)) else {
        return Ok(None);
    };
    let (&[axis], true, &[summed]) = (&sum.axes[..], sum.keep, r.args(below)) else { return Ok(None) };
    if summed != above {
        return Ok(None);
    }
    let mut x = r.args(above)[0];
    if let (Op::Sub(_), &[y, largest]) = (r.op(x), r.args(x))
        && let (Op::ReduceMax(m), &[over]) = (r.op(largest), r.args(largest))
        && (over, &m.axes[..], m.keep) == (y, &[axis], true)
    {
        x = y;
    }
    r.emit(Softmax { axis }, &[x], name).map(Some)
}

/// One of two classes: `softmax(x)[0] = sigmoid(x[0] - x[1])`.
pub(super) fn one_of_two(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let &[p] = args else { return Ok(None) };
    let (Op::Softmax(s), shape) = (r.op(p).clone(), r.shape(p).to_vec()) else { return Ok(None) };
    if shape[s.axis] != 2 {
        return Ok(None);
    }
    let class = match op {
        Op::Slice(slice) if slice.size[s.axis] == 1 => slice.start[s.axis],
        Op::Gather(g) if g.axis == s.axis && g.indices.len() == 1 => g.indices[0] as usize,
        _ => return Ok(None),
    };
    let (x, of) = (r.args(p)[0], r.name(p));
    let at = |class: usize| {
        let (mut start, mut size) = (vec![0; shape.len()], shape.clone());
        (start[s.axis], size[s.axis]) = (class, 1);
        Slice { start, size, step: vec![1; shape.len()] }
    };
    let (this, other) = (r.emit(at(class), &[x], name)?, r.emit(at(1 - class), &[x], name)?);
    let margin = r.emit(Sub {}, &[this, other], name)?;
    let probability = r.emit(Unary { function: Function::Sigmoid }, &[margin], &of)?;
    // What else the slice leaves out.
    match op {
        Op::Slice(slice) => {
            let mut rest = slice.clone();
            rest.start[s.axis] = 0;
            r.emit(rest, &[probability], name).map(Some)
        }
        _ => Ok(Some(probability)),
    }
}

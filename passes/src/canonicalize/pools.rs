//! Order of pooling, padding, activation and 1x1 convolution: whatever leaves fewer comparisons and products.

use super::Rewriter;
use crate::error::Result;
use picc_ir::op::Op;
use picc_ir::ops::{ArgMax, Conv, Mul, Pad, Relu, SumPool};
use picc_ir::{Id, Tensor};

/// Zero padding of the last two axes becomes the window's own.
pub(super) fn pad_into_window(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let Some(&x) = args.first() else { return Ok(None) };
    let (Op::Pad(Pad { before, after }), &[inner]) = (r.op(x), r.args(x)) else { return Ok(None) };
    let (&[0, 0, top, left], &[0, 0, bottom, right]) = (&before[..], &after[..]) else { return Ok(None) };
    let grow = |p: [usize; 4]| [p[0] + top, p[1] + left, p[2] + bottom, p[3] + right];
    let grown: Op = match op {
        Op::Conv(c) => Conv { pads: grow(c.pads), ..c.clone() }.into(),
        Op::SumPool(p) => SumPool { pads: grow(p.pads), ..p.clone() }.into(),
        _ => return Ok(None),
    };
    let rest = [&[inner], &args[1..]].concat();
    r.emit(grown, &rest, name).map(Some)
}

/// `maxpool(relu x) = relu(maxpool x)`: as many fewer comparisons as the windows are large.
pub(super) fn relu_after_maxpool(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::MaxPool(_) | Op::ReduceMax(_), &[x]) = (op, args) else { return Ok(None) };
    let (Op::Relu(_), &[inner], true) = (r.op(x), r.args(x), r.single(x)) else { return Ok(None) };
    let relu = r.name(x);
    let pooled = r.emit(op.clone(), &[inner], name)?;
    r.emit(Relu {}, &[pooled], &relu).map(Some)
}

/// A sum over windows commutes with a 1x1 convolution, which then runs on the smaller image.
pub(super) fn sum_before_conv1x1(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::SumPool(pool), &[x]) = (op, args) else { return Ok(None) };
    if !r.single(x) {
        return Ok(None);
    }
    let area = pool.kernel[0] * pool.kernel[1];
    match (r.op(x).clone(), r.args(x).to_vec().as_slice()) {
        (Op::Conv(conv), &[y, w]) => {
            let pointwise = r.shape(w)[2..] == [1, 1] && conv.stride == [1, 1] && conv.pads == [0; 4];
            let smaller = pool.stride[0] * pool.stride[1] > 1;
            if !pointwise || !smaller {
                return Ok(None);
            }
            let conv_name = r.name(x);
            let pooled = r.emit(op.clone(), &[y], name)?;
            r.emit(conv, &[pooled, w], &conv_name).map(Some)
        }
        // Each window sums the bias `area` times, if it is one value a channel and nothing is padding.
        (Op::Add(_), &[y, bias]) if r.is_known(bias) && pool.pads == [0; 4] => {
            let per_channel = r.shape(bias).iter().rev().take(2).all(|&d| d == 1);
            let pointwise = matches!(r.op(y), Op::Conv(_)) && r.shape(r.args(y)[1])[2..] == [1, 1];
            if !per_channel || !pointwise || !r.single(y) || pool.stride == [1, 1] {
                return Ok(None);
            }
            let add_name = r.name(x);
            let area = r.constant(Tensor::full(&[1], area as f32), picc_ir::Owner::Public, name, name)?;
            let pooled = r.emit(op.clone(), &[y], name)?;
            let bias = r.emit(Mul {}, &[bias, area], &add_name)?;
            r.emit(picc_ir::ops::Add {}, &[pooled, bias], &add_name).map(Some)
        }
        _ => Ok(None),
    }
}

/// Softmax keeps the order: the index of its maximum needs no softmax, and the scores stay secret.
pub(super) fn argmax_of_softmax(r: &mut Rewriter, op: &Op, args: &[Id], name: &str) -> Result<Option<Id>> {
    let (Op::ArgMax(ArgMax { axis, .. }), &[x]) = (op, args) else { return Ok(None) };
    let over = match r.op(x) {
        Op::Softmax(s) => s.axis,
        Op::LogSoftmax(s) => s.axis,
        _ => return Ok(None),
    };
    let inner = r.args(x)[0];
    if over == *axis { r.emit(op.clone(), &[inner], name).map(Some) } else { Ok(None) }
}

/// `relu x = x` where `x` is a relu behind operations that keep the sign.
pub(super) fn relu_of_non_negative(r: &mut Rewriter, op: &Op, args: &[Id], _name: &str) -> Result<Option<Id>> {
    let (Op::Relu(_), &[x]) = (op, args) else { return Ok(None) };
    let mut source = x;
    loop {
        match r.op(source) {
            Op::Relu(_) => return Ok(Some(x)),
            Op::MaxPool(_)
            | Op::ReduceMax(_)
            | Op::SumPool(_)
            | Op::ReduceSum(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::Gather(_)
            | Op::Pad(_)
            | Op::Expand(_)
            | Op::ZeroInsert(_) => source = r.args(source)[0],
            _ => return Ok(None),
        }
    }
}

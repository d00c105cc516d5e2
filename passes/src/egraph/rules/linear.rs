//! Linear algebra on convolutions and matrix products. All of it holds modulo any ring, so all of it is exact.

use super::ErrorClass::Exact;
use super::expr::{Expr, apply, part, transposed};
use super::{Family, Offer, Out, Rule, Site};
use egg::Id;
use picc_ir::Op;
use picc_ir::ops::{Add, Conv, Expand, MatMul, Reshape, Slice, SumPool, Transpose};

const fn rule(name: &'static str, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Linear, class: Exact, says, offer: Offer::Always, rewrite }
}

pub(super) const RULES: &[Rule] = &[
    rule("conv1x1_after_sum", "sumpool(conv1x1 x) = conv1x1(sumpool x)", conv1x1_after_sum),
    rule("sum_after_conv1x1", "conv1x1(sumpool x) = sumpool(conv1x1 x)", sum_after_conv1x1),
    rule("sum_of_add", "sumpool(x + y) = sumpool x + sumpool y", sum_of_add),
    rule("pad_into_conv", "conv(pad x) = conv with padding x", pad_into_conv),
    rule("pad_into_sum", "sumpool(pad x) = sumpool with padding x", pad_into_sum),
    rule("strided_conv1x1", "strided conv1x1 x = conv1x1(strided slice x)", strided_conv1x1),
    rule("slice_of_conv", "channels of conv(x, w) = conv(x, rows of w)", slice_of_conv),
    rule("conv_of_conv1x1", "conv(conv1x1(x, v), w) = conv(x, w v)", conv_of_conv1x1),
    rule("matmul_of_matmul", "(x v) w = x (v w)", matmul_of_matmul),
    rule("transposed_matmul", "x w = (w' x')'", transposed_matmul),
    rule("conv1x1_as_matmul", "conv1x1 of one image = w x as matrices", conv1x1_as_matmul),
];

/// A 1x1 convolution with stride 1 and without padding.
fn is_pointwise(s: &Site, conv: &Conv, w: Id) -> bool {
    s.view.shape(w)[2..] == [1, 1] && conv.stride == [1, 1] && conv.pads == [0; 4]
}

fn conv(op: &Conv, x: impl Into<Expr>, w: impl Into<Expr>) -> Expr {
    apply(op.clone(), [x.into(), w.into()])
}

fn conv1x1_after_sum(s: &Site, out: &mut Out) {
    let (Op::SumPool(_), [x]) = (s.op(), &s.node.args[..]) else { return };
    for n in s.view.nodes(*x) {
        if let Op::Conv(c) = &*n.op
            && is_pointwise(s, c, n.args[1])
        {
            out.equal(s.class, conv(c, apply(s.op().clone(), [n.args[0].into()]), n.args[1]));
        }
    }
}

fn sum_after_conv1x1(s: &Site, out: &mut Out) {
    let Op::Conv(c) = s.op() else { return };
    if !is_pointwise(s, c, s.arg(1)) {
        return;
    }
    for n in s.view.nodes(s.arg(0)) {
        if let Op::SumPool(_) = &*n.op {
            out.equal(s.class, apply((*n.op).clone(), [conv(c, n.args[0], s.arg(1))]));
        }
    }
}

fn sum_of_add(s: &Site, out: &mut Out) {
    let Op::SumPool(pool) = s.op() else { return };
    for n in s.view.nodes(s.arg(0)).iter().filter(|n| matches!(*n.op, Op::Add(_))) {
        let shape = s.view.shape(s.arg(0));
        // Only sums with something known: others leave more to sum, not less.
        if !n.args.iter().any(|&a| s.view.is_known(a)) {
            continue;
        }
        let summed = |a: Id| -> Expr {
            let whole = if s.view.shape(a) == shape {
                a.into()
            } else {
                apply(Expand { shape: shape.to_vec() }, [a.into()])
            };
            apply(pool.clone(), [whole])
        };
        out.equal(s.class, apply(Add {}, [summed(n.args[0]), summed(n.args[1])]));
    }
}

/// Padding of the last two axes alone, as `[top, left, bottom, right]` added to `pads`.
fn with_pad(op: &Op, pads: [usize; 4]) -> Option<[usize; 4]> {
    let Op::Pad(p) = op else { return None };
    let (&[0, 0, top, left], &[0, 0, bottom, right]) = (&p.before[..], &p.after[..]) else { return None };
    Some([pads[0] + top, pads[1] + left, pads[2] + bottom, pads[3] + right])
}

fn pad_into_conv(s: &Site, out: &mut Out) {
    let Op::Conv(c) = s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        if let Some(pads) = with_pad(&n.op, c.pads) {
            out.equal(s.class, conv(&Conv { pads, ..c.clone() }, n.args[0], s.arg(1)));
        }
    }
}

fn pad_into_sum(s: &Site, out: &mut Out) {
    let Op::SumPool(p) = s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        if let Some(pads) = with_pad(&n.op, p.pads) {
            out.equal(s.class, apply(SumPool { pads, ..p.clone() }, [n.args[0].into()]));
        }
    }
}

fn strided_conv1x1(s: &Site, out: &mut Out) {
    let Op::Conv(c) = s.op() else { return };
    if s.view.shape(s.arg(1))[2..] != [1, 1] || c.pads != [0; 4] || c.stride == [1, 1] {
        return;
    }
    let (x, y) = (s.view.shape(s.arg(0)), s.view.shape(s.class));
    let picked = Slice {
        start: vec![0; 4],
        size: vec![x[0], x[1], y[2], y[3]],
        step: vec![1, 1, c.stride[0] as isize, c.stride[1] as isize],
    };
    out.equal(s.class, conv(&Conv { stride: [1, 1], ..c.clone() }, apply(picked, [s.arg(0).into()]), s.arg(1)));
}

fn slice_of_conv(s: &Site, out: &mut Out) {
    let Op::Slice(cut) = s.op() else { return };
    let whole = s.view.shape(s.arg(0));
    let channels_only = whole.len() == 4
        && (0..4).all(|i| i == 1 || (cut.size[i] == whole[i] && (whole[i] == 1 || cut.step[i] == 1)))
        && cut.step[1] == 1;
    if !channels_only {
        return;
    }
    for n in s.view.nodes(s.arg(0)) {
        if let Op::Conv(c) = &*n.op
            && c.groups == 1
        {
            let w = part(n.args[1], s.view.shape(n.args[1]), 0, cut.start[1], cut.size[1]);
            out.equal(s.class, conv(c, n.args[0], w));
        }
    }
}

fn conv_of_conv1x1(s: &Site, out: &mut Out) {
    let Op::Conv(c) = s.op() else { return };
    let w = s.arg(1);
    if c.groups != 1 || !s.view.is_known(w) {
        return;
    }
    for n in s.view.nodes(s.arg(0)) {
        let Op::Conv(inner) = &*n.op else { continue };
        let (x, v) = (n.args[0], n.args[1]);
        if inner.groups != 1 || !is_pointwise(s, inner, v) || !s.view.is_known(v) {
            continue;
        }
        let (&[m, k, kh, kw], &[_, channels, _, _]) = (s.view.shape(w), s.view.shape(v)) else { continue };
        // [m, k, kh, kw] -> [m, kh, kw, k] -> [m kh kw, k] x [k, c] -> [m, kh, kw, c] -> [m, c, kh, kw]
        let rows = apply(Transpose { perm: vec![0, 2, 3, 1] }, [w.into()]);
        let rows = apply(Reshape { shape: vec![m * kh * kw, k] }, [rows]);
        let cols = apply(Reshape { shape: vec![k, channels] }, [v.into()]);
        let product = apply(Reshape { shape: vec![m, kh, kw, channels] }, [apply(MatMul {}, [rows, cols])]);
        out.equal(s.class, conv(c, x, apply(Transpose { perm: vec![0, 3, 1, 2] }, [product])));
    }
}

fn matmul_of_matmul(s: &Site, out: &mut Out) {
    if !matches!(s.op(), Op::MatMul(_)) || !s.view.is_known(s.arg(1)) {
        return;
    }
    for n in s.view.nodes(s.arg(0)).iter().filter(|n| matches!(*n.op, Op::MatMul(_))) {
        if s.view.is_known(n.args[1]) && s.view.shape(n.args[1]).len() == 2 && s.view.shape(s.arg(1)).len() == 2 {
            let both = apply(MatMul {}, [n.args[1].into(), s.arg(1).into()]);
            out.equal(s.class, apply(MatMul {}, [n.args[0].into(), both]));
        }
    }
}

fn transposed_matmul(s: &Site, out: &mut Out) {
    if let Op::MatMul(_) = s.op() {
        let (a, b) = (s.arg(0), s.arg(1));
        let weights = s.view.is_known(a) != s.view.is_known(b);
        let plain = s.view.shape(a).len() == 2 && s.view.shape(b).len() == 2;
        if weights && plain {
            out.equal(s.class, transposed(apply(MatMul {}, [transposed(b, 2), transposed(a, 2)]), 2));
        }
    }
}

fn conv1x1_as_matmul(s: &Site, out: &mut Out) {
    let Op::Conv(c) = s.op() else { return };
    let (x, w) = (s.arg(0), s.arg(1));
    let (&[1, channels, h, width], &[m, _, _, _]) = (s.view.shape(x), s.view.shape(w)) else { return };
    if c.groups == 1 && is_pointwise(s, c, w) {
        let pixels = apply(Reshape { shape: vec![channels, h * width] }, [x.into()]);
        let matrix = apply(Reshape { shape: vec![m, channels] }, [w.into()]);
        out.equal(s.class, apply(Reshape { shape: vec![1, m, h, width] }, [apply(MatMul {}, [matrix, pixels])]));
    }
}

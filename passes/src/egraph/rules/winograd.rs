//! Winograd's minimal filtering in exact integers.
//!
//! `Y = A' [(G g G') * (B' d B)] A` for each tile of `m x m` outputs, `a = m + r - 1` taps a side. The transforms of
//! the input and of the output are public and linear, hence local; that of the weights is computed once, in the clear.
//! What costs is `a^2` matrix products over the tiles instead of `r^2` over the pixels.
//!
//! ```text
//!   x [n, c, h, w]   -> conv with B (x) B, stride m  -> [n c, a a, tiles]  -> [a a, c, n tiles]   = V
//!   w [m, c, r, r]   -> G (x) G                                            -> [a a, m, c]         = U
//!   U V = [a a, m, n tiles] -> A (x) A -> [m m, m n tiles] -> [n, m, h, w] = s^2 conv(x, w)
//! ```
//! `G` has denominators. Its rows are multiplied by them one by one, so that weights grow as little as can be, and the
//! columns of `A'` by what is missing to their least common multiple `s`: 2 for F(2, 3), 24 for the transforms of six
//! taps. The result is `s^2` times the convolution. The odd part of `s^2` is a unit of the ring and leaves through the
//! output transform; the power of two costs that many more ring bits and leaves through a truncation, which is exact
//! because its argument is a multiple, and which joins the truncation that follows a convolution anyway.
//!
//! A convolution with stride 2 is a sum of convolutions with stride 1 over the phases of its input, each with the taps
//! of one parity. Two taps of one phase are filtered by `F(2, 2)`, three products for two outputs instead of four,
//! without a denominator; a tap that is left over takes its two products. So 3 taps take 5 products for 2 outputs
//! instead of 6, and in two dimensions 25 instead of 36; 7 taps take 11 instead of 14, 121 instead of 196.

use super::ErrorClass::Exact;
use super::expr::{Expr, apply};
use super::{Family, Offer, Out, Rule, Site};
use egg::Id;
use picc_ir::op::Op;
use picc_ir::ops::{
    Add, Assume, Const, ConstValue, Conv, Extend, MatMul, Reshape, Shl, Slice, Transpose, TruncReduce,
};
use picc_ir::ty::wrap;
use picc_ir::{Fixed, Owner, Ty};

const fn rule(name: &'static str, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Winograd, class: Exact, says, offer: Offer::Always, rewrite }
}

pub(super) const RULES: &[Rule] = &[
    rule("winograd_f2_3", "conv3x3 x = trunc(F(2x2, 3x3) of x)", |s, out| of_conv(s, out, &F2_3)),
    rule("winograd_f4_3", "conv3x3 x = trunc(F(4x4, 3x3) of x)", |s, out| of_conv(s, out, &F4_3)),
    rule("winograd_f2_5", "conv5x5 x = trunc(F(2x2, 5x5) of x)", |s, out| of_conv(s, out, &F2_5)),
    rule("winograd_s2_3", "conv3x3 stride 2 x = F(2x2, 2x2) of the phases of x", |s, out| of_conv(s, out, &S2_3)),
    rule("winograd_s2_7", "conv7x7 stride 2 x = F(2x2, 2x2) of the phases of x", |s, out| of_conv(s, out, &S2_7)),
    rule("winograd_f2_3_trunc", "trunc(conv3x3 x + b) = trunc(F(2x2, 3x3) of x + b) at once", |s, out| {
        of_trunc(s, out, &F2_3)
    }),
    rule("winograd_f4_3_trunc", "trunc(conv3x3 x + b) = trunc(F(4x4, 3x3) of x + b) at once", |s, out| {
        of_trunc(s, out, &F4_3)
    }),
    rule("winograd_f2_5_trunc", "trunc(conv5x5 x + b) = trunc(F(2x2, 5x5) of x + b) at once", |s, out| {
        of_trunc(s, out, &F2_5)
    }),
];

/// One pair of output tile and kernel size.
struct Form {
    /// Outputs a side.
    m: usize,
    /// Kernel taps a side.
    r: usize,
    stride: usize,
    /// `B'`, `[a, taps of the window]`, `[a, a]` for stride 1.
    input: &'static [&'static [i64]],
    /// `G` with integral rows, `[a, r]`.
    weights: &'static [&'static [i64]],
    /// `A'` with the missing factors in its columns, `[m, a]`.
    output: &'static [&'static [i64]],
    /// `s^2 = 2^shift * odd`
    shift: u8,
    odd: i64,
}

static F2_3: Form = Form {
    m: 2,
    r: 3,
    stride: 1,
    input: &[&[1, 0, -1, 0], &[0, 1, 1, 0], &[0, -1, 1, 0], &[0, 1, 0, -1]],
    weights: &[&[1, 0, 0], &[1, 1, 1], &[1, -1, 1], &[0, 0, 1]],
    output: &[&[2, 1, 1, 0], &[0, 1, -1, -2]],
    shift: 2,
    odd: 1,
};

/// Points 0, 1, -1, 2, -2 and infinity.
static SIX_TAPS: [&[i64]; 6] = [
    &[4, 0, -5, 0, 1, 0],
    &[0, -4, -4, 1, 1, 0],
    &[0, 4, -4, -1, 1, 0],
    &[0, -2, -1, 2, 1, 0],
    &[0, 2, -1, -2, 1, 0],
    &[0, 4, 0, -5, 0, 1],
];

static F4_3: Form = Form {
    m: 4,
    r: 3,
    stride: 1,
    input: &SIX_TAPS,
    weights: &[&[1, 0, 0], &[-1, -1, -1], &[-1, 1, -1], &[1, 2, 4], &[1, -2, 4], &[0, 0, 1]],
    output: &[&[6, 4, 4, 1, 1, 0], &[0, 4, -4, 2, -2, 0], &[0, 4, 4, 4, 4, 0], &[0, 4, -4, 8, -8, 24]],
    shift: 6,
    odd: 9,
};

static F2_5: Form = Form {
    m: 2,
    r: 5,
    stride: 1,
    input: &SIX_TAPS,
    weights: &[
        &[1, 0, 0, 0, 0],
        &[-1, -1, -1, -1, -1],
        &[-1, 1, -1, 1, -1],
        &[1, 2, 4, 8, 16],
        &[1, -2, 4, -8, 16],
        &[0, 0, 0, 0, 1],
    ],
    output: &[&[6, 4, 4, 1, 1, 0], &[0, 4, -4, 2, -2, 24]],
    shift: 6,
    odd: 9,
};

/// Taps 0 and 2 by F(2, 2), then tap 1.
static S2_3: Form = Form {
    m: 2,
    r: 3,
    stride: 2,
    input: &[&[1, 0, -1, 0, 0], &[0, 0, 1, 0, 0], &[0, 0, -1, 0, 1], &[0, 1, 0, 0, 0], &[0, 0, 0, 1, 0]],
    weights: &[&[1, 0, 0], &[1, 0, 1], &[0, 0, 1], &[0, 1, 0], &[0, 1, 0]],
    output: &[&[1, 1, 0, 1, 0], &[0, 1, 1, 0, 1]],
    shift: 0,
    odd: 1,
};

/// Taps 0 and 2, 4 and 6, 1 and 3 by F(2, 2), then tap 5.
static S2_7: Form = Form {
    m: 2,
    r: 7,
    stride: 2,
    input: &[
        &[1, 0, -1, 0, 0, 0, 0, 0, 0],
        &[0, 0, 1, 0, 0, 0, 0, 0, 0],
        &[0, 0, -1, 0, 1, 0, 0, 0, 0],
        &[0, 0, 0, 0, 1, 0, -1, 0, 0],
        &[0, 0, 0, 0, 0, 0, 1, 0, 0],
        &[0, 0, 0, 0, 0, 0, -1, 0, 1],
        &[0, 1, 0, -1, 0, 0, 0, 0, 0],
        &[0, 0, 0, 1, 0, 0, 0, 0, 0],
        &[0, 0, 0, -1, 0, 1, 0, 0, 0],
        &[0, 0, 0, 0, 0, 1, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 1, 0],
    ],
    weights: &[
        &[1, 0, 0, 0, 0, 0, 0],
        &[1, 0, 1, 0, 0, 0, 0],
        &[0, 0, 1, 0, 0, 0, 0],
        &[0, 0, 0, 0, 1, 0, 0],
        &[0, 0, 0, 0, 1, 0, 1],
        &[0, 0, 0, 0, 0, 0, 1],
        &[0, 1, 0, 0, 0, 0, 0],
        &[0, 1, 0, 1, 0, 0, 0],
        &[0, 0, 0, 1, 0, 0, 0],
        &[0, 0, 0, 0, 0, 1, 0],
        &[0, 0, 0, 0, 0, 1, 0],
    ],
    output: &[&[1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0], &[0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1]],
    shift: 0,
    odd: 1,
};

/// Inverse of an odd number modulo `2^64`, by Newton's iteration: each step doubles the correct bits, of which an odd
/// number has three to begin with.
fn inverse(odd: i64) -> i64 {
    (0..5).fold(odd, |x, _| x.wrapping_mul(2i64.wrapping_sub(odd.wrapping_mul(x))))
}

/// `left (x) right` with every entry times `factor`, as a constant of a ring.
fn kronecker(matrix: &[&[i64]], factor: i64, frac_bits: u8, ring_bits: u8, shape: &[usize]) -> Op {
    let mut values = Vec::with_capacity(shape.iter().product());
    for a in matrix {
        for b in matrix {
            for x in *a {
                values.extend(b.iter().map(|y| wrap(x.wrapping_mul(*y).wrapping_mul(factor), ring_bits)));
            }
        }
    }
    let (lo, hi) = values.iter().fold((i64::MAX, i64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    let ty = Ty::fixed(shape, Fixed { ring_bits, frac_bits, lo, hi }, Owner::Public);
    Const { ty, value: ConstValue::Int(values) }.into()
}

/// `2^shift * conv(x, w)` in a ring with `shift` bits more; `None` where the form does not apply.
fn filtered(s: &Site, conv: &Conv, x: Id, w: Id, form: &Form) -> Option<Expr> {
    let (&[n, channels, h, width], &[outs, per_group, kh, kw]) = (s.view.shape(x), s.view.shape(w)) else {
        return None;
    };
    let plain = conv.stride == [form.stride; 2] && conv.dilation == [1, 1] && [kh, kw] == [form.r; 2];
    let ring = s.view.fixed(x)?.ring_bits + form.shift;
    if !plain || !s.view.is_known(w) || s.view.is_known(x) || ring > 64 {
        return None;
    }
    // Products a side; taps and step of the windows that they are made of.
    let (a, step) = (form.input.len(), form.m * form.stride);
    let window = (form.m - 1) * form.stride + form.r;
    let [top, left, bottom, right] = conv.pads;
    let (oh, ow) =
        ((h + top + bottom - form.r) / form.stride + 1, (width + left + right - form.r) / form.stride + 1);
    let (th, tw) = (oh.div_ceil(form.m), ow.div_ceil(form.m));
    let (tiles, groups) = (th * tw, conv.groups);
    // Small images are mostly margin.
    if a * a * tiles >= form.r * form.r * oh * ow {
        return None;
    }
    let reshape = |x: Expr, shape: &[usize]| apply(Reshape { shape: shape.to_vec() }, [x]);
    let transpose = |x: Expr, perm: &[usize]| apply(Transpose { perm: perm.to_vec() }, [x]);

    let x = in_ring(s, x, ring);
    // The last row and column of a strided image may not be needed.
    let after = |tiles: usize, before: usize| ((tiles - 1) * step + window).saturating_sub(before);
    let windows = Conv {
        stride: [step; 2],
        pads: [top, left, after(th, h + top), after(tw, width + left)],
        dilation: [1, 1],
        groups: 1,
    };
    // Output i of a window is row i of the product.
    let transform = Expr::Apply(kronecker(form.input, 1, 0, ring, &[a * a, 1, window, window]), Vec::new());
    let v = apply(windows, [reshape(x, &[n * channels, 1, h, width]), transform]);
    let v = transpose(reshape(v, &[n, channels, a * a, tiles]), &[2, 1, 0, 3]);
    let v = reshape(v, &[a * a * groups, channels / groups, n * tiles]);

    let scaled = Expr::Apply(kronecker(form.weights, 1, form.shift, ring, &[a * a, form.r * form.r]), Vec::new());
    let w_in_ring = if form.shift == 0 { w.into() } else { apply(Extend { ring_bits: ring }, [w.into()]) };
    let u = reshape(w_in_ring, &[outs * per_group, form.r * form.r]);
    let u = bounded(s, w, form, apply(MatMul {}, [u, transpose(scaled, &[1, 0])]));
    let u = transpose(u, &[1, 0]);
    let u = reshape(u, &[a * a * groups, outs / groups, per_group]);

    let products = reshape(apply(MatMul {}, [u, v]), &[a * a, outs * n * tiles]);
    let back = kronecker(form.output, inverse(form.odd), 0, ring, &[form.m * form.m, a * a]);
    let y = apply(MatMul {}, [Expr::Apply(back, Vec::new()), products]);
    let y = transpose(reshape(y, &[form.m, form.m, outs, n, th, tw]), &[3, 2, 4, 0, 5, 1]);
    let y = reshape(y, &[n, outs, th * form.m, tw * form.m]);
    let whole = [th * form.m, tw * form.m] == [oh, ow];
    let cut = Slice { start: vec![0; 4], size: vec![n, outs, oh, ow], step: vec![1; 4] };
    Some(if whole { y } else { apply(cut, [y]) })
}

/// A row of `G (x) G` multiplies a weight by at most the square of the largest sum of a row: tighter than what follows
/// from the range of its entries.
fn bounded(s: &Site, w: Id, form: &Form, u: Expr) -> Expr {
    let growth =
        form.weights.iter().map(|row| row.iter().map(|v| v.unsigned_abs()).sum::<u64>()).max().unwrap_or(0);
    let most = s.view.fixed(w).and_then(|f| i64::try_from(f.max_abs().checked_mul(growth * growth)?).ok());
    let claimed = most.map(|most| apply(Assume { lo: -most, hi: most }, [u.clone()]));
    claimed.filter(|e| s.view.type_of(e).is_ok()).unwrap_or(u)
}

/// Any value of the larger ring that is `x` modulo the smaller one will do; the cheapest is what `x` was extended from.
fn in_ring(s: &Site, x: Id, ring_bits: u8) -> Expr {
    if s.view.fixed(x).is_some_and(|f| f.ring_bits == ring_bits) {
        return x.into();
    }
    let source = s.view.nodes(x).iter().find(|n| matches!(*n.op, Op::Extend(_))).map_or(x, |n| n.args[0]);
    apply(Extend { ring_bits }, [source.into()])
}

fn of_conv(s: &Site, out: &mut Out, form: &Form) {
    let Op::Conv(conv) = s.op() else { return };
    if let Some(y) = filtered(s, conv, s.arg(0), s.arg(1), form) {
        out.equal(s.class, if form.shift == 0 { y } else { apply(TruncReduce { shift: form.shift }, [y]) });
    }
}

fn of_trunc(s: &Site, out: &mut Out, form: &Form) {
    let Op::TruncReduce(TruncReduce { shift }) = *s.op() else { return };
    let convs = |class: Id| {
        s.view.nodes(class).iter().filter_map(|n| match &*n.op {
            Op::Conv(conv) => filtered(s, conv, n.args[0], n.args[1], form),
            _ => None,
        })
    };
    let shift = shift + form.shift;
    for y in convs(s.arg(0)) {
        out.equal(s.class, apply(TruncReduce { shift }, [y]));
    }
    for n in s.view.nodes(s.arg(0)).iter().filter(|n| matches!(*n.op, Op::Add(_))) {
        for (x, b) in [(n.args[0], n.args[1]), (n.args[1], n.args[0])] {
            let Some(ring) = s.view.fixed(b).map(|f| f.ring_bits + form.shift) else { continue };
            if !s.view.is_known(b) || s.view.shape(x) != s.view.shape(s.arg(0)) {
                continue;
            }
            for y in convs(x) {
                let b = apply(Shl { bits: form.shift }, [apply(Extend { ring_bits: ring }, [b.into()])]);
                out.equal(s.class, apply(TruncReduce { shift }, [apply(Add {}, [y, b])]));
            }
        }
    }
}

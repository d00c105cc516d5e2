//! The layer that two layers in a row are: its shape, its weights, and what becomes of a bias between them.
//!
//! Along one axis, the second layer's output `o` reads the middle at `s2 o + d2 t2 - p2`, which reads the input at
//!
//! ```text
//! s1 (s2 o + d2 t2 - p2) + d1 t1 - p1  =  s1 s2 o + (s1 d2 t2 + d1 t1) - (s1 p2 + p1)
//! ```
//! so the composed layer has stride `s1 s2`, padding `s1 p2 + p1` and a tap at `s1 d2 t2 + d1 t1` for every pair of
//! taps. Where the second layer reads its own padding, the composed one reads what the first layer would make there of
//! its input: nothing but zeros if the first layer has one tap and no padding along that axis.

use crate::error::Result;
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::op::OpDef;
use picc_ir::ops::{Add, Conv, MatMul};
use picc_ir::{Tensor, TypeError};

/// Multiplications by which composed weights are computed at most: some seconds.
const MAX_PRODUCTS: usize = 1 << 33;

/// A linear layer with the server's weights, by its public shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Layer {
    Conv(ConvGeom),
    MatMul(MatMulGeom),
}

/// The layer that is `second` after `first`; `None` where there is none, or where it is not shown to be equal.
pub(super) fn composed(first: Layer, second: Layer) -> Option<Layer> {
    match (first, second) {
        (Layer::MatMul(a), Layer::MatMul(b)) => {
            let small = a.inner.checked_mul(a.cols)?.checked_mul(b.cols)? <= MAX_PRODUCTS;
            let fits = a.batch == b.batch && a.rows == b.rows && a.cols == b.inner;
            (small && fits).then_some(Layer::MatMul(MatMulGeom { cols: b.cols, ..a }))
        }
        (Layer::Conv(a), Layer::Conv(b)) => composed_conv(&a, &b).map(Layer::Conv),
        _ => None,
    }
}

fn composed_conv(a: &ConvGeom, b: &ConvGeom) -> Option<ConvGeom> {
    let rows = axis(a, b, 0)?;
    let cols = axis(a, b, 1)?;
    let both = ConvGeom {
        c_out: b.c_out,
        kh: rows.taps,
        kw: cols.taps,
        stride: [rows.stride, cols.stride],
        pads: [rows.pads[0], cols.pads[0], rows.pads[1], cols.pads[1]],
        dilation: [rows.dilation, cols.dilation],
        groups: gcd(a.groups, b.groups),
        ..*a
    };
    let taps = [a.kh, a.kw, b.kh, b.kw].into_iter().try_fold(1usize, usize::checked_mul)?;
    let channels = b.c_out.checked_mul(b.c_in / b.groups)?.checked_mul(a.c_in / a.groups)?;
    let small = channels.checked_mul(taps)? <= MAX_PRODUCTS;
    let fits = a.n == b.n && a.c_out == b.c_in && a.out_hw() == [b.h, b.w] && both.out_hw() == b.out_hw();
    (small && fits).then_some(both)
}

/// One axis of a composed convolution.
struct Axis {
    taps: usize,
    stride: usize,
    dilation: usize,
    pads: [usize; 2],
}

/// `None` if the second layer's padding is not what the first layer makes of its own.
fn axis(a: &ConvGeom, b: &ConvGeom, i: usize) -> Option<Axis> {
    let ([k1, k2], [s1, s2], [d1, d2]) =
        ([[a.kh, a.kw][i], [b.kh, b.kw][i]], [a.stride[i], b.stride[i]], [a.dilation[i], b.dilation[i]]);
    let (p1, p2) = ([a.pads[i], a.pads[i + 2]], [b.pads[i], b.pads[i + 2]]);
    if p2 != [0, 0] && (k1 != 1 || p1 != [0, 0]) {
        return None;
    }
    let dilation = match (k1, k2) {
        (1, 1) => 1,
        (_, 1) => d1,
        (1, _) => s1 * d2,
        _ => 1,
    };
    let taps = ((k1 - 1) * d1 + (k2 - 1) * s1 * d2) / dilation + 1;
    Some(Axis { taps, stride: s1 * s2, dilation, pads: [p1[0] + s1 * p2[0], p1[1] + s1 * p2[1]] })
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Weights of the composed layer, summed in double precision.
pub(super) fn product(first: Layer, second: Layer, v: &Tensor<f32>, w: &Tensor<f32>) -> Option<Tensor<f32>> {
    match (first, second, composed(first, second)?) {
        (Layer::MatMul(a), Layer::MatMul(b), _) => Some(matmul_product(&a, &b, v, w)),
        (Layer::Conv(a), Layer::Conv(b), Layer::Conv(both)) => Some(conv_product(&a, &b, &both, v, w)),
        _ => None,
    }
}

fn matmul_product(a: &MatMulGeom, b: &MatMulGeom, v: &Tensor<f32>, w: &Tensor<f32>) -> Tensor<f32> {
    let mut data = Vec::with_capacity(a.inner * b.cols);
    let mut row = vec![0f64; b.cols];
    for v in v.data.chunks_exact(a.cols) {
        row.fill(0.0);
        for (v, w) in v.iter().zip(w.data.chunks_exact(b.cols)) {
            row.iter_mut().zip(w).for_each(|(r, w)| *r += f64::from(*v) * f64::from(*w));
        }
        data.extend(row.iter().map(|&r| r as f32));
    }
    Tensor::new(&[a.inner, b.cols], data)
}

fn conv_product(a: &ConvGeom, b: &ConvGeom, both: &ConvGeom, v: &Tensor<f32>, w: &Tensor<f32>) -> Tensor<f32> {
    let (ins, middles) = (a.c_in / a.groups, b.c_in / b.groups);
    let (taps_a, taps_b) = (a.kh * a.kw, b.kh * b.kw);
    let (own, taps) = (both.c_in / both.groups, both.kh * both.kw);
    // The first layer's weights with neighbouring input channels side by side.
    let by_tap: Vec<f64> = (0..a.c_out * taps_a)
        .flat_map(|mt| (0..ins).map(move |i| (mt / taps_a * ins + i) * taps_a + mt % taps_a))
        .map(|at| f64::from(v.data[at]))
        .collect();
    // Where a pair of taps lies in the composed kernel.
    let tap = |ta: usize, tb: usize| {
        let row = (ta / a.kw) * a.dilation[0] + (tb / b.kw) * a.stride[0] * b.dilation[0];
        let col = (ta % a.kw) * a.dilation[1] + (tb % b.kw) * a.stride[1] * b.dilation[1];
        row / both.dilation[0] * both.kw + col / both.dilation[1]
    };
    let mut out = vec![0f32; both.c_out * own * taps];
    let mut sums = vec![0f64; taps * own];
    for (o, out) in out.chunks_exact_mut(own * taps).enumerate() {
        sums.fill(0.0);
        let first_input = o / (both.c_out / both.groups) * own;
        for j in 0..middles {
            let m = o / (b.c_out / b.groups) * middles + j;
            let start = m / (a.c_out / a.groups) * ins - first_input;
            for tb in 0..taps_b {
                let w = f64::from(w.data[(o * middles + j) * taps_b + tb]);
                for ta in 0..taps_a {
                    let sums = &mut sums[tap(ta, tb) * own + start..][..ins];
                    let v = &by_tap[(m * taps_a + ta) * ins..][..ins];
                    sums.iter_mut().zip(v).for_each(|(s, v)| *s += w * v);
                }
            }
        }
        for (i, out) in out.chunks_exact_mut(taps).enumerate() {
            out.iter_mut().enumerate().for_each(|(t, out)| *out = sums[t * own + i] as f32);
        }
    }
    Tensor::new(&[both.c_out, own, both.kh, both.kw], out)
}

/// The shape of what the second layer reads, for one image or one row.
fn one(second: Layer) -> Vec<usize> {
    match second {
        Layer::Conv(g) => vec![1, g.c_in, g.h, g.w],
        Layer::MatMul(g) => vec![1, g.inner],
    }
}

/// Whether a summand of this shape is the same for all images of a batch, or for all rows of a matrix.
pub(super) fn is_the_same_for_all(second: Layer, summand: &[usize]) -> bool {
    let one = one(second);
    picc_ir::tensor::broadcast(&one, summand).is_some_and(|both| both[..] == one[..])
}

/// What such a summand `a` of the second layer's input adds to its output: one value a channel where it is the same
/// everywhere, else a map.
pub(super) fn carried(second: Layer, a: &Tensor<f32>, w: &Tensor<f32>) -> Result<Tensor<f32>> {
    let internal = |e: TypeError| crate::CompileError::Internal(format!("a bias cannot be carried: {e}"));
    let whole = Add {}.eval_real(&[&Tensor::full(&one(second), 0.0), a], &[]).map_err(internal)?;
    match second {
        Layer::Conv(g) => {
            let image = ConvGeom { n: 1, ..g };
            let map = Conv::of(&image).eval_real(&[&whole, w], &[]).map_err(internal)?;
            let [h, w] = g.out_hw();
            let uniform =
                map.data.chunks_exact(h * w).all(|plane| plane.iter().all(|v| v.to_bits() == plane[0].to_bits()));
            Ok(if uniform {
                Tensor::new(&[g.c_out, 1, 1], map.data.into_iter().step_by(h * w).collect())
            } else {
                Tensor::new(&[g.c_out, h, w], map.data)
            })
        }
        Layer::MatMul(g) => {
            let row = MatMul {}.eval_real(&[&whole, w], &[]).map_err(internal)?;
            Ok(Tensor::new(&[g.cols], row.data))
        }
    }
}

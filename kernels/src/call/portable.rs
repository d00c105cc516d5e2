//! Products in rings in plain Rust: the meaning that micro-kernels must have.

use crate::micro::{self, Known};
use picc_ir::geom::{ConvGeom, MatMulGeom};
use std::ops::Range;

/// An element of a ring of 16, 32 or 64 bits, with its micro-kernels.
pub(super) trait Word: Copy {
    const ZERO: Self;
    /// `self + a * b`, wrapping.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// False: refused, nothing is computed.
    fn conv(x: &[Self], w: &[Self], out: &mut [Self], geom: &ConvGeom) -> bool;
    fn matmul(a: &[Self], b: &[Self], out: &mut [Self], geom: &MatMulGeom) -> bool;
}

/// Multiply-adds that are worth the threads of the pool.
const LONG: usize = 1 << 20;

macro_rules! word {
    ($($t:ty: $bits:literal;)*) => { $(impl Word for $t {
        const ZERO: $t = 0;
        fn mul_add(self, a: $t, b: $t) -> $t {
            self.wrapping_add(a.wrapping_mul(b))
        }
        fn conv(x: &[$t], w: &[$t], out: &mut [$t], geom: &ConvGeom) -> bool {
            micro::PackedConv::new(w, geom, $bits, Known::default())
                .and_then(|packed| {
                    let long = out.len().saturating_mul(geom.fan_in()) >= LONG;
                    if long { packed.run_on_threads(x, out) } else { packed.run(x, out) }
                })
                .is_ok()
        }
        fn matmul(a: &[$t], b: &[$t], out: &mut [$t], geom: &MatMulGeom) -> bool {
            let long = geom.rows.saturating_mul(geom.inner).saturating_mul(geom.cols) >= LONG;
            let product = if long { micro::matmul_on_threads } else { micro::matmul };
            product(a, b, out, geom, $bits, Known::default()).is_ok()
        }
    })* };
}
word! {
    u16: 16;
    u32: 32;
    u64: 64;
}

/// `[batch, rows, inner] x [batch, inner, cols] -> [batch, rows, cols]`.
pub(super) fn matmul<T: Word>(g: &MatMulGeom, a: &[T], b: &[T], out: &mut [T]) {
    out.fill(T::ZERO);
    for n in 0..g.batch {
        for r in 0..g.rows {
            let row = &mut out[(n * g.rows + r) * g.cols..][..g.cols];
            for i in 0..g.inner {
                let x = a[(n * g.rows + r) * g.inner + i];
                let y = &b[(n * g.inner + i) * g.cols..][..g.cols];
                row.iter_mut().zip(y).for_each(|(o, &y)| *o = o.mul_add(x, y));
            }
        }
    }
}

/// `[n, c_in, h, w] * [c_out, c_in / groups, kh, kw] -> [n, c_out, oh, ow]`.
pub(super) fn conv<T: Word>(g: &ConvGeom, x: &[T], w: &[T], out: &mut [T]) {
    let [oh, ow] = g.out_hw();
    let (per, each) = (g.c_in / g.groups, g.c_out / g.groups);
    out.fill(T::ZERO);
    for n in 0..g.n {
        for co in 0..g.c_out {
            let plane = &mut out[(n * g.c_out + co) * oh * ow..][..oh * ow];
            for ci in 0..per {
                let from = &x[(n * g.c_in + co / each * per + ci) * g.h * g.w..][..g.h * g.w];
                for ky in 0..g.kh {
                    let ys = inside(ky * g.dilation[0], g.stride[0], g.pads[0], g.h, oh);
                    for kx in 0..g.kw {
                        let weight = w[((co * per + ci) * g.kh + ky) * g.kw + kx];
                        let xs = inside(kx * g.dilation[1], g.stride[1], g.pads[1], g.w, ow);
                        for oy in ys.clone() {
                            let row = &from[(oy * g.stride[0] + ky * g.dilation[0] - g.pads[0]) * g.w..][..g.w];
                            for ox in xs.clone() {
                                let v = row[ox * g.stride[1] + kx * g.dilation[1] - g.pads[1]];
                                let o = &mut plane[oy * ow + ox];
                                *o = o.mul_add(v, weight);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Outputs `o` for which `o * stride + at - pad` is in `0..extent`.
fn inside(at: usize, stride: usize, pad: usize, extent: usize, outputs: usize) -> Range<usize> {
    let first = pad.saturating_sub(at).div_ceil(stride);
    let end = (extent + pad).saturating_sub(at).div_ceil(stride).min(outputs);
    first.min(end)..end
}

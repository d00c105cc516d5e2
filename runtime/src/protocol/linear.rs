//! Convolution and matrix product of plain ring elements: the meaning of the linear layers (`plain_*`), and what a
//! party computes on its own share (`local_*`, the same, fast).

use super::low_mask;
use crate::error::{Error, Result};
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_kernels::micro::{Known, PackedConv, ShapeError, matmul_on_threads};
use rayon::prelude::*;

/// [`plain_conv`] with weights of `weight_bits` bits in two's complement.
pub(super) fn local_conv(geom: &ConvGeom, x: &[u64], w: &[u64], ring: u8, weight_bits: u8) -> Result<Vec<u64>> {
    let [oh, ow] = geom.out_hw();
    let mut out = vec![0; geom.n * geom.c_out * oh * ow];
    let known = Known { weight_bits, ..Known::default() };
    PackedConv::new(w, geom, ring, known).and_then(|w| w.run_on_threads(x, &mut out)).map_err(bug)?;
    Ok(out)
}

/// [`plain_matmul`].
pub(super) fn local_matmul(geom: &MatMulGeom, left: &[u64], right: &[u64], ring: u8) -> Result<Vec<u64>> {
    let mut out = vec![0; geom.batch * geom.rows * geom.cols];
    matmul_on_threads(left, right, &mut out, geom, ring, Known::default()).map_err(bug)?;
    Ok(out)
}

fn bug(e: ShapeError) -> Error {
    Error::Bug(e.to_string())
}

/// `[n, c_in, h, w] * [c_out, c_in / groups, kh, kw] -> [n, c_out, oh, ow]` modulo `2^ring`, zero padding.
#[must_use]
pub fn plain_conv(geom: &ConvGeom, x: &[u64], w: &[u64], ring: u8) -> Vec<u64> {
    let [oh, ow] = geom.out_hw();
    let fan_in = geom.c_in / geom.groups;
    let per_group = geom.c_out / geom.groups;
    let mut out = vec![0u64; geom.n * geom.c_out * oh * ow];
    out.par_chunks_mut((oh * ow).max(1)).enumerate().for_each(|(plane, out)| {
        let (n, co) = (plane / geom.c_out, plane % geom.c_out);
        for ci in 0..fan_in {
            let x = &x[(n * geom.c_in + co / per_group * fan_in + ci) * geom.h * geom.w..][..geom.h * geom.w];
            for (i, j) in (0..geom.kh).flat_map(|i| (0..geom.kw).map(move |j| (i, j))) {
                let w = w[((co * fan_in + ci) * geom.kh + i) * geom.kw + j];
                for (oy, y) in hits(geom, 0, i) {
                    for (ox, x_at) in hits(geom, 1, j) {
                        let o = &mut out[oy * ow + ox];
                        *o = o.wrapping_add(x[y * geom.w + x_at].wrapping_mul(w));
                    }
                }
            }
        }
        out.iter_mut().for_each(|o| *o &= low_mask(ring.into()));
    });
    out
}

/// The outputs along `axis` (0 vertical, 1 horizontal) for which tap `tap` is not padding, with the input position.
pub(super) fn hits(geom: &ConvGeom, axis: usize, tap: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
    let len = [geom.h, geom.w][axis];
    let (stride, offset, pad) = (geom.stride[axis], tap * geom.dilation[axis], geom.pads[axis]);
    (0..geom.out_hw()[axis])
        .filter_map(move |o| (o * stride + offset).checked_sub(pad).filter(|p| *p < len).map(|p| (o, p)))
}

/// `batch` products `[rows, inner] x [inner, cols] -> [rows, cols]` modulo `2^ring`.
#[must_use]
pub fn plain_matmul(geom: &MatMulGeom, left: &[u64], right: &[u64], ring: u8) -> Vec<u64> {
    let &MatMulGeom { batch, rows, inner, cols } = geom;
    let mut out = vec![0u64; batch * rows * cols];
    out.par_chunks_mut(cols.max(1)).enumerate().for_each(|(row, out)| {
        let b = row / rows;
        for k in 0..inner {
            let factor = left[row * inner + k];
            let right = &right[(b * inner + k) * cols..][..cols];
            out.iter_mut().zip(right).for_each(|(o, r)| *o = o.wrapping_add(factor.wrapping_mul(*r)));
        }
        out.iter_mut().for_each(|o| *o &= low_mask(ring.into()));
    });
    out
}

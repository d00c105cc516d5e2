//! The reference pooling: folds the taps of each window, one tap for all windows of a row at a time.

use crate::semantics::number::Number;
use crate::semantics::window::Window;
use crate::tensor::Tensor;
use crate::ty::TypeError;

/// `start` folded with every element of the window; padding is skipped.
pub(crate) fn pool<T: Number>(
    x: &Tensor<T>,
    window: &Window,
    start: T,
    f: impl Fn(T, T) -> T,
) -> Result<Tensor<T>, TypeError> {
    let [oh, ow] = window.out_hw(&x.shape)?;
    let (h, w) = (x.shape[2], x.shape[3]);
    let mut out = Tensor::full(&[x.shape[0], x.shape[1], oh, ow], start);
    for (plane, out) in x.data.chunks_exact(h * w).zip(out.data.chunks_exact_mut(oh * ow)) {
        for ky in 0..window.kernel[0] {
            let [top, bottom] = covered(window, 0, ky, h, oh);
            for kx in 0..window.kernel[1] {
                let [left, right] = covered(window, 1, kx, w, ow);
                for oy in top..bottom {
                    let y = oy * window.stride[0] + ky * window.dilation[0] - window.pads[0];
                    let row = &plane[y * w..(y + 1) * w];
                    for (ox, slot) in out[oy * ow..(oy + 1) * ow].iter_mut().enumerate().take(right).skip(left) {
                        let x = ox * window.stride[1] + kx * window.dilation[1] - window.pads[1];
                        *slot = f(*slot, row[x]);
                    }
                }
            }
        }
    }
    Ok(out)
}

/// Outputs `[first, end)` whose tap `k` along an axis lies inside the input, not in its padding.
fn covered(window: &Window, axis: usize, k: usize, extent: usize, outputs: usize) -> [usize; 2] {
    let (stride, tap, pad) = (window.stride[axis], k * window.dilation[axis], window.pads[axis]);
    let first = pad.saturating_sub(tap).div_ceil(stride);
    let end = (extent + pad).saturating_sub(tap).div_ceil(stride).min(outputs);
    [first.min(end), end]
}

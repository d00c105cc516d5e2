//! Pools over windows and over whole images.

use super::one;
use super::window::{Window, as_2d, back, two};
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Known, Value};
use crate::onnx::node::NodeView;
use picc_ir::Tensor;
use picc_ir::ops::{MaxPool, ReduceMax, ReduceSum, SumPool};

/// A pool with its input brought to two spatial axes.
struct Placed {
    x: Value,
    was_1d: bool,
    /// Height and width of the input.
    hw: [usize; 2],
    window: Window,
    /// The window's pads, longer at the end where a last window reaches beyond: rounding down then gives `out`.
    pads: [usize; 4],
    out: [usize; 2],
}

impl Placed {
    fn read(importer: &mut Importer, node: &NodeView<'_>) -> Result<Placed, Cause> {
        let (x, was_1d) = as_2d(importer, node.input(0)?)?;
        let &[_, _, h, w] = &importer.shape(&x)[..] else { return Err(Cause::malformed("shape")) };
        let hw = [h, w];
        if !node.has("kernel_shape") {
            return Err(Cause::attribute("kernel_shape", "is missing"));
        }
        let window = Window::read(node, two(node, "kernel_shape", was_1d, 1)?, hw, was_1d)?;
        let out = window.out_hw(hw, node.flag("ceil_mode", false)?)?;
        let mut pads = window.pads;
        for i in 0..2 {
            let reach = (out[i] - 1) * window.stride[i] + window.extent()[i];
            pads[i + 2] += reach.saturating_sub(hw[i] + pads[i] + pads[i + 2]);
        }
        Ok(Placed { x, was_1d, hw, window, pads, out })
    }
}

/// `MaxPool`.
pub fn max_pool(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    node.only_first_output("Indices")?;
    let Placed { x, was_1d, window, pads, .. } = Placed::read(importer, node)?;
    let op = MaxPool { kernel: window.kernel, stride: window.stride, pads, dilation: window.dilation };
    let y = importer.emit(op, &[&x])?;
    one(back(importer, &y, was_1d)?)
}

/// `AveragePool`: the sum over the window, times the reciprocal of how many elements are counted.
pub fn average_pool(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let Placed { x, was_1d, hw: [h, w], window, pads, out } = Placed::read(importer, node)?;
    let include_pad = node.flag("count_include_pad", false)?;
    let op = SumPool { kernel: window.kernel, stride: window.stride, pads, dilation: window.dilation };
    let sum = importer.emit(op, &[&x])?;
    importer.may_hold(&out)?;
    let rows = counts(&window, 0, h, out[0], include_pad);
    let columns = counts(&window, 1, w, out[1], include_pad);
    let reciprocals: Vec<f32> =
        rows.iter().flat_map(|&r| columns.iter().map(move |&c| 1.0 / (r * c).max(1) as f32)).collect();
    let factor = if reciprocals.iter().all(|&v| v == reciprocals[0]) {
        importer.scalar(reciprocals[0])
    } else {
        Value::Known(Known::float(Tensor::new(&[1, 1, out[0], out[1]], reciprocals), true, ""))
    };
    let y = if window.kernel == [1, 1] && importer.shape(&factor).is_empty() {
        sum
    } else {
        importer.mul(&sum, &factor)?
    };
    one(back(importer, &y, was_1d)?)
}

/// For each position along an axis: how many taps of the window count.
fn counts(window: &Window, axis: usize, extent: usize, out: usize, include_pad: bool) -> Vec<usize> {
    let (before, after) = (window.pads[axis], window.pads[axis + 2]);
    // In coordinates of the padded input; what a rounded-up window reaches beyond it never counts.
    let inside = if include_pad { 0..before + extent + after } else { before..before + extent };
    let start = |o: usize| o * window.stride[axis];
    (0..out)
        .map(|o| {
            (0..window.kernel[axis]).filter(|t| inside.contains(&(start(o) + t * window.dilation[axis]))).count()
        })
        .collect()
}

/// The axes after batch and channels, and how many elements they have.
fn spatial(importer: &Importer, x: &Value) -> Result<(Vec<usize>, usize), Cause> {
    let shape = importer.shape(x);
    if shape.len() < 3 {
        return Err(Cause::malformed(format!("an input of shape {shape:?} has no spatial axes")));
    }
    Ok(((2..shape.len()).collect(), shape[2..].iter().product()))
}

/// `GlobalAveragePool`.
pub fn global_average_pool(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let (axes, count) = spatial(importer, x)?;
    let sum = importer.emit(ReduceSum { axes, keep: true }, &[x])?;
    one(importer.scale(&sum, 1.0 / count as f32)?)
}

/// `GlobalMaxPool`.
pub fn global_max_pool(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let (axes, _) = spatial(importer, x)?;
    one(importer.emit(ReduceMax { axes, keep: true }, &[x])?)
}

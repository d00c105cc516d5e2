//! Convolutions.

use super::one;
use super::window::{AutoPad, Window, as_2d, back, explicit_pads, two};
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::Value;
use crate::onnx::node::{NodeView, extent, extents};
use picc_ir::ops::{Conv, Slice, ZeroInsert};

/// Kernel extents of weights `[m, c, kh, kw]`, checked against `kernel_shape`.
fn kernel(node: &NodeView<'_>, w: [usize; 2], was_1d: bool) -> Result<[usize; 2], Cause> {
    match node.has("kernel_shape") {
        true if two(node, "kernel_shape", was_1d, 1)? != w => {
            Err(Cause::attribute("kernel_shape", format!("differs from the weights' {w:?}")))
        }
        _ => Ok(w),
    }
}

/// Number of groups; positive.
fn groups(node: &NodeView<'_>) -> Result<usize, Cause> {
    match extent(node.int("group", 1)?, "group")? {
        0 => Err(Cause::attribute("group", "is 0")),
        g => Ok(g),
    }
}

/// Adds a bias `[m]` to `[n, m, h, w]`.
fn add_bias(importer: &mut Importer, y: Value, bias: Option<&Value>) -> Result<Value, Cause> {
    let Some(bias) = bias else { return Ok(y) };
    let shape = importer.shape(bias);
    let channels = importer.shape(&y)[1];
    if shape[..] != [channels] {
        return Err(Cause::malformed(format!("a bias of shape {shape:?} for {channels} channels")));
    }
    let bias = importer.reshape(bias, &[1, channels, 1, 1])?;
    importer.add(&y, &bias)
}

/// `Conv`, over one or two spatial axes.
pub fn conv(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    node.known(1, "weights")?;
    let y = convolve(importer, node, node.input(0)?, node.input(1)?, node.optional(2))?;
    one(y)
}

/// The convolution that the attributes of `node` describe.
pub fn convolve(
    importer: &mut Importer,
    node: &NodeView<'_>,
    x: &Value,
    weights: &Value,
    bias: Option<&Value>,
) -> Result<Value, Cause> {
    let (x, was_1d) = as_2d(importer, x)?;
    let (weights, _) = as_2d(importer, weights)?;
    let (&[_, _, h, w], &[_, _, kh, kw]) = (&importer.shape(&x)[..], &importer.shape(&weights)[..]) else {
        return Err(Cause::malformed("shapes"));
    };
    let kernel = kernel(node, [kh, kw], was_1d)?;
    let window = Window::read(node, kernel, [h, w], was_1d)?;
    window.out_hw([h, w], false)?;
    let op = Conv { stride: window.stride, pads: window.pads, dilation: window.dilation, groups: groups(node)? };
    let y = importer.emit(op, &[&x, &weights])?;
    let y = add_bias(importer, y, bias)?;
    back(importer, &y, was_1d)
}

/// `ConvTranspose`: zeros between the inputs, then a convolution with the flipped kernel and stride one.
pub fn conv_transpose(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    node.known(1, "weights")?;
    let (x, was_1d) = as_2d(importer, node.input(0)?)?;
    let (weights, _) = as_2d(importer, node.input(1)?)?;
    let (&[_, c, h, w], &[wc, per_group, kh, kw]) = (&importer.shape(&x)[..], &importer.shape(&weights)[..]) else {
        return Err(Cause::malformed("shapes"));
    };
    let groups = groups(node)?;
    if wc != c || c % groups != 0 {
        return Err(Cause::malformed(format!("weights for {wc} channels in {groups} groups, the input has {c}")));
    }
    let kernel = kernel(node, [kh, kw], was_1d)?;
    let window = Window {
        kernel,
        stride: two(node, "strides", was_1d, 1)?,
        dilation: two(node, "dilations", was_1d, 1)?,
        pads: [0; 4],
    };
    if window.kernel.contains(&0) || window.stride.contains(&0) || window.dilation.contains(&0) {
        return Err(Cause::malformed("a kernel, stride or dilation of 0"));
    }
    let mut x = x;
    if window.stride != [1, 1] {
        x = importer.emit(ZeroInsert { factor: vec![1, 1, window.stride[0], window.stride[1]] }, &[&x])?;
    }
    let (pads, output_padding) = transposed_pads(node, &window, [h, w], was_1d)?;
    // The convolution sees `extent - 1 - pad` zeros around; where that is negative, elements are cut off instead.
    let extent = window.extent();
    let mut conv_pads = [0usize; 4];
    let shape = importer.shape(&x);
    let mut cut = Slice { start: vec![0; 4], size: shape.to_vec(), step: vec![1; 4] };
    for i in 0..2 {
        let full = i64::try_from(extent[i] - 1).unwrap_or(i64::MAX);
        let before = full - pads[i];
        let after = full - pads[i + 2] + output_padding[i];
        let (cut_before, cut_after) = (magnitude(before.min(0)), magnitude(after.min(0)));
        let left = shape[2 + i].checked_sub(cut_before).and_then(|d| d.checked_sub(cut_after));
        cut.size[2 + i] = left.filter(|&d| d > 0).ok_or_else(|| Cause::malformed("pads leave nothing"))?;
        cut.start[2 + i] = cut_before;
        conv_pads[i] = magnitude(before.max(0));
        conv_pads[i + 2] = magnitude(after.max(0));
    }
    if cut.size[..] != shape[..] {
        x = importer.emit(cut, &[&x])?;
    }
    let flipped = flip(importer, &weights, groups, [kh, kw], per_group)?;
    let op = Conv { stride: [1, 1], pads: conv_pads, dilation: window.dilation, groups };
    let y = importer.emit(op, &[&x, &flipped])?;
    let y = add_bias(importer, y, node.optional(2))?;
    one(back(importer, &y, was_1d)?)
}

fn magnitude(v: i64) -> usize {
    usize::try_from(v.unsigned_abs()).unwrap_or(usize::MAX)
}

/// Pads and output padding of a transposed convolution, from whichever attributes the node has.
fn transposed_pads(
    node: &NodeView<'_>,
    window: &Window,
    hw: [usize; 2],
    was_1d: bool,
) -> Result<([i64; 4], [i64; 2]), Cause> {
    let output_padding = two(node, "output_padding", was_1d, 0)?.map(|v| i64::try_from(v).unwrap_or(i64::MAX));
    let auto = AutoPad::read(node)?;
    let mut wanted: Option<[usize; 2]> = None;
    if let Some(shape) = node.ints("output_shape")? {
        let dims = extents(&shape, "output_shape")?;
        wanted = match (was_1d, &dims[dims.len().saturating_sub(2)..]) {
            (true, &[.., l]) => Some([1, l]),
            (false, &[a, b]) => Some([a, b]),
            _ => return Err(Cause::attribute("output_shape", format!("is {shape:?}"))),
        };
    } else if matches!(auto, AutoPad::SameUpper | AutoPad::SameLower) {
        wanted = Some([hw[0] * window.stride[0], hw[1] * window.stride[1]]);
    }
    let Some(wanted) = wanted else {
        let pads = if auto == AutoPad::NotSet { explicit_pads(node, was_1d)? } else { [0; 4] };
        return Ok((pads.map(|p| i64::try_from(p).unwrap_or(i64::MAX)), output_padding));
    };
    let mut pads = [0; 4];
    for i in 0..2 {
        let spread = hw[i].saturating_sub(1) * window.stride[i] + window.extent()[i];
        let signed = |v: usize| i64::try_from(v).unwrap_or(i64::MAX);
        let total = (signed(spread) + output_padding[i] - signed(wanted[i])).max(0);
        let half = total / 2;
        let (begin, end) = if auto == AutoPad::SameUpper { (half, total - half) } else { (total - half, half) };
        pads[i] = begin;
        pads[i + 2] = end;
    }
    Ok((pads, output_padding))
}

/// Weights `[c, m / groups, kh, kw]` of a transposed convolution as `[m, c / groups, kh, kw]` of a convolution.
fn flip(
    importer: &mut Importer,
    weights: &Value,
    groups: usize,
    [kh, kw]: [usize; 2],
    per_group: usize,
) -> Result<Value, Cause> {
    let c = importer.shape(weights)[0];
    let back =
        Slice { start: vec![0, 0, kh - 1, kw - 1], size: vec![c, per_group, kh, kw], step: vec![1, 1, -1, -1] };
    let w = importer.emit(back, &[weights])?;
    let w = importer.reshape(&w, &[groups, c / groups, per_group, kh, kw])?;
    let w = importer.transpose(&w, vec![0, 2, 1, 3, 4])?;
    importer.reshape(&w, &[groups * per_group, c / groups, kh, kw])
}

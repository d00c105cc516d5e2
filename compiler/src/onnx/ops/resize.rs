//! Nearest-neighbour resizing: a gather along each axis.

use super::movement::gather_axis;
use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Known, Value};
use crate::onnx::node::{self, MAX_EXTENT, NodeView, extents};

const LINEAR: &str = "use mode nearest, or a ConvTranspose with the interpolation's weights";

/// `Upsample`, opsets 7 to 9.
pub fn upsample(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    nearest_mode(node)?;
    let scales = if node.opset < 9 {
        node.floats("scales")?.ok_or_else(|| Cause::attribute("scales", "is missing"))?
    } else {
        node.known(1, "scales")?.to_float().data.clone()
    };
    let x = node.input(0)?;
    let axes: Vec<usize> = (0..importer.shape(x).len()).collect();
    one(by_scales(importer, x, &axes, &scales, "asymmetric", "floor")?)
}

fn nearest_mode(node: &NodeView<'_>) -> Result<(), Cause> {
    match node.string("mode", "nearest")?.as_str() {
        "nearest" => Ok(()),
        other => Err(Cause::unsupported(format!("interpolation mode `{other}`"), LINEAR)),
    }
}

/// `Resize`, with scales or sizes.
pub fn resize(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    nearest_mode(node)?;
    let x = node.input(0)?;
    let shape = importer.shape(x);
    if node.opset < 11 {
        let scales = node.known(1, "scales")?.to_float().data.clone();
        let axes: Vec<usize> = (0..shape.len()).collect();
        return one(by_scales(importer, x, &axes, &scales, "asymmetric", "floor")?);
    }
    let transform = node.string("coordinate_transformation_mode", "half_pixel")?;
    let rounding = node.string("nearest_mode", "round_prefer_floor")?;
    let axes = match node.ints("axes")? {
        Some(list) => list.iter().map(|&a| node::axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).collect(),
    };
    let given = |k: Option<&Known>| k.filter(|k| !k.is_empty()).cloned();
    if let Some(scales) = given(node.optional_known(2, "scales")?) {
        return one(by_scales(importer, x, &axes, &scales.to_float().data, &transform, &rounding)?);
    }
    let Some(sizes) = given(node.optional_known(3, "sizes")?) else {
        return Err(Cause::malformed("neither scales nor sizes are given"));
    };
    let sizes = extents(&sizes.to_ints()?.data, "size")?;
    if sizes.len() != axes.len() || sizes.contains(&0) {
        return Err(Cause::malformed(format!("sizes {sizes:?} for {} axes", axes.len())));
    }
    let ratio = |i: usize| sizes[i] as f32 / shape[axes[i]] as f32;
    let ratios = (0..axes.len()).map(ratio);
    let common = match node.string("keep_aspect_ratio_policy", "stretch")?.as_str() {
        "stretch" => None,
        "not_larger" => ratios.reduce(f32::min),
        "not_smaller" => ratios.reduce(f32::max),
        other => return Err(Cause::attribute("keep_aspect_ratio_policy", format!("is `{other}`"))),
    };
    let mut y = x.clone();
    for (i, &axis) in axes.iter().enumerate() {
        let (scale, out) = match common {
            Some(scale) => (scale, (scale * shape[axis] as f32).round() as usize),
            None => (ratio(i), sizes[i]),
        };
        y = along(importer, &y, axis, scale, out, &transform, &rounding)?;
    }
    one(y)
}

fn by_scales(
    importer: &mut Importer,
    x: &Value,
    axes: &[usize],
    scales: &[f32],
    transform: &str,
    rounding: &str,
) -> Result<Value, Cause> {
    if scales.len() != axes.len() || !scales.iter().all(|s| s.is_finite() && *s > 0.0) {
        return Err(Cause::malformed(format!("scales {scales:?} for {} axes", axes.len())));
    }
    let mut y = x.clone();
    for (&axis, &scale) in axes.iter().zip(scales) {
        let extent = importer.shape(&y)[axis];
        let out = (extent as f32 * scale).floor();
        y = along(importer, &y, axis, scale, out as usize, transform, rounding)?;
    }
    Ok(y)
}

/// Resizes one axis to `out` elements.
fn along(
    importer: &mut Importer,
    x: &Value,
    axis: usize,
    scale: f32,
    out: usize,
    transform: &str,
    rounding: &str,
) -> Result<Value, Cause> {
    let mut shape = importer.shape(x);
    let extent = shape[axis];
    if out == 0 || out as u64 > MAX_EXTENT as u64 {
        return Err(Cause::malformed(format!("axis {axis} becomes {out} elements")));
    }
    if out == extent && scale == 1.0 {
        return Ok(x.clone());
    }
    shape[axis] = out;
    importer.may_hold(&shape)?;
    let (before, after, scale) = (extent as f64, out as f64, f64::from(scale));
    let mut indices = Vec::with_capacity(out);
    for o in 0..out {
        let o = o as f64;
        let position = match transform {
            "half_pixel" => (o + 0.5) / scale - 0.5,
            "half_pixel_symmetric" => {
                // What the rounded extent adds or takes is shared by both ends.
                let centre = before / 2.0;
                let offset = centre * (1.0 - after / (scale * before));
                offset + (o + 0.5) / scale - 0.5
            }
            "pytorch_half_pixel" => {
                if out > 1 {
                    (o + 0.5) / scale - 0.5
                } else {
                    0.0
                }
            }
            "align_corners" => {
                if out > 1 {
                    o * (before - 1.0) / (after - 1.0)
                } else {
                    0.0
                }
            }
            "asymmetric" => o / scale,
            "tf_half_pixel_for_nn" => (o + 0.5) / scale,
            other => {
                return Err(Cause::unsupported(
                    format!("coordinate transformation mode `{other}`"),
                    "use half_pixel, pytorch_half_pixel, align_corners or asymmetric",
                ));
            }
        };
        let rounded = match rounding {
            "round_prefer_floor" => (position - 0.5).ceil(),
            "round_prefer_ceil" => (position + 0.5).floor(),
            "floor" => position.floor(),
            "ceil" => position.ceil(),
            other => return Err(Cause::attribute("nearest_mode", format!("is `{other}`"))),
        };
        indices.push(rounded.clamp(0.0, before - 1.0) as usize);
    }
    gather_axis(importer, x, axis, &indices)
}

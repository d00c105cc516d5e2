//! Nearest-neighbour resizing: a gather along each axis.
//!
//! Where an output lies at an element of the input, or half way between two, rounding errors decide which is nearest.
//! Models are tested with onnxruntime, so the steps here are those of its CPU kernel, each in the width in which it
//! computes; `compiler/tests/resize.rs` holds them against its recorded answers.

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
    one(by_scales(importer, x, &axes, &scales, BEFORE_11)?)
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
        return one(by_scales(importer, x, &axes, &scales, BEFORE_11)?);
    }
    let mode = (Transform::read(node)?, Rounding::read(node)?);
    let axes = match node.ints("axes")? {
        Some(list) => {
            node::axes(&list, shape.len())?;
            list.iter().map(|&a| node::axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?
        }
        None => (0..shape.len()).collect(),
    };
    let given = |k: Option<&Known>| k.filter(|k| !k.is_empty()).cloned();
    if let Some(scales) = given(node.optional_known(2, "scales")?) {
        return one(by_scales(importer, x, &axes, &scales.to_float().data, mode)?);
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
    let axis = |(i, &axis): (usize, &usize)| match common {
        Some(scale) => Axis { axis, scale, out: (scale * shape[axis] as f32).round() as usize },
        None => Axis { axis, scale: ratio(i), out: sizes[i] },
    };
    let axes: Vec<Axis> = axes.iter().enumerate().map(axis).collect();
    one(resized(importer, x, &axes, mode)?)
}

fn by_scales(
    importer: &mut Importer,
    x: &Value,
    axes: &[usize],
    scales: &[f32],
    mode: (Transform, Rounding),
) -> Result<Value, Cause> {
    if scales.len() != axes.len() || !scales.iter().all(|s| s.is_finite() && *s > 0.0) {
        return Err(Cause::malformed(format!("scales {scales:?} for {} axes", axes.len())));
    }
    let shape = importer.shape(x);
    let axis = |(&axis, &scale): (&usize, &f32)| Axis { axis, scale, out: (shape[axis] as f32 * scale) as usize };
    let axes: Vec<Axis> = axes.iter().zip(scales).map(axis).collect();
    resized(importer, x, &axes, mode)
}

/// One axis to be resized to `out` elements.
struct Axis {
    axis: usize,
    scale: f32,
    out: usize,
}

/// Resizes axes. A value whose shape does not change is left as it is, whatever the scales.
fn resized(
    importer: &mut Importer,
    x: &Value,
    axes: &[Axis],
    (transform, rounding): (Transform, Rounding),
) -> Result<Value, Cause> {
    let mut shape = importer.shape(x);
    if axes.iter().all(|a| a.out == shape[a.axis]) {
        return Ok(x.clone());
    }
    let mut y = x.clone();
    for &Axis { axis, scale, out } in axes {
        if out == 0 || out as u64 > MAX_EXTENT as u64 {
            return Err(Cause::malformed(format!("axis {axis} becomes {out} elements")));
        }
        let extent = shape[axis];
        if out == extent && scale == 1.0 {
            continue;
        }
        shape[axis] = out;
        importer.may_hold(&shape)?;
        let indices: Vec<usize> = (0..out)
            .map(|o| {
                let position = transform.position(o as f32, scale, out as f32, extent as f32);
                // A negative one saturates at the first element.
                (rounding.round(position, scale) as usize).min(extent - 1)
            })
            .collect();
        y = gather_axis(importer, &y, axis, &indices)?;
    }
    Ok(y)
}

/// Where an output lies among the inputs.
#[derive(Clone, Copy)]
enum Transform {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    TfHalfPixelForNn,
}

impl Transform {
    fn read(node: &NodeView<'_>) -> Result<Transform, Cause> {
        Ok(match node.string("coordinate_transformation_mode", "half_pixel")?.as_str() {
            "half_pixel" => Transform::HalfPixel,
            "half_pixel_symmetric" => Transform::HalfPixelSymmetric,
            "pytorch_half_pixel" => Transform::PytorchHalfPixel,
            "align_corners" => Transform::AlignCorners,
            "asymmetric" => Transform::Asymmetric,
            "tf_half_pixel_for_nn" => Transform::TfHalfPixelForNn,
            other => {
                return Err(Cause::unsupported(
                    format!("coordinate transformation mode `{other}`"),
                    "use half_pixel, pytorch_half_pixel, align_corners or asymmetric",
                ));
            }
        })
    }

    /// Position of output `o` of `after`, among the `before` inputs.
    fn position(self, o: f32, scale: f32, after: f32, before: f32) -> f32 {
        match self {
            Transform::HalfPixel => (o + 0.5) / scale - 0.5,
            Transform::PytorchHalfPixel if after > 1.0 => (o + 0.5) / scale - 0.5,
            Transform::AlignCorners if after > 1.0 => o * (before - 1.0) / (after - 1.0),
            Transform::PytorchHalfPixel | Transform::AlignCorners => 0.0,
            Transform::Asymmetric => o / scale,
            Transform::TfHalfPixelForNn => (o + 0.5) / scale,
            Transform::HalfPixelSymmetric => {
                // What rounding the extent adds or takes is shared by both ends.
                let offset = before / 2.0 * (1.0 - after / (scale * before));
                (f64::from(offset) + (f64::from(o) + 0.5) / f64::from(scale) - 0.5) as f32
            }
        }
    }
}

/// Which input a position means.
#[derive(Clone, Copy)]
enum Rounding {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
    /// Towards the beginning where the axis grows, towards the end where it shrinks.
    BySize,
}

/// Before opset 11 there is one mode.
const BEFORE_11: (Transform, Rounding) = (Transform::Asymmetric, Rounding::BySize);

/// A position as close to the middle between two elements is taken to lie there.
const TIE: f32 = 1e-6;

impl Rounding {
    fn read(node: &NodeView<'_>) -> Result<Rounding, Cause> {
        Ok(match node.string("nearest_mode", "round_prefer_floor")?.as_str() {
            "round_prefer_floor" => Rounding::PreferFloor,
            "round_prefer_ceil" => Rounding::PreferCeil,
            "floor" => Rounding::Floor,
            "ceil" => Rounding::Ceil,
            other => return Err(Cause::attribute("nearest_mode", format!("is `{other}`"))),
        })
    }

    fn round(self, position: f32, scale: f32) -> f32 {
        let floor = position.floor();
        let tie = (position - floor - 0.5).abs() < TIE;
        match self {
            Rounding::PreferFloor if tie => floor,
            Rounding::PreferCeil if tie => floor + 1.0,
            Rounding::PreferFloor | Rounding::PreferCeil => position.round(),
            Rounding::Ceil => position.ceil(),
            Rounding::BySize if scale < 1.0 => position.ceil(),
            Rounding::Floor | Rounding::BySize => floor,
        }
    }
}

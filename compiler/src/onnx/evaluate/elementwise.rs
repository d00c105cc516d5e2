//! Functions of each element.

use super::{integers, reals};
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Known, Value};
use crate::onnx::node::NodeView;
use crate::onnx::ops::elementwise::broadcast_with;
use onnx_protobuf::tensor_proto::DataType;
use picc_ir::Tensor;
use picc_ir::ops::Function;
use std::sync::Arc;

/// A function of reals.
pub fn map(importer: &mut Importer, node: &NodeView<'_>, f: impl Fn(f64) -> f64) -> Result<Vec<Value>, Cause> {
    let x = node.known(0, "input")?;
    Ok(vec![reals(importer, &x.to_real().map(|&v| f(v)), &[x])?])
}

/// `x tanh(log(1 + exp(x)))`.
pub fn mish(x: f64) -> f64 {
    // Beyond, the logarithm is `x` in all digits, and the exponential may overflow.
    let softplus = if x > 40.0 { x } else { x.exp().ln_1p() };
    x * softplus.tanh()
}

/// `x / (1 + exp(-alpha x))`.
pub fn swish(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let alpha = f64::from(node.float("alpha", 1.0)?);
    map(importer, node, |x| x / (1.0 + (-alpha * x).exp()))
}

/// `x / 2 (1 + erf(x / sqrt 2))`, or its approximation by a hyperbolic tangent.
pub fn gelu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    if node.string("approximate", "none")? == "tanh" {
        let c = std::f64::consts::FRAC_2_PI.sqrt();
        return map(importer, node, |x| 0.5 * x * (1.0 + (c * (x + 0.044_715 * x * x * x)).tanh()));
    }
    let x = node.input(0)?;
    let scaled = importer.scale(x, std::f32::consts::FRAC_1_SQRT_2)?;
    let erf = importer.function(Function::Erf, &scaled)?;
    let gate = importer.shift(&erf, 1.0)?;
    let gate = importer.scale(&gate, 0.5)?;
    Ok(vec![importer.mul(x, &gate)?])
}

pub fn thresholded_relu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let alpha = f64::from(node.float("alpha", 1.0)?);
    map(importer, node, |x| if x > alpha { x } else { 0.0 })
}

pub fn shrink(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (bias, lambda) = (f64::from(node.float("bias", 0.0)?), f64::from(node.float("lambd", 0.5)?));
    map(importer, node, |x| match x {
        _ if x < -lambda => x + bias,
        _ if x > lambda => x - bias,
        _ => 0.0,
    })
}

/// Floats or integers between bounds, of which the upper one has the last word.
pub fn clip(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.known(0, "input")?;
    let (lo, hi) = match node.opset {
        ..11 => (node.optional_float("min")?.map(real), node.optional_float("max")?.map(real)),
        _ => (node.optional_known(1, "min")?.cloned(), node.optional_known(2, "max")?.cloned()),
    };
    if let Some(bound) = lo.iter().chain(&hi).find(|b| b.len() != 1) {
        return Err(Cause::malformed(format!("a bound has {} elements instead of one", bound.len())));
    }
    let from: Vec<&Known> = std::iter::once(x).chain(&lo).chain(&hi).collect();
    let y = match &x.data {
        Data::Float(t) => {
            let bound = |b: &Option<Known>| b.as_ref().map(|b| b.to_float().data[0]);
            let (lo, hi) = (bound(&lo), bound(&hi));
            // Not a number stays that.
            let low = |v: f32| lo.filter(|&lo| v < lo).unwrap_or(v);
            let both = |v: f32| hi.filter(|&hi| low(v) > hi).unwrap_or_else(|| low(v));
            Data::Float(Arc::new(t.map(|&v| both(v))))
        }
        Data::Int(t) => {
            let bound = |b: &Option<Known>| b.as_ref().map(|b| b.to_ints().map(|t| t.data[0])).transpose();
            let (lo, hi) = (bound(&lo)?.unwrap_or(i64::MIN), bound(&hi)?.unwrap_or(i64::MAX));
            Data::Int(Arc::new(t.map(|&v| v.max(lo).min(hi))))
        }
    };
    let public = from.iter().all(|k| k.public);
    Ok(vec![importer.computed(y, public, &from)?])
}

/// An attribute, which is public.
fn real(v: f32) -> Known {
    Known::float(Tensor::new(&[], vec![v]), true, "")
}

fn boolean(importer: &mut Importer, x: &Known, f: impl Fn(f64) -> bool) -> Result<Vec<Value>, Cause> {
    let y = x.to_real().map(|&v| i64::from(f(v)));
    let mut y = importer.computed(Data::Int(Arc::new(y)), x.public, &[x])?;
    if let Value::Known(k) = &mut y {
        k.dtype = DataType::BOOL;
    }
    Ok(vec![y])
}

pub fn is_nan(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    boolean(importer, node.known(0, "input")?, f64::is_nan)
}

pub fn is_inf(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (below, above) = (node.flag("detect_negative", true)?, node.flag("detect_positive", true)?);
    boolean(importer, node.known(0, "input")?, |v| v.is_infinite() && if v < 0.0 { below } else { above })
}

/// A function of the bits of two integers.
pub fn bits(
    importer: &mut Importer,
    node: &NodeView<'_>,
    f: impl Fn(i64, i64) -> i64,
) -> Result<Vec<Value>, Cause> {
    let (a, b) = (node.known(0, "input")?, node.known(1, "input")?);
    let y = broadcast_with(a.to_ints()?, b.to_ints()?, f)?;
    Ok(vec![integers(importer, y, &[a, b])?])
}

pub fn bitwise_not(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.known(0, "input")?;
    let y = x.to_ints()?.map(|&v| !v);
    Ok(vec![integers(importer, y, &[x])?])
}

/// Shifts by more bits than there are leave none, or those of the sign.
pub fn bit_shift(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let left = match node.string("direction", "")?.as_str() {
        "LEFT" => true,
        "RIGHT" => false,
        other => return Err(Cause::attribute("direction", format!("is `{other}`"))),
    };
    // Unsigned integers of 64 bits are held by their bits, all others by their value.
    let unsigned = node.known(0, "input")?.dtype == DataType::UINT64;
    bits(importer, node, |a, b| {
        let b = u32::try_from(b).unwrap_or(u32::MAX);
        match (left, unsigned) {
            (true, _) => a.checked_shl(b).unwrap_or(0),
            (false, true) => (a as u64).checked_shr(b).unwrap_or(0) as i64,
            (false, false) => a >> b.min(63),
        }
    })
}

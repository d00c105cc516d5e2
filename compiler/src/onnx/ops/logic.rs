//! Comparisons, rounding and selection: of constants, as exporters need them for shapes.

use super::elementwise::broadcast_with;
use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Known, Value};
use crate::onnx::node::NodeView;
use onnx_protobuf::tensor_proto::DataType;
use picc_ir::Tensor;
use std::sync::Arc;

/// A known input; a secret one is refused with the reason.
fn constant<'a>(node: &'a NodeView<'_>, index: usize) -> Result<&'a Known, Cause> {
    match node.input(index)? {
        Value::Known(k) => Ok(k),
        _ => Err(Cause::unsupported(
            "it is applied to a value computed from the input; only constants are supported",
            "express it with Relu, Max, Min or Clip, or cut the node off and let the client compute it",
        )),
    }
}

/// A comparison of two constants.
fn compare(
    importer: &mut Importer,
    node: &NodeView<'_>,
    ints: impl Fn(i64, i64) -> bool,
    floats: impl Fn(f32, f32) -> bool,
) -> Result<Vec<Value>, Cause> {
    let (a, b) = (constant(node, 0)?, constant(node, 1)?);
    let result = match (&a.data, &b.data) {
        (Data::Int(p), Data::Int(q)) => broadcast_with(p, q, |x, y| i64::from(ints(x, y)))?,
        _ => broadcast_with(&a.to_float(), &b.to_float(), |x, y| i64::from(floats(x, y)))?,
    };
    boolean(importer, result, a.public && b.public)
}

fn boolean(importer: &mut Importer, result: Tensor<i64>, public: bool) -> Result<Vec<Value>, Cause> {
    let Value::Known(mut known) = importer.computed(Data::Int(Arc::new(result)), public, &[])? else {
        return Err(Cause::malformed("comparison"));
    };
    known.dtype = DataType::BOOL;
    one(Value::Known(known))
}

pub fn equal(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    compare(importer, node, |a, b| a == b, |a, b| a == b)
}

pub fn less(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    compare(importer, node, |a, b| a < b, |a, b| a < b)
}

pub fn less_or_equal(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    compare(importer, node, |a, b| a <= b, |a, b| a <= b)
}

pub fn greater(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    compare(importer, node, |a, b| a > b, |a, b| a > b)
}

pub fn greater_or_equal(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    compare(importer, node, |a, b| a >= b, |a, b| a >= b)
}

pub fn and(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    compare(importer, node, |a, b| a != 0 && b != 0, |_, _| false)
}

pub fn or(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    compare(importer, node, |a, b| a != 0 || b != 0, |_, _| false)
}

pub fn xor(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    compare(importer, node, |a, b| (a != 0) != (b != 0), |_, _| false)
}

pub fn not(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let k = constant(node, 0)?;
    let result = k.to_ints()?.map(|&v| i64::from(v == 0));
    boolean(importer, result, k.public)
}

/// `Where` with a known condition; of a secret value with a mask, a product.
pub fn select(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let condition = constant(node, 0)?;
    let (x, y) = (node.input(1)?, node.input(2)?);
    if let (Value::Known(a), Value::Known(b)) = (x, y) {
        return select_known(importer, condition, a, b);
    }
    let mask = condition.to_float();
    let mut kept = Known::float((*mask).clone(), condition.public, &condition.name);
    kept.name.push_str(".mask");
    let mut rest = Known::float(mask.map(|v| 1.0 - v), condition.public, &condition.name);
    rest.name.push_str(".rest");
    let left = masked(importer, x, &kept)?;
    let right = masked(importer, y, &rest)?;
    one(importer.add(&left, &right)?)
}

/// `value * mask`, also where the value is infinite and masked out (an attention mask's minus infinity is not).
fn masked(importer: &mut Importer, value: &Value, mask: &Known) -> Result<Value, Cause> {
    if let Value::Known(k) = value {
        let t = broadcast_with(&k.to_float(), &mask.to_float(), |v, m| if m == 0.0 { 0.0 } else { v })?;
        return importer.computed(Data::Float(Arc::new(t)), k.public && mask.public, &[k]);
    }
    importer.mul(value, &Value::Known(mask.clone()))
}

fn select_known(importer: &mut Importer, condition: &Known, a: &Known, b: &Known) -> Result<Vec<Value>, Cause> {
    let taken = condition.to_ints()?;
    let public = condition.public && a.public && b.public;
    let data = match (&a.data, &b.data) {
        (Data::Int(p), Data::Int(q)) => {
            // Two passes: each side where it is taken, then their sum.
            let left = broadcast_with(taken, p, |c, v| if c != 0 { v } else { 0 })?;
            let right = broadcast_with(taken, q, |c, v| if c != 0 { 0 } else { v })?;
            Data::Int(Arc::new(broadcast_with(&left, &right, i64::wrapping_add)?))
        }
        (Data::Float(p), Data::Float(q)) => {
            let mask = taken.map(|&v| v as f32);
            let left = broadcast_with(&mask, p, |c, v| if c != 0.0 { v } else { 0.0 })?;
            let right = broadcast_with(&mask, q, |c, v| if c != 0.0 { 0.0 } else { v })?;
            Data::Float(Arc::new(broadcast_with(&left, &right, |x, y| x + y)?))
        }
        _ => return Err(Cause::malformed("integers and floats are mixed")),
    };
    one(importer.computed(data, public, &[a, b])?)
}

pub fn modulo(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (a, b) = (constant(node, 0)?, constant(node, 1)?);
    let fmod = node.flag("fmod", false)?;
    let public = a.public && b.public;
    let data = match (&a.data, &b.data) {
        (Data::Int(_), Data::Int(q)) if q.data.contains(&0) => {
            return Err(Cause::malformed("a constant is divided by zero"));
        }
        (Data::Int(p), Data::Int(q)) => Data::Int(Arc::new(broadcast_with(p, q, |x, y| {
            let r = x.wrapping_rem(y);
            // Without fmod the sign is the divisor's.
            if !fmod && r != 0 && (r < 0) != (y < 0) { r + y } else { r }
        })?)),
        _ => Data::Float(Arc::new(broadcast_with(&a.to_float(), &b.to_float(), |x, y| x % y)?)),
    };
    one(importer.computed(data, public, &[a, b])?)
}

/// A rounding of constants; integers stay as they are.
fn rounded(importer: &mut Importer, node: &NodeView<'_>, f: impl Fn(f32) -> f32) -> Result<Vec<Value>, Cause> {
    let k = constant(node, 0)?;
    match &k.data {
        Data::Int(_) => one(Value::Known(k.clone())),
        Data::Float(t) => one(importer.computed(Data::Float(Arc::new(t.map(|&v| f(v)))), k.public, &[k])?),
    }
}

pub fn floor(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    rounded(importer, node, f32::floor)
}

pub fn ceil(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    rounded(importer, node, f32::ceil)
}

pub fn round(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    rounded(importer, node, f32::round_ties_even)
}

pub fn sign(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let k = constant(node, 0)?;
    let data = match &k.data {
        Data::Int(t) => Data::Int(Arc::new(t.map(|v| v.signum()))),
        Data::Float(t) => Data::Float(Arc::new(t.map(|&v| if v == 0.0 { 0.0 } else { v.signum() }))),
    };
    one(importer.computed(data, k.public, &[k])?)
}

//! Elementwise arithmetic, with numpy broadcasting.

use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Value};
use crate::onnx::node::NodeView;
use picc_ir::Tensor;
use picc_ir::ops::{Div, Function};
use picc_ir::tensor::broadcast;
use std::sync::Arc;

pub fn add(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(importer.add(node.input(0)?, node.input(1)?)?)
}

pub fn sub(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(importer.sub(node.input(0)?, node.input(1)?)?)
}

pub fn mul(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(importer.mul(node.input(0)?, node.input(1)?)?)
}

pub fn neg(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(importer.neg(node.input(0)?)?)
}

/// `|x| = 2 relu(x) - x`: one comparison.
pub fn abs(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(absolute(importer, node.input(0)?)?)
}

pub fn absolute(importer: &mut Importer, x: &Value) -> Result<Value, Cause> {
    let positive = importer.relu(x)?;
    let twice = importer.add(&positive, &positive)?;
    importer.sub(&twice, x)
}

/// A known divisor becomes a factor; integers are divided as integers; anything else is a quotient over the reals.
pub fn div(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (a, b) = (node.input(0)?, node.input(1)?);
    if let (Value::Known(x), Value::Known(y)) = (a, b)
        && let (Data::Int(p), Data::Int(q)) = (&x.data, &y.data)
    {
        if q.data.contains(&0) {
            return Err(Cause::malformed("a constant is divided by zero"));
        }
        let quotient = broadcast_with(p, q, i64::wrapping_div)?;
        return one(importer.computed(Data::Int(Arc::new(quotient)), x.public && y.public, &[x, y])?);
    }
    if [a, b].iter().any(|v| matches!(v, Value::Node(id) if importer.integers.contains(id))) {
        return Err(Cause::unsupported("a division of integers rounds", "cast to float first"));
    }
    one(quotient(importer, a, b)?)
}

pub fn quotient(importer: &mut Importer, a: &Value, b: &Value) -> Result<Value, Cause> {
    if let Value::Known(divisor) = b
        && !matches!(a, Value::Known(_))
    {
        if divisor.to_float().data.contains(&0.0) {
            return Err(Cause::malformed(format!("a division by the constant `{}`, which holds 0", divisor.name)));
        }
        let factor = importer.function(Function::Reciprocal, b)?;
        return importer.mul(a, &factor);
    }
    importer.emit(Div {}, &[a, b])
}

/// Elementwise function of two known tensors.
pub fn broadcast_with<T: Copy, U>(a: &Tensor<T>, b: &Tensor<T>, f: impl Fn(T, T) -> U) -> Result<Tensor<U>, Cause> {
    let shape = broadcast(&a.shape, &b.shape)
        .ok_or_else(|| Cause::malformed(format!("shapes {:?} and {:?} do not broadcast", a.shape, b.shape)))?;
    let count = shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= a.data.len().max(1).saturating_mul(b.data.len().max(1)))
        .ok_or_else(|| Cause::malformed("shape"))?;
    let index = |t: &Tensor<T>, mut at: usize| {
        let (mut index, mut stride) = (0, 1);
        for (i, &d) in shape.iter().enumerate().rev() {
            let coordinate = at % d;
            at /= d;
            if let Some(axis) = (i + t.shape.len()).checked_sub(shape.len()) {
                if t.shape[axis] != 1 {
                    index += coordinate * stride;
                }
                stride *= t.shape[axis];
            }
        }
        index
    };
    let data = (0..count).map(|i| f(a.data[index(a, i)], b.data[index(b, i)])).collect();
    Ok(Tensor { shape, data })
}

/// All inputs combined from left to right.
fn combine(
    importer: &mut Importer,
    node: &NodeView<'_>,
    f: impl Fn(&mut Importer, &Value, &Value) -> Result<Value, Cause>,
) -> Result<Value, Cause> {
    let mut result = node.input(0)?.clone();
    for i in 1..node.inputs.len() {
        result = f(importer, &result, node.input(i)?)?;
    }
    Ok(result)
}

pub fn sum(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(combine(importer, node, Importer::add)?)
}

pub fn mean(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let sum = combine(importer, node, Importer::add)?;
    one(importer.scale(&sum, 1.0 / node.inputs.len() as f32)?)
}

/// A bound of one element is public, as a clip's.
fn bound(value: &Value) -> Value {
    match value {
        Value::Known(k) if k.len() == 1 => {
            let mut k = k.clone();
            k.public = true;
            Value::Known(k)
        }
        other => other.clone(),
    }
}

pub fn max(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(combine(importer, node, maximum)?)
}

/// `max(a, 0)` is a ReLU, `max(a, c) = relu(a - c) + c`.
fn maximum(importer: &mut Importer, a: &Value, b: &Value) -> Result<Value, Cause> {
    let (a, b) = if matches!(a, Value::Known(_)) { (bound(b), bound(a)) } else { (bound(a), bound(b)) };
    if let (Value::Node(_), Value::Known(k)) = (&a, &b)
        && k.len() == 1
        && k.shape().len() <= importer.shape(&a).len()
        && matches!(k.data, Data::Float(_))
    {
        let c = k.scalar("a bound")?;
        let moved = importer.shift(&a, -c)?;
        let positive = importer.relu(&moved)?;
        return importer.shift(&positive, c);
    }
    importer.max(&a, &b)
}

pub fn min(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(combine(importer, node, minimum)?)
}

/// `min(a, b) = a - relu(a - b)`.
fn minimum(importer: &mut Importer, a: &Value, b: &Value) -> Result<Value, Cause> {
    let (a, b) = (bound(a), bound(b));
    let difference = importer.sub(&a, &b)?;
    let excess = importer.relu(&difference)?;
    importer.sub(&a, &excess)
}

/// Powers with a public exponent of one element: products for small integers, a root for one half.
pub fn pow(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let exponent = node.known(1, "exponent")?;
    if let Value::Known(base) = x {
        let (p, q) = (base.to_float(), exponent.to_float());
        let powers = broadcast_with(&p, &q, |a, b| f64::from(a).powf(f64::from(b)))?;
        let public = base.public && exponent.public;
        let data = match base.data {
            Data::Int(_) => Data::Int(Arc::new(powers.map(|&v| v as i64))),
            Data::Float(_) => Data::Float(Arc::new(powers.map(|&v| v as f32))),
        };
        return one(importer.computed(data, public, &[base])?);
    }
    let e = exponent.scalar("the exponent")?;
    if e == 0.5 {
        return one(importer.function(Function::Sqrt, x)?);
    }
    if e.fract() != 0.0 || !(1.0..=16.0).contains(&e) {
        return Err(Cause::unsupported(
            format!("the exponent {e}; 0.5 and whole numbers from 1 to 16 are supported"),
            "",
        ));
    }
    let mut power = x.clone();
    for _ in 1..e as usize {
        power = importer.mul(&power, x)?;
    }
    one(power)
}

/// A function over the reals: computed now for a constant, by the client at the end of the model otherwise.
fn real(importer: &mut Importer, node: &NodeView<'_>, function: Function) -> Result<Vec<Value>, Cause> {
    one(importer.function(function, node.input(0)?)?)
}

pub fn exp(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    real(importer, node, Function::Exp)
}

pub fn log(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    real(importer, node, Function::Log)
}

pub fn sqrt(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    real(importer, node, Function::Sqrt)
}

pub fn reciprocal(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    real(importer, node, Function::Reciprocal)
}

pub fn erf(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    real(importer, node, Function::Erf)
}

pub fn sigmoid(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    real(importer, node, Function::Sigmoid)
}

pub fn tanh(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    real(importer, node, Function::Tanh)
}

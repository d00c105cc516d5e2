//! Quantized models, read as what their integers mean: `(q - zero_point) * scale`.
//!
//! A quantized activation is its real value clipped to what the integers can represent; the rounding is dropped
//! (picc rounds to its own, finer fixed point). Quantized weights are the floats that they stand for.

use super::activation::clamp;
use super::conv::convolve;
use super::matmul::product;
use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Known, Quantization, Value};
use crate::onnx::node::{self, NodeView};
use onnx_protobuf::tensor_proto::DataType;
use picc_ir::{Shape, Tensor};
use std::sync::Arc;

/// Scale, zero point and integer type from two inputs.
fn parameters(
    node: &NodeView<'_>,
    scale: usize,
    zero_point: usize,
) -> Result<(Quantization, Option<DataType>), Cause> {
    if node.int("block_size", 0)? != 0 {
        return Err(Cause::unsupported("blocked quantization", "quantize per tensor or per channel"));
    }
    let s = node.known(scale, "scale")?;
    let z = node.optional_known(zero_point, "zero point")?;
    let scale = (*s.to_float()).clone();
    let zero = match z {
        Some(z) => (*z.to_float()).clone(),
        None => Tensor { shape: scale.shape.clone(), data: vec![0.0; scale.data.len()] },
    };
    if zero.data.len() != scale.data.len() || scale.data.is_empty() {
        return Err(Cause::malformed("scale and zero point have different shapes"));
    }
    Ok((Quantization { scale, zero_point: zero, axis: node.int("axis", 1)? }, z.map(|z| z.dtype)))
}

/// Smallest and largest integer of a quantized type.
fn limits(dtype: DataType) -> Result<(f32, f32), Cause> {
    Ok(match dtype {
        DataType::UINT8 => (0.0, 255.0),
        DataType::INT8 => (-128.0, 127.0),
        DataType::UINT16 => (0.0, 65535.0),
        DataType::INT16 => (-32768.0, 32767.0),
        DataType::UINT4 => (0.0, 15.0),
        DataType::INT4 => (-8.0, 7.0),
        other => return Err(Cause::unsupported(format!("quantization to {other:?}"), "quantize to 8 or 16 bits")),
    })
}

/// Parameters with a shape that broadcasts against a value of this rank.
fn along(t: &Tensor<f32>, axis: i64, rank: usize) -> Result<Tensor<f32>, Cause> {
    if t.data.len() == 1 {
        return Ok(Tensor { shape: Shape::new(), data: t.data.clone() });
    }
    let mut shape = Shape::from_elem(1, rank);
    shape[node::axis(axis, rank)?] = t.data.len();
    Ok(Tensor { shape, data: t.data.clone() })
}

pub fn quantize_linear(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (q, dtype) = parameters(node, 1, 2)?;
    let dtype = match (dtype, node.int("output_dtype", 0)?) {
        (Some(dtype), _) => dtype,
        (None, 0) => DataType::UINT8,
        (None, code) => i32::try_from(code)
            .ok()
            .and_then(<DataType as protobuf::Enum>::from_i32)
            .ok_or_else(|| Cause::attribute("output_dtype", "is no element type"))?,
    };
    one(quantized(importer, node.input(0)?, q, dtype)?)
}

/// The value with its quantization: integers if it is known, otherwise clipped to what they can represent.
fn quantized(importer: &mut Importer, x: &Value, q: Quantization, dtype: DataType) -> Result<Value, Cause> {
    let (least, most) = limits(dtype)?;
    if let Value::Known(k) = x {
        let rank = k.shape().len();
        let (scale, zero) = (along(&q.scale, q.axis, rank)?, along(&q.zero_point, q.axis, rank)?);
        let scaled = super::elementwise::broadcast_with(&k.to_float(), &scale, |v, s| (v / s).round_ties_even())?;
        let ints = super::elementwise::broadcast_with(&scaled, &zero, |v, z| (v + z).clamp(least, most) as i64)?;
        let known = Known { data: Data::Int(Arc::new(ints)), dtype, ..k.clone() };
        return Ok(Value::Known(known));
    }
    let (&[scale], &[zero]) = (&q.scale.data[..], &q.zero_point.data[..]) else {
        return Err(Cause::unsupported("an activation quantized per channel", "quantize activations per tensor"));
    };
    let clipped = clamp(importer, x, Some((least - zero) * scale), Some((most - zero) * scale))?;
    let id = importer.materialize(&clipped)?;
    Ok(Value::Quantized(id, Arc::new(q)))
}

pub fn dequantize_linear(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (q, _) = parameters(node, 1, 2)?;
    one(dequantized(importer, node.input(0)?, &q)?)
}

/// The real value: of integers, or of something that was quantized in the same way.
fn dequantized(importer: &mut Importer, x: &Value, q: &Quantization) -> Result<Value, Cause> {
    match x {
        Value::Known(k) => {
            let rank = k.shape().len();
            let (scale, zero) = (along(&q.scale, q.axis, rank)?, along(&q.zero_point, q.axis, rank)?);
            let centred = super::elementwise::broadcast_with(&k.to_float(), &zero, |v, z| v - z)?;
            let real = super::elementwise::broadcast_with(&centred, &scale, |v, s| v * s)?;
            importer.computed(Data::Float(Arc::new(real)), k.public, &[k])
        }
        Value::Quantized(id, was) if same(was, q) => Ok(Value::Node(*id)),
        Value::Quantized(..) => Err(Cause::unsupported(
            "a value is dequantized with other parameters than it was quantized with",
            "export the model in the QDQ format of onnxruntime's quantizer",
        )),
        // An integer input: its values are meant.
        Value::Node(id) if importer.integers.contains(id) => {
            let rank = importer.shape(x).len();
            let zero = along(&q.zero_point, q.axis, rank)?.map(|z| -z);
            let zero = Value::Known(Known::float(zero, true, ""));
            let scale = Value::Known(Known::float(along(&q.scale, q.axis, rank)?, true, ""));
            let centred = importer.add(x, &zero)?;
            importer.mul(&centred, &scale)
        }
        Value::Node(_) | Value::Poison => Err(Cause::malformed("a value that is not quantized is dequantized")),
    }
}

/// Equal parameters; the axis counts only where there is more than one.
fn same(a: &Quantization, b: &Quantization) -> bool {
    a.scale.data == b.scale.data
        && a.zero_point.data == b.zero_point.data
        && (a.scale.data.len() == 1 || a.axis == b.axis)
}

/// `QLinearConv`: the convolution of what the integers stand for, quantized again.
pub fn qlinear_conv(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (xq, _) = parameters(node, 1, 2)?;
    let (mut wq, _) = parameters(node, 4, 5)?;
    wq.axis = 0;
    let (yq, dtype) = parameters(node, 6, 7)?;
    node.known(3, "weights")?;
    let x = dequantized(importer, node.input(0)?, &xq)?;
    let w = dequantized(importer, node.input(3)?, &wq)?;
    let bias = match node.optional_known(8, "bias")? {
        None => None,
        // The bias has the scale of the products.
        Some(k) => {
            let &[xs] = &xq.scale.data[..] else { return Err(Cause::malformed("scale of the input")) };
            let scale = Tensor { shape: Shape::from_slice(&[wq.scale.data.len()]), data: wq.scale.data.clone() };
            let real = super::elementwise::broadcast_with(&k.to_float(), &scale, |v, s| v * s * xs)?;
            Some(importer.computed(Data::Float(Arc::new(real)), k.public, &[k])?)
        }
    };
    let y = convolve(importer, node, &x, &w, bias.as_ref())?;
    one(quantized(importer, &y, yq, dtype.unwrap_or(DataType::UINT8))?)
}

/// `QLinearMatMul`.
pub fn qlinear_matmul(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (mut aq, _) = parameters(node, 1, 2)?;
    let (mut bq, _) = parameters(node, 4, 5)?;
    // Per row of the left matrix, per column of the right one.
    (aq.axis, bq.axis) = (-2, -1);
    let (yq, dtype) = parameters(node, 6, 7)?;
    let a = dequantized(importer, node.input(0)?, &aq)?;
    let b = dequantized(importer, node.input(3)?, &bq)?;
    let y = product(importer, &a, &b)?;
    one(quantized(importer, &y, yq, dtype.unwrap_or(DataType::UINT8))?)
}

//! Operators that leave the elements and their order as they are.

use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Known, Value};
use crate::onnx::node::{self, NodeView, extent};
use onnx_protobuf::tensor_proto::DataType;
use protobuf::Enum;
use std::sync::Arc;

pub fn reshape(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let wanted = node.optional_ints(1, "shape")?.ok_or(Cause::MissingInput(1))?;
    let keep_zero = node.flag("allowzero", false)?;
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let count: usize = shape.iter().product();
    let mut result = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (i, &d) in wanted.iter().enumerate() {
        result.push(match d {
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            -1 => return Err(Cause::malformed(format!("shape {wanted:?} leaves two extents open"))),
            0 if !keep_zero => {
                *shape.get(i).ok_or_else(|| Cause::malformed(format!("shape {wanted:?} copies axis {i}")))?
            }
            d => extent(d, "extent")?,
        });
    }
    if let Some(i) = open {
        let rest = result.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&r| r > 0);
        result[i] = rest.map_or(0, |rest| count / rest);
    }
    if result.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) != Some(count) {
        return Err(Cause::unsupported(
            format!("shape {:?} does not fill {wanted:?}", &shape[..]),
            "if the model fixes the batch size, do not override it; otherwise re-export with this input shape",
        ));
    }
    one(importer.reshape(x, &result)?)
}

pub fn flatten(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let rank = i64::try_from(shape.len()).unwrap_or(i64::MAX);
    let axis = node.int("axis", 1)?;
    let front = if axis < 0 { axis.saturating_add(rank) } else { axis };
    let front = usize::try_from(front).ok().filter(|&a| a <= shape.len());
    let axis = front.ok_or_else(|| Cause::malformed(format!("axis {axis} of a value with {rank} axes")))?;
    one(importer.reshape(x, &[shape[..axis].iter().product(), shape[axis..].iter().product()])?)
}

pub fn squeeze(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let gone = match node.ints_moved("axes", 13, 1)? {
        Some(list) => node::axes(&list, shape.len())?,
        None => (0..shape.len()).filter(|&a| shape[a] == 1).collect(),
    };
    if let Some(a) = gone.iter().find(|&&a| shape[a] != 1) {
        return Err(Cause::malformed(format!("axis {a} of {:?} is squeezed", &shape[..])));
    }
    let left: Vec<usize> = (0..shape.len()).filter(|a| !gone.contains(a)).map(|a| shape[a]).collect();
    one(importer.reshape(x, &left)?)
}

pub fn unsqueeze(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let list = node.ints_moved("axes", 13, 1)?.ok_or_else(|| Cause::attribute("axes", "is missing"))?;
    let shape = importer.shape(x);
    let new = node::axes(&list, shape.len() + list.len())?;
    let mut old = shape.iter();
    let mut result = Vec::with_capacity(shape.len() + list.len());
    for a in 0..shape.len() + list.len() {
        result.push(if new.contains(&a) { 1 } else { *old.next().ok_or_else(|| Cause::malformed("axes"))? });
    }
    one(importer.reshape(x, &result)?)
}

pub fn identity(_: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(node.input(0)?.clone())
}

/// At inference the identity.
pub fn dropout(_: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    node.only_first_output("mask")?;
    if let Some(training) = node.optional_known(2, "training_mode")?
        && training.scalar("training_mode")? != 0.0
    {
        return Err(Cause::unsupported("training mode", "export the model for inference: model.eval()"));
    }
    one(node.input(0)?.clone())
}

pub fn cast(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let to = node.optional_int("to")?.ok_or_else(|| Cause::attribute("to", "is missing"))?;
    let to = i32::try_from(to).ok().and_then(DataType::from_i32);
    convert(importer, node.input(0)?, to.ok_or_else(|| Cause::attribute("to", "is no element type"))?)
}

pub fn cast_like(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let to = match node.input(1)? {
        Value::Known(k) => k.dtype,
        Value::Node(id) if importer.integers.contains(id) => DataType::INT64,
        _ => DataType::FLOAT,
    };
    convert(importer, node.input(0)?, to)
}

/// Floats of all widths are one type here; integers become floats, but a secret float does not become an integer.
fn convert(importer: &mut Importer, x: &Value, to: DataType) -> Result<Vec<Value>, Cause> {
    let to_float = matches!(to, DataType::FLOAT | DataType::DOUBLE | DataType::FLOAT16 | DataType::BFLOAT16);
    if to == DataType::STRING
        || to == DataType::UNDEFINED
        || to == DataType::COMPLEX64
        || to == DataType::COMPLEX128
    {
        return Err(Cause::unsupported(format!("a cast to {to:?}"), ""));
    }
    let known = match x {
        Value::Known(k) => k,
        Value::Node(id) if !to_float && !importer.integers.contains(id) => {
            return Err(Cause::unsupported(
                format!("a cast of a secret value to {to:?} rounds it"),
                "keep the value in floating point",
            ));
        }
        other => return one(other.clone()),
    };
    let data = match (&known.data, to_float) {
        (Data::Float(_), true) => known.data.clone(),
        (Data::Int(t), true) => Data::Float(Arc::new(t.map(|&v| v as f32))),
        (Data::Int(t), false) => Data::Int(Arc::new(t.map(|&v| wrap(v, to)))),
        (Data::Float(t), false) if to == DataType::BOOL => Data::Int(Arc::new(t.map(|&v| i64::from(v != 0.0)))),
        (Data::Float(t), false) => Data::Int(Arc::new(t.map(|&v| wrap(v as i64, to)))),
    };
    one(Value::Known(Known { data, dtype: to, ..known.clone() }))
}

/// The value as an integer of another width.
fn wrap(v: i64, to: DataType) -> i64 {
    match to {
        DataType::BOOL => i64::from(v != 0),
        DataType::INT8 => i64::from(v as i8),
        DataType::UINT8 => i64::from(v as u8),
        DataType::INT16 => i64::from(v as i16),
        DataType::UINT16 => i64::from(v as u16),
        DataType::INT32 => i64::from(v as i32),
        DataType::UINT32 => i64::from(v as u32),
        _ => v,
    }
}

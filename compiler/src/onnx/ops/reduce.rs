//! Reductions over axes.

use super::elementwise::absolute;
use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Known, Value};
use crate::onnx::node::{self, NodeView};
use onnx_protobuf::tensor_proto::DataType;
use picc_ir::ops::{ArgMax, ReduceMax, ReduceSum};

/// Axes (an attribute before opset `moved`, an input from then on) and whether they stay.
/// `None` for a reduction of nothing, which leaves the value as it is.
pub fn axes(importer: &Importer, node: &NodeView<'_>, moved: i64) -> Result<Option<(Vec<usize>, bool)>, Cause> {
    let keep = node.flag("keepdims", true)?;
    let rank = importer.shape(node.input(0)?).len();
    match node.ints_moved("axes", moved, 1)? {
        Some(list) if !list.is_empty() => Ok(Some((node::axes(&list, rank)?, keep))),
        _ if node.flag("noop_with_empty_axes", false)? || rank == 0 => Ok(None),
        _ => Ok(Some(((0..rank).collect(), keep))),
    }
}

fn sum_of(importer: &mut Importer, node: &NodeView<'_>, x: &Value, moved: i64) -> Result<Value, Cause> {
    match axes(importer, node, moved)? {
        Some((axes, keep)) => importer.emit(ReduceSum { axes, keep }, &[x]),
        None => Ok(x.clone()),
    }
}

pub fn sum(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(sum_of(importer, node, node.input(0)?, 13)?)
}

pub fn mean(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let before: usize = importer.shape(x).iter().product();
    let sum = sum_of(importer, node, x, 18)?;
    let after: usize = importer.shape(&sum).iter().product();
    one(importer.scale(&sum, after as f32 / before as f32)?)
}

pub fn max(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(max_of(importer, node, node.input(0)?)?)
}

fn max_of(importer: &mut Importer, node: &NodeView<'_>, x: &Value) -> Result<Value, Cause> {
    match axes(importer, node, 18)? {
        Some((axes, keep)) => importer.emit(ReduceMax { axes, keep }, &[x]),
        None => Ok(x.clone()),
    }
}

/// `-max(-x)`.
pub fn min(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let negative = importer.neg(node.input(0)?)?;
    let max = max_of(importer, node, &negative)?;
    one(importer.neg(&max)?)
}

/// Constant integers as 64-bit ones, which can be negated.
fn signed(x: &Value) -> Value {
    match x {
        Value::Known(k) if matches!(k.data, Data::Int(_)) => {
            Value::Known(Known { dtype: DataType::INT64, ..k.clone() })
        }
        other => other.clone(),
    }
}

pub fn l1(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let magnitude = absolute(importer, node.input(0)?)?;
    one(sum_of(importer, node, &magnitude, 18)?)
}

pub fn sum_square(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let square = importer.mul(x, x)?;
    one(sum_of(importer, node, &square, 18)?)
}

pub fn arg_max(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    arg_max_of(importer, node, node.input(0)?)
}

pub fn arg_min(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let negative = importer.neg(&signed(node.input(0)?))?;
    arg_max_of(importer, node, &negative)
}

fn arg_max_of(importer: &mut Importer, node: &NodeView<'_>, x: &Value) -> Result<Vec<Value>, Cause> {
    let axis = node::axis(node.int("axis", 0)?, importer.shape(x).len())?;
    let op = ArgMax { axis, keep: node.flag("keepdims", true)?, last: node.flag("select_last_index", false)? };
    let y = importer.emit(op, &[x])?;
    if let Value::Node(id) = y {
        importer.integers.insert(id);
    }
    one(y)
}

//! Softmax and its logarithm: computed by the client, at the end of the model.

use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::Value;
use crate::onnx::node::{self, NodeView};
use picc_ir::Op;
use picc_ir::ops::{LogSoftmax, Softmax};

pub fn softmax(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    along(importer, node, |axis| Softmax { axis }.into())
}

pub fn log_softmax(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    along(importer, node, |axis| LogSoftmax { axis }.into())
}

/// Since opset 13 along one axis; before, over all axes from `axis` on, flattened.
fn along(importer: &mut Importer, node: &NodeView<'_>, op: impl Fn(usize) -> Op) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    if node.opset >= 13 {
        let axis = node::axis(node.int("axis", -1)?, shape.len())?;
        return one(importer.emit(op(axis), &[x])?);
    }
    let axis = node::axis(node.int("axis", 1)?, shape.len())?;
    if shape[axis + 1..].iter().all(|&d| d == 1) {
        return one(importer.emit(op(axis), &[x])?);
    }
    let (outer, inner) = (shape[..axis].iter().product(), shape[axis..].iter().product());
    let flat = importer.reshape(x, &[outer, inner])?;
    let y = importer.emit(op(1), &[&flat])?;
    one(importer.reshape(&y, &shape)?)
}

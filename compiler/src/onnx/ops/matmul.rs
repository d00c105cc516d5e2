//! Matrix products.

use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::Value;
use crate::onnx::node::NodeView;
use picc_ir::ops::MatMul;

/// `Gemm`: `alpha * A' * B' + beta * C`; the factors go into the weights.
pub fn gemm(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    let mut a = oriented(importer, node.input(0)?, node.flag("transA", false)?)?;
    let mut b = oriented(importer, node.input(1)?, node.flag("transB", false)?)?;
    if matches!(a, Value::Known(_)) {
        a = importer.scale(&a, alpha)?;
    } else {
        b = importer.scale(&b, alpha)?;
    }
    let mut y = importer.emit(MatMul {}, &[&a, &b])?;
    if let Some(c) = node.optional(2).filter(|_| beta != 0.0) {
        let c = importer.scale(c, beta)?;
        y = importer.add(&y, &c)?;
    }
    one(y)
}

fn oriented(importer: &mut Importer, matrix: &Value, transposed: bool) -> Result<Value, Cause> {
    match importer.shape(matrix).len() {
        2 if transposed => importer.transpose(matrix, vec![1, 0]),
        2 => Ok(matrix.clone()),
        rank => Err(Cause::malformed(format!("a matrix with {rank} axes"))),
    }
}

/// `MatMul`.
pub fn matmul(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(product(importer, node.input(0)?, node.input(1)?)?)
}

/// numpy's `matmul`: a vector on the left is a row, on the right a column, and its axis is dropped afterwards.
pub fn product(importer: &mut Importer, a: &Value, b: &Value) -> Result<Value, Cause> {
    let (sa, sb) = (importer.shape(a), importer.shape(b));
    if sa.is_empty() || sb.is_empty() {
        return Err(Cause::malformed("a product of matrices with a scalar"));
    }
    let left = if sa.len() == 1 { importer.reshape(a, &[1, sa[0]])? } else { a.clone() };
    let right = if sb.len() == 1 { importer.reshape(b, &[sb[0], 1])? } else { b.clone() };
    let y = importer.emit(MatMul {}, &[&left, &right])?;
    if sa.len() > 1 && sb.len() > 1 {
        return Ok(y);
    }
    let mut shape = importer.shape(&y).to_vec();
    if sb.len() == 1 {
        shape.pop();
    }
    if sa.len() == 1 {
        // The rows: the last axis once the columns are dropped, otherwise the one before it.
        shape.remove(shape.len() - if sb.len() == 1 { 1 } else { 2 });
    }
    importer.reshape(&y, &shape)
}

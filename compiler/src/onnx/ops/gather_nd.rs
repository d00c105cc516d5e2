//! Gathers along several axes at once: of the value with these axes as one.

use super::movement::gather_axis;
use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::{Importer, empty_like};
use crate::onnx::known::Value;
use crate::onnx::node::{self, NodeView, extent};
use picc_ir::Tensor;
use picc_ir::tensor::strides;

/// `GatherND`: each index, the last axis of `indices`, names a slice of the value.
pub fn gather_nd(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let indices = node.known(1, "indices")?.to_ints()?;
    let batch = extent(node.int("batch_dims", 0)?, "batch_dims")?;
    let misfit = || {
        Cause::malformed(format!(
            "indices of shape {:?} for {:?}, of which {batch} axes are a batch",
            indices.shape, shape
        ))
    };
    let (&depth, outer) = indices.shape.split_last().ok_or_else(misfit)?;
    let axes = batch.saturating_add(depth);
    if depth == 0 || batch > outer.len() || axes > shape.len() || shape[..batch] != outer[..batch] {
        return Err(misfit());
    }
    let (indexed, slice) = shape.split_at(axes);
    let steps = strides(indexed);
    let (each, of_one): (usize, usize) = (outer[batch..].iter().product(), indexed[batch..].iter().product());
    let mut list = Vec::with_capacity(indices.data.len() / depth);
    for (k, index) in indices.data.chunks_exact(depth).enumerate() {
        let mut at = k / each * of_one;
        for (a, &i) in (batch..axes).zip(index) {
            at += node::axis(i, shape[a]).map_err(|_| Cause::malformed(format!("index {i} of {}", shape[a])))?
                * steps[a];
        }
        list.push(at);
    }
    let flat = [indexed.iter().product(), slice.iter().product()];
    gathered(importer, x, &flat, &list, &[outer, slice].concat())
}

/// `GatherElements`: each place of the result takes the element with its own coordinates, one of them replaced.
pub fn gather_elements(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let indices = node.known(1, "indices")?.to_ints()?;
    let axis = node::axis(node.int("axis", 0)?, shape.len())?;
    let list = places(&shape, indices, axis)?;
    let count = shape.iter().product();
    gathered(importer, x, &[count, 1], &list, &indices.shape)
}

/// Where in a value of shape `shape` the elements lie that have the coordinates of the indices' own elements, with
/// the one along `axis` replaced by the index.
pub fn places(shape: &[usize], indices: &Tensor<i64>, axis: usize) -> Result<Vec<usize>, Cause> {
    let inside =
        indices.shape.len() == shape.len() && (0..shape.len()).all(|a| a == axis || indices.shape[a] <= shape[a]);
    if !inside {
        return Err(Cause::malformed(format!("indices of shape {:?} for {shape:?}", &indices.shape[..])));
    }
    let (to, from) = (strides(shape), strides(&indices.shape));
    let place = |(i, &index): (usize, &i64)| -> Result<usize, Cause> {
        let along = node::axis(index, shape[axis])
            .map_err(|_| Cause::malformed(format!("index {index} of {}", shape[axis])))?;
        let coordinate = |a: usize| if a == axis { along } else { i / from[a] % indices.shape[a] };
        Ok((0..shape.len()).map(|a| coordinate(a) * to[a]).sum())
    };
    indices.data.iter().enumerate().map(place).collect()
}

/// Rows `list` of the value as a matrix, in shape `result`.
fn gathered(
    importer: &mut Importer,
    x: &Value,
    flat: &[usize; 2],
    list: &[usize],
    result: &[usize],
) -> Result<Vec<Value>, Cause> {
    importer.may_hold(result)?;
    if let (Value::Known(k), true) = (x, result.contains(&0)) {
        return one(Value::Known(empty_like(k, result)?));
    }
    let rows = importer.reshape(x, flat)?;
    let y = gather_axis(importer, &rows, 0, list)?;
    one(importer.reshape(&y, result)?)
}

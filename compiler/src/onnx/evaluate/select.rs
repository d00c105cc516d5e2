//! Choosing and marking elements.

use super::reduce::grouped;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Known, Value};
use crate::onnx::node::{self, NodeView, extent};
use picc_ir::tensor::strides;
use picc_ir::{Shape, Tensor};
use std::sync::Arc;

/// The elements of a tensor at these places, under a new shape.
fn picked(importer: &mut Importer, from: &Known, at: &[usize], shape: Shape) -> Result<Value, Cause> {
    let data = match &from.data {
        Data::Float(t) => Data::Float(Arc::new(Tensor { shape, data: at.iter().map(|&i| t.data[i]).collect() })),
        Data::Int(t) => Data::Int(Arc::new(Tensor { shape, data: at.iter().map(|&i| t.data[i]).collect() })),
    };
    importer.computed(data, from.public, &[from])
}

/// The largest (or smallest) elements along an axis, in order, and where they were; of equal ones the first.
pub fn top_k(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.known(0, "input")?;
    let axis = node::axis(node.int("axis", -1)?, x.shape().len())?;
    let length = x.shape()[axis];
    let k = if node.opset < 10 {
        node.optional_int("k")?.ok_or_else(|| Cause::attribute("k", "is missing"))?
    } else {
        *node.known(1, "k")?.to_ints()?.data.first().ok_or_else(|| Cause::malformed("k is empty"))?
    };
    let k = extent(k, "k")?;
    if k > length {
        return Err(Cause::malformed(format!("the {k} largest of {length} elements")));
    }
    let largest = node.flag("largest", true)?;
    let compare = |a: usize, b: usize| {
        let order = match &x.data {
            Data::Float(t) => t.data[a].total_cmp(&t.data[b]),
            Data::Int(t) => t.data[a].cmp(&t.data[b]),
        };
        if largest { order.reverse() } else { order }
    };
    let mut shape = x.shape().clone();
    shape[axis] = k;
    let step = strides(x.shape())[axis];
    let count: usize = shape.iter().product();
    let (mut at, mut along) = (vec![0; count], vec![0; count]);
    // Lines of the result come in the order of those of the argument.
    let lines = grouped(x.shape(), &[axis]);
    for (line, places) in lines.chunks_exact(length.max(1)).zip(grouped(&shape, &[axis]).chunks_exact(k.max(1))) {
        let mut sorted = line.to_vec();
        sorted.sort_by(|&a, &b| compare(a, b));
        for (&place, &i) in places.iter().zip(&sorted) {
            at[place] = i;
            along[place] = (i / step % length) as i64;
        }
    }
    let values = picked(importer, x, &at, shape.clone())?;
    let indices = Data::Int(Arc::new(Tensor { shape, data: along }));
    let mut indices = importer.computed(indices, x.public, &[])?;
    if let Value::Known(i) = &mut indices {
        i.name.clone_from(&x.name);
    }
    Ok(vec![values, indices])
}

/// `OneHot`: along a new axis, the second value at the index and the first elsewhere.
pub fn one_hot(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (indices, depth, values) = (node.known(0, "indices")?, node.known(1, "depth")?, node.known(2, "values")?);
    let depth = extent(depth.scalar("depth")? as i64, "depth")?;
    let shape = indices.shape();
    let axis = node::axis(node.int("axis", -1)?, shape.len() + 1)?;
    if values.len() != 2 {
        return Err(Cause::malformed(format!("{} values instead of two", values.len())));
    }
    let mut result = shape.clone();
    result.insert(axis, depth);
    let count = importer.may_hold(&result)?;
    let inner: usize = shape[axis..].iter().product();
    let mut at = vec![0; count];
    let d = depth as i64;
    for (i, &v) in indices.to_float().data.iter().enumerate() {
        let v = v as i64;
        // Outside, there is no mark.
        if (-d..d).contains(&v) {
            let along = v.rem_euclid(d.max(1)) as usize;
            at[(i / inner.max(1) * depth + along) * inner + i % inner.max(1)] = 1;
        }
    }
    let mut y = picked(importer, values, &at, result)?;
    if let Value::Known(k) = &mut y {
        k.public = k.public && indices.public;
    }
    Ok(vec![y])
}

/// `Compress`: the slices of an axis (without one, the elements) that a condition marks.
pub fn compress(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (x, condition) = (node.known(0, "input")?, node.known(1, "condition")?);
    let (flat, axis) = match node.optional_int("axis")? {
        Some(axis) => (x.shape().clone(), node::axis(axis, x.shape().len())?),
        None => (Shape::from_slice(&[x.len()]), 0),
    };
    let marks = &condition.to_ints()?.data;
    let kept: Vec<usize> = (0..marks.len().min(flat[axis])).filter(|&i| marks[i] != 0).collect();
    let step = strides(&flat)[axis];
    let mut shape = flat.clone();
    shape[axis] = kept.len();
    let outer: usize = flat[..axis].iter().product();
    let slice = |o: usize, i: usize| (o * flat[axis] + i) * step..(o * flat[axis] + i + 1) * step;
    let at: Vec<usize> = (0..outer).flat_map(|o| kept.iter().flat_map(move |&i| slice(o, i))).collect();
    Ok(vec![picked(importer, x, &at, shape)?])
}

//! Writing into a tensor at known places.

use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Known, Value, wrap};
use crate::onnx::node::{self, NodeView};
use crate::onnx::ops::gather_nd::places;
use picc_ir::Tensor;
use picc_ir::tensor::strides;
use std::sync::Arc;

/// What becomes of an element that is written to.
#[derive(Clone, Copy)]
enum Write {
    Replace,
    Add,
    Mul,
    Max,
    Min,
}

impl Write {
    fn read(node: &NodeView<'_>) -> Result<Write, Cause> {
        Ok(match node.string("reduction", "none")?.as_str() {
            "none" => Write::Replace,
            "add" => Write::Add,
            "mul" => Write::Mul,
            "max" => Write::Max,
            "min" => Write::Min,
            other => return Err(Cause::attribute("reduction", format!("is `{other}`"))),
        })
    }

    fn of_floats(self, old: f32, new: f32) -> f32 {
        match self {
            Write::Replace => new,
            Write::Add => old + new,
            Write::Mul => old * new,
            Write::Max => old.max(new),
            Write::Min => old.min(new),
        }
    }

    fn of_integers(self, old: i64, new: i64) -> i64 {
        match self {
            Write::Replace => new,
            Write::Add => old.wrapping_add(new),
            Write::Mul => old.wrapping_mul(new),
            Write::Max => old.max(new),
            Write::Min => old.min(new),
        }
    }

    /// `data` with the elements of `updates` written to the places `at`.
    fn written(self, importer: &mut Importer, data: &Known, at: &[usize], updates: &Known) -> Result<Value, Cause> {
        fn write<T: Copy>(t: &Tensor<T>, at: &[usize], updates: &[T], f: impl Fn(T, T) -> T) -> Tensor<T> {
            let mut y = t.clone();
            at.iter().zip(updates).for_each(|(&i, &v)| y.data[i] = f(y.data[i], v));
            y
        }
        let y = match (&data.data, &updates.data) {
            (Data::Float(t), Data::Float(u)) => {
                Data::Float(Arc::new(write(t, at, &u.data, |a, b| self.of_floats(a, b))))
            }
            (Data::Int(t), Data::Int(u)) => {
                let narrow = |a, b| wrap(self.of_integers(a, b), data.dtype);
                Data::Int(Arc::new(write(t, at, &u.data, narrow)))
            }
            _ => return Err(Cause::malformed("integers and floats are mixed")),
        };
        importer.computed(y, data.public && updates.public, &[data, updates])
    }
}

/// `ScatterElements`: each update goes where its own coordinates say, with one of them replaced.
pub fn elements(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (data, indices, updates) = (node.known(0, "data")?, node.known(1, "indices")?, node.known(2, "updates")?);
    let (shape, picked) = (data.shape(), indices.to_ints()?);
    let axis = node::axis(node.int("axis", 0)?, shape.len())?;
    if updates.shape() != &picked.shape {
        return Err(Cause::malformed(format!(
            "indices of shape {:?} and updates of shape {:?}",
            &picked.shape[..],
            &updates.shape()[..]
        )));
    }
    let at = places(shape, picked, axis)?;
    Ok(vec![Write::read(node)?.written(importer, data, &at, updates)?])
}

/// `ScatterND`: each index, the last axis of `indices`, names a slice of the data.
pub fn nd(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (data, indices, updates) = (node.known(0, "data")?, node.known(1, "indices")?, node.known(2, "updates")?);
    let (shape, picked) = (data.shape(), indices.to_ints()?);
    let Some((&depth, outer)) = picked.shape.split_last() else {
        return Err(Cause::malformed("indices without axes"));
    };
    if depth > shape.len() || updates.shape()[..] != [outer, &shape[depth.min(shape.len())..]].concat()[..] {
        return Err(Cause::malformed(format!(
            "indices of shape {:?} and updates of shape {:?} for {:?}",
            &picked.shape[..],
            &updates.shape()[..],
            &shape[..]
        )));
    }
    let slice: usize = shape[depth..].iter().product();
    let steps = strides(shape);
    let mut at = Vec::with_capacity(updates.len());
    for k in 0..outer.iter().product::<usize>() {
        let mut first = 0;
        for (a, &index) in picked.data[k * depth..(k + 1) * depth].iter().enumerate() {
            first += node::axis(index, shape[a])? * steps[a];
        }
        at.extend(first..first + slice);
    }
    Ok(vec![Write::read(node)?.written(importer, data, &at, updates)?])
}

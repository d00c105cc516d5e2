//! Reductions and running sums along axes.

use super::reals;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Value, wrap};
use crate::onnx::node::{self, NodeView};
use crate::onnx::ops::reduce::axes;
use onnx_protobuf::tensor_proto::DataType;
use picc_ir::tensor::strides;
use picc_ir::{Shape, Tensor};
use std::sync::Arc;

/// What becomes of the elements that fall together.
#[derive(Clone, Copy)]
pub struct Reduction {
    /// First opset in which the axes are an input.
    moved: i64,
    reals: fn(&[f64]) -> f64,
    /// Of integers; `None` where a root or a logarithm makes reals of them.
    integers: Option<fn(&[i64]) -> i64>,
}

const fn reduction(moved: i64, reals: fn(&[f64]) -> f64, integers: fn(&[i64]) -> i64) -> Reduction {
    Reduction { moved, reals, integers: Some(integers) }
}

const fn of_reals(reals: fn(&[f64]) -> f64) -> Reduction {
    Reduction { moved: 18, reals, integers: None }
}

fn total(v: impl Iterator<Item = i64>) -> i64 {
    v.fold(0, i64::wrapping_add)
}

pub const SUM: Reduction = reduction(13, |v| v.iter().sum(), |v| total(v.iter().copied()));
pub const MEAN: Reduction = reduction(
    18,
    |v| v.iter().sum::<f64>() / v.len() as f64,
    |v| total(v.iter().copied()).checked_div(v.len() as i64).unwrap_or(0),
);
pub const MAX: Reduction = reduction(
    18,
    |v| v.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    |v| v.iter().copied().max().unwrap_or(i64::MIN),
);
pub const MIN: Reduction = reduction(
    18,
    |v| v.iter().copied().fold(f64::INFINITY, f64::min),
    |v| v.iter().copied().min().unwrap_or(i64::MAX),
);
pub const PROD: Reduction =
    reduction(18, |v| v.iter().product(), |v| v.iter().fold(1, |p: i64, &v| p.wrapping_mul(v)));
pub const L1: Reduction =
    reduction(18, |v| v.iter().map(|v| v.abs()).sum(), |v| total(v.iter().map(|v| v.wrapping_abs())));
pub const SUM_SQUARE: Reduction =
    reduction(18, |v| v.iter().map(|v| v * v).sum(), |v| total(v.iter().map(|v| v.wrapping_mul(*v))));
pub const L2: Reduction = of_reals(|v| v.iter().map(|v| v * v).sum::<f64>().sqrt());
pub const LOG_SUM: Reduction = of_reals(|v| v.iter().sum::<f64>().ln());
pub const LOG_SUM_EXP: Reduction = of_reals(|v| {
    let most = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most.is_finite() { most + v.iter().map(|v| (v - most).exp()).sum::<f64>().ln() } else { most }
});

pub fn reduce(importer: &mut Importer, node: &NodeView<'_>, r: Reduction) -> Result<Vec<Value>, Cause> {
    let x = node.known(0, "input")?;
    // Without axes each element is a group of its own.
    let (list, keep) = axes(importer, node, r.moved)?.unwrap_or((Vec::new(), true));
    let shape = x.shape();
    let kept = shape.iter().enumerate().filter(|(a, _)| keep || !list.contains(a));
    let result: Shape = kept.map(|(a, &d)| if list.contains(&a) { 1 } else { d }).collect();
    let together: usize = list.iter().map(|&a| shape[a]).product();
    let groups: usize = (0..shape.len()).filter(|a| !list.contains(a)).map(|a| shape[a]).product();
    importer.may_hold(&result)?;
    let order = grouped(shape, &list);
    let data = match (&x.data, r.integers) {
        (Data::Int(t), Some(of)) => {
            let v = of_groups(&t.data, &order, groups, together, of);
            let unbounded = |v: &i64| [i64::MIN, i64::MAX].contains(v);
            if together == 0 && !matches!(x.dtype, DataType::BOOL | DataType::INT64) && v.iter().any(unbounded) {
                return Err(Cause::malformed(format!("the largest or smallest of no {:?}", x.dtype)));
            }
            let narrow = |v: i64| match (together, x.dtype) {
                // The largest of no flags is false, the smallest true.
                (0, DataType::BOOL) => i64::from(v > 0),
                (_, dtype) => wrap(v, dtype),
            };
            Data::Int(Arc::new(Tensor { shape: result, data: v.into_iter().map(narrow).collect() }))
        }
        (Data::Int(_), None) => {
            let v = of_groups(&x.to_real().data, &order, groups, together, r.reals);
            let data = v.into_iter().map(|v| wrap(v as i64, x.dtype)).collect();
            Data::Int(Arc::new(Tensor { shape: result, data }))
        }
        (Data::Float(_), _) => {
            let v = of_groups(&x.to_real().data, &order, groups, together, r.reals);
            Data::Float(Arc::new(Tensor { shape: result, data: v.into_iter().map(|v| v as f32).collect() }))
        }
    };
    Ok(vec![importer.computed(data, x.public, &[x])?])
}

/// Indices of the elements of `shape`, those that differ along `list` only together.
pub fn grouped(shape: &[usize], list: &[usize]) -> Vec<usize> {
    let steps = strides(shape);
    let count: usize = shape.iter().product();
    let mut order = Vec::with_capacity(count);
    let axes: Vec<usize> = (0..shape.len()).filter(|a| !list.contains(a)).chain(list.iter().copied()).collect();
    let mut at = vec![0usize; axes.len()];
    let mut index = 0;
    for _ in 0..count {
        order.push(index);
        for (i, &a) in axes.iter().enumerate().rev() {
            at[i] += 1;
            index += steps[a];
            if at[i] < shape[a] {
                break;
            }
            index -= steps[a] * shape[a];
            at[i] = 0;
        }
    }
    order
}

fn of_groups<T: Copy>(
    values: &[T],
    order: &[usize],
    groups: usize,
    together: usize,
    of: impl Fn(&[T]) -> T,
) -> Vec<T> {
    if together == 0 {
        return (0..groups).map(|_| of(&[])).collect();
    }
    let sorted: Vec<T> = order.iter().map(|&i| values[i]).collect();
    sorted.chunks_exact(together).map(of).collect()
}

/// Sums (or products) of all elements up to each one along an axis; `start` is that of none.
pub fn running(
    importer: &mut Importer,
    node: &NodeView<'_>,
    reals_of: impl Fn(f64, f64) -> f64,
    integers_of: impl Fn(i64, i64) -> i64,
    start: i32,
) -> Result<Vec<Value>, Cause> {
    let (x, axis) = (node.known(0, "input")?, node.known(1, "axis")?);
    let &[axis] = &axis.to_ints()?.data[..] else { return Err(Cause::malformed("one axis is needed")) };
    let axis = node::axis(axis, x.shape().len())?;
    let (exclusive, reverse) = (node.flag("exclusive", false)?, node.flag("reverse", false)?);
    let lines = Lines { order: grouped(x.shape(), &[axis]), length: x.shape()[axis], exclusive, reverse };
    let data = match &x.data {
        Data::Float(_) => {
            let y = lines.accumulate(&x.to_real().data, f64::from(start), reals_of);
            Data::Float(Arc::new(Tensor { shape: x.shape().clone(), data: y.iter().map(|&v| v as f32).collect() }))
        }
        Data::Int(t) => {
            let y = lines.accumulate(&t.data, i64::from(start), integers_of);
            let data = y.iter().map(|&v| wrap(v, x.dtype)).collect();
            Data::Int(Arc::new(Tensor { shape: x.shape().clone(), data }))
        }
    };
    Ok(vec![importer.computed(data, x.public, &[x])?])
}

/// The lines of a tensor along one axis.
struct Lines {
    order: Vec<usize>,
    length: usize,
    exclusive: bool,
    reverse: bool,
}

impl Lines {
    fn accumulate<T: Copy>(&self, values: &[T], start: T, f: impl Fn(T, T) -> T) -> Vec<T> {
        let mut y = values.to_vec();
        for line in self.order.chunks_exact(self.length.max(1)) {
            let mut sum = start;
            for k in 0..line.len() {
                let i = line[if self.reverse { line.len() - 1 - k } else { k }];
                let before = sum;
                sum = f(sum, values[i]);
                y[i] = if self.exclusive { before } else { sum };
            }
        }
        y
    }
}

/// One at the first largest element along an axis (before opset 13: of all axes from `axis` on), zero elsewhere.
pub fn hardmax(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.known(0, "input")?;
    let rank = x.shape().len();
    let axes: Vec<usize> = match node.opset {
        ..13 => (node::axis(node.int("axis", 1)?, rank)?..rank).collect(),
        _ => vec![node::axis(node.int("axis", -1)?, rank)?],
    };
    let values = x.to_real();
    let mut y = values.map(|_| 0.0);
    let together: usize = axes.iter().map(|&a| x.shape()[a]).product();
    for line in grouped(x.shape(), &axes).chunks_exact(together.max(1)) {
        let first = line.iter().copied().reduce(|a, b| if values.data[b] > values.data[a] { b } else { a });
        if let Some(first) = first {
            y.data[first] = 1.0;
        }
    }
    Ok(vec![reals(importer, &y, &[x])?])
}

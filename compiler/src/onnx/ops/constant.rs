//! Constants, and constants made from shapes.

use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Data, Known, Value};
use crate::onnx::node::{NodeView, extents};
use crate::onnx::tensor::{self, ExternalData};
use picc_ir::tensor::strides;
use picc_ir::{Shape, Tensor};
use std::sync::Arc;

/// `Constant`. One element is a literal of the model's code and public (unless the options say otherwise); a tensor
/// may be trained and is secret.
pub fn constant(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let name = importer.node.clone();
    let float = |data: Vec<f32>, shape: &[usize]| Known::float(Tensor::new(shape, data), true, &name);
    let mut known = if let Some(proto) = node.tensor("value")? {
        let external = ExternalData::default();
        tensor::read(proto, &external, importer.limits.tensor_elements, true)
            .map_err(|problem| Cause::attribute("value", problem))?
    } else if let Some(v) = node.optional_float("value_float")? {
        float(vec![v], &[])
    } else if let Some(v) = node.floats("value_floats")? {
        let n = v.len();
        float(v, &[n])
    } else if let Some(v) = node.optional_int("value_int")? {
        Known::int(Tensor { shape: Shape::new(), data: vec![v] })
    } else if let Some(v) = node.ints("value_ints")? {
        Known::ints(v)
    } else {
        return Err(Cause::unsupported("a constant that is no dense tensor of numbers", ""));
    };
    known.name = name;
    if matches!(known.data, Data::Float(_)) {
        known.public = known.len() == 1 && !importer.secret_literals;
    }
    one(Value::Known(known))
}

/// Counts as trained, as an initializer does: small files stand for large models with it.
pub fn constant_of_shape(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let shape = node.optional_ints(0, "shape")?.ok_or(Cause::MissingInput(0))?;
    let shape = extents(&shape, "extent")?;
    let count = importer.may_hold(&shape)?;
    let shape = Shape::from_slice(&shape);
    let fill = match node.tensor("value")? {
        Some(proto) => tensor::read(proto, &ExternalData::default(), 1, false)
            .map_err(|problem| Cause::attribute("value", problem))?,
        None => Known::float(Tensor { shape: Shape::new(), data: vec![0.0] }, false, ""),
    };
    let data = match &fill.data {
        Data::Float(t) if t.data.len() == 1 => {
            Data::Float(Arc::new(Tensor { shape, data: vec![t.data[0]; count] }))
        }
        Data::Int(t) if t.data.len() == 1 => Data::Int(Arc::new(Tensor { shape, data: vec![t.data[0]; count] })),
        _ => return Err(Cause::attribute("value", "is empty")),
    };
    let public = matches!(data, Data::Int(_));
    let Value::Known(mut known) = importer.computed(data, public, &[&fill])? else {
        return Err(Cause::malformed("constant"));
    };
    known.name.clone_from(&importer.node);
    one(Value::Known(known))
}

/// `Shape`; always known.
pub fn shape(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let dims = importer.shape(node.input(0)?);
    let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
    let front = |v: i64| if v < 0 { v.saturating_add(rank) } else { v }.clamp(0, rank);
    let start = front(node.int("start", 0)?);
    let end = front(node.int("end", rank)?).max(start);
    let dims = dims.iter().map(|&d| i64::try_from(d).unwrap_or(i64::MAX));
    let (skip, take) = (usize::try_from(start).unwrap_or(0), usize::try_from(end - start).unwrap_or(0));
    one(Value::Known(Known::ints(dims.skip(skip).take(take).collect())))
}

pub fn size(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let count: usize = importer.shape(node.input(0)?).iter().product();
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    one(Value::Known(Known::int(Tensor { shape: Shape::new(), data: vec![count] })))
}

pub fn range(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let [start, limit, delta] = [node.known(0, "start")?, node.known(1, "limit")?, node.known(2, "delta")?];
    let all = [start, limit, delta];
    if let [Data::Int(a), Data::Int(b), Data::Int(d)] = all.map(|k| &k.data) {
        let (&[a], &[b], &[d]) = (&a.data[..], &b.data[..], &d.data[..]) else {
            return Err(Cause::malformed("start, limit and delta have one element each"));
        };
        let span = if d > 0 { b.saturating_sub(a) } else { a.saturating_sub(b) };
        if d == 0 {
            return Err(Cause::malformed("a delta of 0"));
        }
        let count = span.max(0).unsigned_abs().div_ceil(d.unsigned_abs());
        let count = importer.may_hold(&[usize::try_from(count).unwrap_or(usize::MAX)])?;
        let values = (0..count as i64).map(|i| a.wrapping_add(d.wrapping_mul(i))).collect();
        return one(Value::Known(Known::ints(values)));
    }
    let (a, b, d) = (start.scalar("start")?, limit.scalar("limit")?, delta.scalar("delta")?);
    let count = ((f64::from(b) - f64::from(a)) / f64::from(d)).ceil();
    if !count.is_finite() {
        return Err(Cause::malformed(format!("from {a} to {b} by {d}")));
    }
    let count = importer.may_hold(&[count.max(0.0) as usize])?;
    let values: Vec<f32> = (0..count).map(|i| a + d * i as f32).collect();
    let public = all.iter().all(|k| k.public);
    one(importer.computed(Data::Float(Arc::new(Tensor::new(&[count], values))), public, &all)?)
}

pub fn eye_like(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let shape = importer.shape(node.input(0)?);
    let (&[rows, columns], k) = (&shape[..], node.int("k", 0)?) else {
        return Err(Cause::malformed(format!("a matrix of shape {shape:?}")));
    };
    importer.may_hold(&shape)?;
    let on = |i: usize| (i % columns) as i64 - (i / columns) as i64 == k;
    let data = (0..rows * columns).map(|i| f32::from(u8::from(on(i)))).collect();
    one(Value::Known(Known::float(Tensor { shape, data }, true, "")))
}

/// A triangle of a matrix: a product with a public mask.
pub fn trilu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let &[.., rows, columns] = &shape[..] else {
        return Err(Cause::malformed(format!("a matrix of shape {shape:?}")));
    };
    let k = match node.optional_known(1, "diagonal")? {
        Some(k) => k.to_ints()?.data.first().copied().unwrap_or(0),
        None => 0,
    };
    let upper = node.flag("upper", true)?;
    let kept = |i: usize| {
        let (row, column) = ((i / columns) as i64, (i % columns) as i64);
        let across = (column - row).cmp(&k);
        if upper { across.is_ge() } else { across.is_le() }
    };
    let mask: Vec<bool> = (0..rows * columns).map(kept).collect();
    if let Value::Known(known) = x
        && let Data::Int(t) = &known.data
    {
        let data = t.data.iter().enumerate().map(|(i, &v)| if mask[i % mask.len()] { v } else { 0 }).collect();
        let t = Tensor { shape, data };
        return one(importer.computed(Data::Int(Arc::new(t)), known.public, &[known])?);
    }
    let mask = mask.iter().map(|&m| f32::from(u8::from(m))).collect();
    let mask = Value::Known(Known::float(Tensor::new(&[rows, columns], mask), true, ""));
    one(importer.mul(x, &mask)?)
}

/// Of constants only.
pub fn non_zero(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let k = node.known(0, "values")?;
    let t = k.to_float();
    let at: Vec<usize> = (0..t.data.len()).filter(|&i| t.data[i] != 0.0).collect();
    importer.may_hold(&[t.shape.len(), at.len()])?;
    let steps = strides(&t.shape);
    let data = (0..t.shape.len()).flat_map(|a| at.iter().map(move |&i| (a, i)));
    let data = data.map(|(a, i)| (i / steps[a] % t.shape[a]) as i64).collect();
    let shape = Shape::from_slice(&[t.shape.len(), at.len()]);
    one(importer.computed(Data::Int(Arc::new(Tensor { shape, data })), k.public, &[])?)
}

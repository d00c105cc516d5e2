//! Operators that move elements: transpositions, slices, concatenations, gathers, pads.

use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::{Importer, empty_like};
use crate::onnx::known::{Known, Value};
use crate::onnx::node::{self, NodeView, extent, extents};
use picc_ir::Tensor;
use picc_ir::ops::{Concat, Gather, Pad, Slice};

pub fn transpose(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let rank = importer.shape(x).len();
    let perm = match node.ints("perm")? {
        Some(list) => {
            let perm = list.iter().map(|&a| node::axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
            if node::axes(&list, rank)?.len() != rank {
                return Err(Cause::attribute("perm", format!("{list:?} for {rank} axes")));
            }
            perm
        }
        None => (0..rank).rev().collect(),
    };
    one(importer.transpose(x, perm)?)
}

/// `[n, c, h, w]` and the block size that divides what it must.
fn blocks(importer: &Importer, node: &NodeView<'_>) -> Result<([usize; 4], usize), Cause> {
    let shape = importer.shape(node.input(0)?);
    let &[n, c, h, w] = &shape[..] else { return Err(Cause::malformed(format!("an input of shape {shape:?}"))) };
    let block = node.optional_int("blocksize")?.ok_or_else(|| Cause::attribute("blocksize", "is missing"))?;
    match extent(block, "blocksize")? {
        0 => Err(Cause::attribute("blocksize", "is 0")),
        b => Ok(([n, c, h, w], b)),
    }
}

pub fn depth_to_space(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let ([n, c, h, w], b) = blocks(importer, node)?;
    let depth = c / b.saturating_mul(b);
    if depth.saturating_mul(b.saturating_mul(b)) != c || depth == 0 {
        return Err(Cause::malformed(format!("{c} channels in blocks of {b}")));
    }
    let (split, perm) = match node.string("mode", "DCR")?.as_str() {
        "DCR" => ([n, b, b, depth, h, w], vec![0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, depth, b, b, h, w], vec![0, 1, 4, 2, 5, 3]),
        other => return Err(Cause::attribute("mode", format!("is `{other}`"))),
    };
    let x = importer.reshape(node.input(0)?, &split)?;
    let x = importer.transpose(&x, perm)?;
    one(importer.reshape(&x, &[n, depth, h * b, w * b])?)
}

pub fn space_to_depth(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let ([n, c, h, w], b) = blocks(importer, node)?;
    if h % b != 0 || w % b != 0 {
        return Err(Cause::malformed(format!("{h}x{w} in blocks of {b}")));
    }
    let perm = match node.string("mode", "DCR")?.as_str() {
        "DCR" => vec![0, 3, 5, 1, 2, 4],
        "CRD" => vec![0, 1, 3, 5, 2, 4],
        other => return Err(Cause::attribute("mode", format!("is `{other}`"))),
    };
    let x = importer.reshape(node.input(0)?, &[n, c, h / b, b, w / b, b])?;
    let x = importer.transpose(&x, perm)?;
    one(importer.reshape(&x, &[n, c * b * b, h / b, w / b])?)
}

/// Joins values; empty ones (an exporter's empty vectors) add nothing.
pub fn concat(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let first = node.input(0)?;
    let rank = importer.shape(first).len();
    let axis = node::axis(node.int("axis", 1)?, rank)?;
    let mut parts = Vec::with_capacity(node.inputs.len());
    for i in 0..node.inputs.len() {
        let part = node.input(i)?;
        if !matches!(part, Value::Known(k) if k.is_empty()) {
            parts.push(part);
        }
    }
    match parts[..] {
        [] => one(first.clone()),
        [only] => one(only.clone()),
        _ => one(importer.emit(Concat { axis }, &parts)?),
    }
}

pub fn slice(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let (starts, ends, axes, steps) = if node.opset < 10 {
        let required = |name: &'static str| node.ints(name)?.ok_or_else(|| Cause::attribute(name, "is missing"));
        (required("starts")?, required("ends")?, node.ints("axes")?, None)
    } else {
        let required = |i, what| node.optional_ints(i, what)?.ok_or(Cause::MissingInput(i));
        let (axes, steps) = (node.optional_ints(3, "axes")?, node.optional_ints(4, "steps")?);
        (required(1, "starts")?, required(2, "ends")?, axes, steps)
    };
    let axes = match axes {
        Some(list) => list.iter().map(|&a| node::axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..starts.len()).collect(),
    };
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    let count = starts.len();
    if ends.len() != count || axes.len() != count || steps.len() != count || axes.iter().any(|&a| a >= shape.len())
    {
        return Err(Cause::malformed("starts, ends, axes and steps have different lengths"));
    }
    let mut op = Slice { start: vec![0; shape.len()], size: shape.to_vec(), step: vec![1; shape.len()] };
    for (i, &axis) in axes.iter().enumerate() {
        (op.start[axis], op.size[axis], op.step[axis]) = range(starts[i], ends[i], steps[i], shape[axis])?;
    }
    if op.size[..] == shape[..] && op.step.iter().zip(&op.size).all(|(&s, &d)| s > 0 || d == 1) {
        return one(x.clone());
    }
    if let (Value::Known(k), true) = (x, op.size.contains(&0)) {
        return one(Value::Known(empty_like(k, &op.size)?));
    }
    one(importer.keep_integer(x, op)?)
}

/// numpy's slice of one axis: first element, number of elements, step.
fn range(start: i64, end: i64, step: i64, extent: usize) -> Result<(usize, usize, isize), Cause> {
    let d = i64::try_from(extent).map_err(|_| Cause::malformed("extent"))?;
    let front = |v: i64| if v < 0 { v.saturating_add(d) } else { v };
    let (first, count) = match step {
        0 => return Err(Cause::malformed("a step of 0")),
        1.. => {
            let (first, end) = (front(start).clamp(0, d), front(end).clamp(0, d));
            (first, (end - first).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        }
        _ => {
            let (first, end) = (front(start).clamp(-1, d - 1), front(end).clamp(-1, d - 1));
            (first, (first - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        }
    };
    // A step beyond the axis takes one element; its length does not matter.
    let step = step.clamp(-d.max(1), d.max(1));
    let narrow = (usize::try_from(first.max(0)), usize::try_from(count), isize::try_from(step));
    match narrow {
        (Ok(first), Ok(count), Ok(step)) => Ok((first, count, step)),
        _ => Err(Cause::malformed("slice")),
    }
}

pub fn split(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let axis = node::axis(node.int("axis", 0)?, shape.len())?;
    let outputs = node.proto.output.len();
    let sizes = match node.ints_moved("split", 13, 1)? {
        Some(list) => extents(&list, "split")?,
        None => {
            let parts = match node.optional_int("num_outputs")? {
                Some(n) => extent(n, "num_outputs")?,
                None => outputs,
            };
            if parts == 0 || parts > shape[axis] {
                return Err(Cause::malformed(format!("{} elements in {parts} parts", shape[axis])));
            }
            let size = shape[axis].div_ceil(parts);
            (0..parts).map(|i| size.min(shape[axis].saturating_sub(i * size))).collect()
        }
    };
    if sizes.iter().sum::<usize>() != shape[axis] || sizes.len() != outputs {
        return Err(Cause::malformed(format!("split {sizes:?} of {} elements, {outputs} outputs", shape[axis])));
    }
    let mut parts = Vec::with_capacity(outputs);
    let mut start = 0;
    for (i, &size) in sizes.iter().enumerate() {
        // Unused parts may be empty, and need no node.
        parts.push(if node.used.get(i) == Some(&true) {
            importer.slice_axis(x, axis, start, size)?
        } else {
            Value::Poison
        });
        start += size;
    }
    Ok(parts)
}

pub fn gather(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let indices = node.known(1, "indices")?;
    let shape = importer.shape(x);
    let axis = node::axis(node.int("axis", 0)?, shape.len())?;
    let picked = indices.to_ints()?;
    let list = picked
        .data
        .iter()
        .map(|&i| node::axis(i, shape[axis]).map_err(|_| Cause::malformed(format!("index {i} of {}", shape[axis]))))
        .collect::<Result<Vec<_>, _>>()?;
    let mut result = shape[..axis].to_vec();
    result.extend_from_slice(&picked.shape);
    result.extend_from_slice(&shape[axis + 1..]);
    importer.may_hold(&result)?;
    if let (Value::Known(k), true) = (x, list.is_empty()) {
        return one(Value::Known(empty_like(k, &result)?));
    }
    let y = gather_axis(importer, x, axis, &list)?;
    one(importer.reshape(&y, &result)?)
}

/// Elements `indices` along one axis; a run of neighbours is a slice.
pub fn gather_axis(importer: &mut Importer, x: &Value, axis: usize, indices: &[usize]) -> Result<Value, Cause> {
    let consecutive = indices.windows(2).all(|w| w[1] == w[0] + 1);
    match (indices.first(), consecutive) {
        (None, _) => Err(Cause::malformed("nothing is gathered")),
        (Some(&first), true) => importer.slice_axis(x, axis, first, indices.len()),
        _ => {
            let indices = indices
                .iter()
                .map(|&i| u32::try_from(i).map_err(|_| Cause::malformed("index")))
                .collect::<Result<Vec<_>, _>>()?;
            importer.keep_integer(x, Gather { axis, indices })
        }
    }
}

pub fn expand(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let wanted = node.optional_ints(1, "shape")?.ok_or(Cause::MissingInput(1))?;
    let wanted = extents(&wanted, "extent")?;
    let shape = picc_ir::tensor::broadcast(&importer.shape(x), &wanted)
        .ok_or_else(|| Cause::malformed(format!("{:?} does not broadcast to {wanted:?}", importer.shape(x))))?;
    importer.may_hold(&shape)?;
    if let (Value::Known(k), true) = (x, shape.contains(&0)) {
        return one(Value::Known(empty_like(k, &shape)?));
    }
    one(importer.expand(x, &shape)?)
}

/// Repeats along each axis.
pub fn tile(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let repeats = node.optional_ints(1, "repeats")?.ok_or(Cause::MissingInput(1))?;
    let repeats = extents(&repeats, "repeats")?;
    let shape = importer.shape(x);
    if repeats.len() != shape.len() || repeats.contains(&0) {
        return Err(Cause::malformed(format!("repeats {repeats:?} of a value of shape {:?}", &shape[..])));
    }
    let result: Vec<usize> = shape.iter().zip(&repeats).map(|(&d, &r)| d.saturating_mul(r)).collect();
    importer.may_hold(&result)?;
    let mut y = x.clone();
    for (axis, &r) in repeats.iter().enumerate().filter(|&(_, &r)| r > 1) {
        let indices: Vec<usize> = (0..r).flat_map(|_| 0..shape[axis]).collect();
        y = gather_axis(importer, &y, axis, &indices)?;
    }
    one(y)
}

pub fn pad(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let pads = node.ints_moved("pads", 11, 1)?.ok_or_else(|| Cause::attribute("pads", "is missing"))?;
    let fill = if node.opset < 11 {
        node.float("value", 0.0)?
    } else {
        node.optional_known(2, "constant_value")?.map_or(Ok(0.0), |k| k.scalar("constant_value"))?
    };
    let axes = match node.optional_ints(3, "axes")? {
        Some(list) => list.iter().map(|&a| node::axis(a, shape.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..shape.len()).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(Cause::malformed(format!("{} pads for {} axes", pads.len(), axes.len())));
    }
    let (mut before, mut after) = (vec![0; shape.len()], vec![0; shape.len()]);
    let mut cut = Slice { start: vec![0; shape.len()], size: shape.to_vec(), step: vec![1; shape.len()] };
    for (i, &axis) in axes.iter().enumerate() {
        let (b, a) = (pads[i], pads[i + axes.len()]);
        // Negative pads cut elements off.
        let (cut_before, cut_after) =
            (extent(b.min(0).saturating_neg(), "pad")?, extent(a.min(0).saturating_neg(), "pad")?);
        let left = shape[axis].checked_sub(cut_before).and_then(|d| d.checked_sub(cut_after)).filter(|&d| d > 0);
        cut.size[axis] = left.ok_or_else(|| Cause::malformed(format!("pads {b} and {a} leave nothing")))?;
        cut.start[axis] = cut_before;
        before[axis] = extent(b.max(0), "pad")?;
        after[axis] = extent(a.max(0), "pad")?;
    }
    let mut y = if cut.size[..] == shape[..] { x.clone() } else { importer.keep_integer(x, cut)? };
    let shape = importer.shape(&y);
    let padded: Vec<usize> = (0..shape.len()).map(|a| shape[a] + before[a] + after[a]).collect();
    importer.may_hold(&padded)?;
    if padded[..] == shape[..] {
        return one(y);
    }
    match node.string("mode", "constant")?.as_str() {
        "constant" => {
            y = importer.emit(Pad { before: before.clone(), after }, &[&y])?;
            if fill != 0.0 {
                let border = border(&padded, &before, &shape, fill);
                y = importer.add(&y, &Value::Known(border))?;
            }
        }
        mode @ ("edge" | "reflect" | "wrap") => {
            for axis in 0..shape.len() {
                if before[axis] + after[axis] > 0 {
                    let indices = mirrored(mode, shape[axis], before[axis], padded[axis])?;
                    y = gather_axis(importer, &y, axis, &indices)?;
                }
            }
        }
        other => return Err(Cause::attribute("mode", format!("is `{other}`"))),
    }
    one(y)
}

/// `fill` around a hole of zeros.
fn border(padded: &[usize], before: &[usize], hole: &[usize], fill: f32) -> Known {
    let mut data = Vec::with_capacity(padded.iter().product());
    let mut at = vec![0; padded.len()];
    for _ in 0..padded.iter().product() {
        let inside = (0..at.len()).all(|a| (before[a]..before[a] + hole[a]).contains(&at[a]));
        data.push(if inside { 0.0 } else { fill });
        for a in (0..at.len()).rev() {
            at[a] += 1;
            if at[a] < padded[a] {
                break;
            }
            at[a] = 0;
        }
    }
    Known::float(Tensor::new(padded, data), true, "")
}

/// Which element of an axis stands at each position of the padded one.
fn mirrored(mode: &str, extent: usize, before: usize, padded: usize) -> Result<Vec<usize>, Cause> {
    let d = i64::try_from(extent).map_err(|_| Cause::malformed("extent"))?;
    let before = i64::try_from(before).map_err(|_| Cause::malformed("pad"))?;
    let period = (2 * d - 2).max(1);
    (0..i64::try_from(padded).map_err(|_| Cause::malformed("pad"))?)
        .map(|o| {
            let i = o - before;
            let source = match mode {
                "edge" => i.clamp(0, d - 1),
                "wrap" => i.rem_euclid(d),
                _ => {
                    let r = i.rem_euclid(period);
                    if r < d { r } else { period - r }
                }
            };
            usize::try_from(source).map_err(|_| Cause::malformed("pad"))
        })
        .collect()
}

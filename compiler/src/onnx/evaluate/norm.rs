//! Normalisations by statistics of the values themselves.

use super::reals;
use super::reduce::grouped;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Known, Value};
use crate::onnx::node::{self, NodeView, extent};
use crate::onnx::ops::elementwise::broadcast_with;
use picc_ir::Tensor;

/// Mean and reciprocal spread of each group of elements.
struct Statistics {
    /// The elements less their mean, over their spread.
    normal: Tensor<f64>,
    mean: Vec<f64>,
    reciprocal: Vec<f64>,
}

/// Elements that differ along `axes` only are normalised together; `centred` takes their mean off first.
fn normalised(
    x: &Tensor<f64>,
    axes: &[usize],
    centred: bool,
    spread: impl Fn(f64) -> f64,
) -> Result<Statistics, Cause> {
    let together: usize = axes.iter().map(|&a| x.shape[a]).product();
    if together == 0 {
        return Err(Cause::malformed(format!("nothing is normalised in a value of shape {:?}", &x.shape[..])));
    }
    let mut found = Statistics { normal: x.clone(), mean: Vec::new(), reciprocal: Vec::new() };
    for group in grouped(&x.shape, axes).chunks_exact(together) {
        let mean_of = |f: &dyn Fn(f64) -> f64| group.iter().map(|&i| f(x.data[i])).sum::<f64>() / together as f64;
        let mean = if centred { mean_of(&|v| v) } else { 0.0 };
        let reciprocal = 1.0 / spread(mean_of(&|v| (v - mean) * (v - mean)));
        group.iter().for_each(|&i| found.normal.data[i] = (x.data[i] - mean) * reciprocal);
        found.mean.push(mean);
        found.reciprocal.push(reciprocal);
    }
    Ok(found)
}

fn epsilon(node: &NodeView<'_>) -> Result<f64, Cause> {
    Ok(f64::from(node.float("epsilon", 1e-5)?))
}

/// `y * scale + bias`, which broadcast to the shape of `y`.
fn affine(y: &Tensor<f64>, scale: &Tensor<f64>, bias: Option<&Tensor<f64>>) -> Result<Tensor<f64>, Cause> {
    let mut result = broadcast_with(y, scale, |a, b| a * b)?;
    if let Some(bias) = bias {
        result = broadcast_with(&result, bias, |a, b| a + b)?;
    }
    match result.shape == y.shape {
        true => Ok(result),
        false => Err(Cause::malformed(format!("scale or bias do not fit a value of shape {:?}", &y.shape[..]))),
    }
}

fn from_axis(node: &NodeView<'_>, rank: usize) -> Result<Vec<usize>, Cause> {
    Ok((node::axis(node.int("axis", -1)?, rank)?..rank).collect())
}

/// `LayerNormalization`: the result, the means and the reciprocal spreads.
pub fn layer(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (x, scale, bias) = (node.known(0, "input")?, node.known(1, "scale")?, node.optional_known(2, "bias")?);
    let axes = from_axis(node, x.shape().len())?;
    let epsilon = epsilon(node)?;
    let s = normalised(&x.to_real(), &axes, true, |v| (v + epsilon).sqrt())?;
    let y = affine(&s.normal, &scale.to_real(), bias.map(Known::to_real).as_ref())?;
    let from: Vec<&Known> = [x, scale].into_iter().chain(bias).collect();
    let mut shape = x.shape().to_vec();
    axes.iter().for_each(|&a| shape[a] = 1);
    let y = reals(importer, &y, &from)?;
    let mean = reals(importer, &Tensor::new(&shape, s.mean), &[x])?;
    let reciprocal = reals(importer, &Tensor::new(&shape, s.reciprocal), &[x])?;
    Ok(vec![y, mean, reciprocal])
}

pub fn root_mean_square(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (x, scale) = (node.known(0, "input")?, node.known(1, "scale")?);
    let axes = from_axis(node, x.shape().len())?;
    let epsilon = epsilon(node)?;
    let s = normalised(&x.to_real(), &axes, false, |v| (v + epsilon).sqrt())?;
    let y = affine(&s.normal, &scale.to_real(), None)?;
    Ok(vec![reals(importer, &y, &[x, scale])?])
}

/// A vector along axis 1 of a value of this rank.
fn along_channels(k: &Known, rank: usize) -> Tensor<f64> {
    let mut shape = vec![1; rank];
    shape[1] = k.len();
    Tensor::new(&shape, k.to_real().data)
}

pub fn instance(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (x, scale, bias) = (node.known(0, "input")?, node.known(1, "scale")?, node.known(2, "bias")?);
    let rank = x.shape().len();
    if rank < 3 {
        return Err(Cause::malformed(format!("an input of shape {:?} has no spatial axes", &x.shape()[..])));
    }
    let axes: Vec<usize> = (2..rank).collect();
    let epsilon = epsilon(node)?;
    let s = normalised(&x.to_real(), &axes, true, |v| (v + epsilon).sqrt())?;
    let y = affine(&s.normal, &along_channels(scale, rank), Some(&along_channels(bias, rank)))?;
    Ok(vec![reals(importer, &y, &[x, scale, bias])?])
}

/// Scale and bias are those of groups before opset 21, of channels from then on.
pub fn group(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (x, scale, bias) = (node.known(0, "input")?, node.known(1, "scale")?, node.known(2, "bias")?);
    let groups = node.optional_int("num_groups")?.ok_or_else(|| Cause::attribute("num_groups", "is missing"))?;
    let groups = extent(groups, "num_groups")?;
    let shape = x.shape();
    let &[batch, channels, ..] = &shape[..] else {
        return Err(Cause::malformed(format!("an input of shape {:?} has no channels", &shape[..])));
    };
    if groups == 0 || channels % groups != 0 {
        return Err(Cause::malformed(format!("{channels} channels in {groups} groups")));
    }
    let rest = x.len() / (batch * groups).max(1);
    let grouped = Tensor::new(&[batch, groups, rest], x.to_real().data);
    let epsilon = epsilon(node)?;
    let normal = normalised(&grouped, &[2], true, |v| (v + epsilon).sqrt())?.normal;
    let y = if node.opset < 21 {
        affine(&normal, &along_channels(scale, 3), Some(&along_channels(bias, 3)))?
    } else {
        let normal = Tensor::new(shape, normal.data);
        affine(&normal, &along_channels(scale, shape.len()), Some(&along_channels(bias, shape.len())))?
    };
    Ok(vec![reals(importer, &Tensor::new(shape, y.data), &[x, scale, bias])?])
}

pub fn mean_variance(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.known(0, "input")?;
    let axes = node::axes(&node.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]), x.shape().len())?;
    let s = normalised(&x.to_real(), &axes, true, |v| v.sqrt() + 1e-9)?;
    Ok(vec![reals(importer, &s.normal, &[x])?])
}

/// Along one axis, divided by the sum of magnitudes or the root of the sum of squares; zeros stay zeros.
pub fn lp(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.known(0, "input")?;
    let axis = node::axis(node.int("axis", -1)?, x.shape().len())?;
    let p = node.int("p", 2)?;
    let mut y = x.to_real();
    for line in grouped(x.shape(), &[axis]).chunks_exact(x.shape()[axis].max(1)) {
        let sum = |f: fn(f64) -> f64| line.iter().map(|&i| f(y.data[i])).sum::<f64>();
        let norm = match p {
            1 => sum(f64::abs),
            2 => sum(|v| v * v).sqrt(),
            other => return Err(Cause::attribute("p", format!("is {other}"))),
        };
        if norm > 0.0 {
            line.iter().for_each(|&i| y.data[i] /= norm);
        }
    }
    Ok(vec![reals(importer, &y, &[x])?])
}

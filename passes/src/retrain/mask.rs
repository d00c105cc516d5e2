//! A ReLU of which only some channels stay one.
//!
//! ```text
//!              +-> kept      -> relu ----------+
//!   x' --------+-> straight  ------------------+-> concat -> (zeros) -> channels in their old order
//!              +-> squares   -> u * u + d -----+
//! ```
//! Where `x` is a linear layer that nothing else reads, lines and the inside of squares go into its weights (`x'`), so
//! that straight channels cost nothing and squares one product an element. The mask is public; coefficients are
//! weights, the server's.

use super::Family;
use super::rewrite::Rewriter;
use super::sites::Site;
use crate::error::Result;
use picc_ir::op::Op;
use picc_ir::ops::{Add, Concat, Gather, Mul, Pad, Relu, Sub};
use picc_ir::{Id, Tensor};

/// What one channel's ReLU becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Relu,
    /// `x`
    Identity,
    /// `0`
    Zero,
    /// `slope x + offset`
    Line {
        slope: f32,
        offset: f32,
    },
    /// `(scale x + shift)^2 + rest`
    Square {
        scale: f32,
        shift: f32,
        rest: f32,
    },
}

impl Kind {
    /// Scale and offset of what goes into the layer before.
    fn inside(self) -> (f32, f32) {
        match self {
            Kind::Relu | Kind::Identity | Kind::Zero => (1.0, 0.0),
            Kind::Line { slope, offset } => (slope, offset),
            Kind::Square { scale, shift, .. } => (scale, shift),
        }
    }
}

/// New kinds for the channels of a site.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mask {
    pub site: usize,
    pub kinds: Vec<Kind>,
    /// The family that gets the credit for each channel.
    pub families: Vec<Option<Family>>,
}

/// The masked ReLU of `site`, whose input is `x` in the new graph.
pub(super) fn emit(r: &mut Rewriter<'_>, site: &Site, kinds: &[Kind], name: &str) -> Result<Id> {
    let x = inside(r, site, kinds, name)?;
    let of = |want: fn(&Kind) -> bool| -> Vec<usize> { (0..kinds.len()).filter(|&c| want(&kinds[c])).collect() };
    let kept = of(|k| matches!(k, Kind::Relu));
    let straight = of(|k| matches!(k, Kind::Identity | Kind::Line { .. }));
    let squares = of(|k| matches!(k, Kind::Square { .. }));
    let zeros = of(|k| matches!(k, Kind::Zero));
    if zeros.len() == kinds.len() {
        return r.add(Sub {}, &[x, x], name);
    }
    let mut parts = Vec::new();
    if !kept.is_empty() {
        let part = channels(r, x, site, &kept, name)?;
        parts.push(r.add(Relu {}, &[part], name)?);
    }
    if !straight.is_empty() {
        parts.push(channels(r, x, site, &straight, name)?);
    }
    if !squares.is_empty() {
        let u = channels(r, x, site, &squares, name)?;
        let uu = r.add(Mul {}, &[u, u], name)?;
        let rests = squares.iter().map(|&c| if let Kind::Square { rest, .. } = kinds[c] { rest } else { 0.0 });
        let rests = per_channel(r, site, rests.collect(), &format!("{name}.rest"), name)?;
        parts.push(r.add(Add {}, &[uu, rests], name)?);
    }
    let mut y = match parts[..] {
        [one] => one,
        _ => r.add(Concat { axis: site.axis }, &parts, name)?,
    };
    if !zeros.is_empty() {
        let rank = r.ty(y).shape.len();
        let mut pad = Pad { before: vec![0; rank], after: vec![0; rank] };
        pad.after[site.axis] = zeros.len();
        y = r.add(pad, &[y], name)?;
    }
    let order: Vec<usize> = [kept, straight, squares, zeros].concat();
    if order.is_sorted() {
        return Ok(y);
    }
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, &c)| place[c] = at);
    gather(r, y, site.axis, &place, name)
}

/// The input with the inside of lines and squares applied: in the weights of the layer before, or by a scale and a
/// bias for each channel.
fn inside(r: &mut Rewriter<'_>, site: &Site, kinds: &[Kind], name: &str) -> Result<Id> {
    let changed = kinds.iter().any(|k| k.inside() != (1.0, 0.0));
    let x = r.mapped(site.input);
    if !changed {
        return Ok(x);
    }
    let (scales, offsets): (Vec<f32>, Vec<f32>) = kinds.iter().map(|k| k.inside()).unzip();
    let Some(before) = site.before else {
        let scales = per_channel(r, site, scales, &format!("{name}.scale"), name)?;
        let offsets = per_channel(r, site, offsets, &format!("{name}.shift"), name)?;
        let scaled = r.add(Mul {}, &[x, scales], name)?;
        return r.add(Add {}, &[scaled, offsets], name);
    };
    let layer = r.old().node(before.linear).clone();
    let weights = r.known(layer.args[1])?;
    // Output channels are the first axis of a convolution's weights and the last of a matrix.
    let per_out = if matches!(layer.op, Op::Conv(_)) { weights.data.len() / site.channels } else { 1 };
    let out_of = |i: usize| i / per_out % site.channels;
    let data = weights.data.iter().enumerate().map(|(i, w)| w * scales[out_of(i)]).collect();
    let w = r.weight(layer.args[1], Tensor::new(&weights.shape, data), &layer.name)?;
    let linear_input = r.mapped(layer.args[0]);
    let y = r.add(layer.op.clone(), &[linear_input, w], &layer.name)?;
    let old_bias = match before.bias {
        Some(b) => Some(r.known(b)?.data),
        None => None,
    };
    let bias_of = |c: usize| match old_bias.as_deref() {
        None => 0.0,
        Some(&[one]) => one,
        Some(b) => b[c],
    };
    let bias = (0..site.channels).map(|c| bias_of(c) * scales[c] + offsets[c]).collect();
    let base = before.bias.map_or_else(|| format!("{}.bias", layer.name), |b| r.old().node(b).name.clone());
    let bias = per_channel(r, site, bias, &base, &layer.name)?;
    r.add(Add {}, &[y, bias], &r.old().node(site.input).name.clone())
}

/// A weight with one value for each channel, shaped to broadcast.
fn per_channel(r: &mut Rewriter<'_>, site: &Site, values: Vec<f32>, base: &str, name: &str) -> Result<Id> {
    let rank = r.old().ty(site.relu).shape.len();
    let mut shape = vec![1; rank - site.axis];
    shape[0] = values.len();
    r.named_weight(base, Tensor::new(&shape, values), name)
}

fn channels(r: &mut Rewriter<'_>, x: Id, site: &Site, chosen: &[usize], name: &str) -> Result<Id> {
    if chosen.len() == site.channels { Ok(x) } else { gather(r, x, site.axis, chosen, name) }
}

fn gather(r: &mut Rewriter<'_>, x: Id, axis: usize, indices: &[usize], name: &str) -> Result<Id> {
    let indices = indices.iter().map(|&i| u32::try_from(i).unwrap_or(u32::MAX)).collect();
    r.add(Gather { axis, indices }, &[x], name)
}

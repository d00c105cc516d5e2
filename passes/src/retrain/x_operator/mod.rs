//! The X-operator and its relatives: a dense k x k convolution becomes a cheap spatial part and a pointwise one.
//!
//! ```text
//!   depthwise-pointwise   every channel filtered k x k                        -> pointwise C -> C_out
//!   half-shuffle          half of the channels pass, half filtered k x k      -> pointwise
//!   fuse                  half of the channels filtered 1 x k, half k x 1     -> pointwise
//!   grouped-pointwise     groups of four channels mixed and filtered k x k    -> pointwise
//!   shuffle-pointwise     every channel passes                                -> pointwise
//! ```
//! `half-shuffle` is the X-operator: **a reconstruction**, since the full text that defines it is not available; its
//! authors' public figures are those of this form. The shuffle is a public choice of channels, and a permutation in
//! front of a dense pointwise convolution, which takes it into its weights. `fuse` is FuSeConv, an earlier operator of
//! the same authors.
//!
//! Filters are the best approximation of low rank of each channel's (or group's) weights in the metric of its patches
//! over calibration data; the pointwise part and the bias are then the least-squares fit to the layer's own output.
//! Both are exact where the convolution is of the factorised form. A member replaces a layer if it is cheaper, by
//! picc's own cost functions for the options' protocols and deployment, and its output error is within the limit.

mod fit;
mod price;

pub use price::{Price, price};

use super::report::{Choice, Report};
use super::rewrite::{Edit, Rewriter, rewrite};
use super::{Family, Model, Sample};
use crate::compile::Options;
use crate::egraph::ErrorClass;
use crate::error::{CompileError, Result};
use crate::graph_edit::is_known;
use fit::Fitted;
use picc_ir::geom::ConvGeom;
use picc_ir::op::Op;
use picc_ir::ops::{Add, Concat, Conv, Gather, Slice, Weight};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use price::Prices;
use serde::{Deserialize, Serialize};

/// Channels that one group of the grouped member mixes.
const GROUP: usize = 4;
/// Largest side of a group's eigenproblem: 4 channels of 3 x 3, or a depthwise 7 x 7.
const MAX_TAPS: usize = 64;
/// Most input channels: the normal equations are square in them.
const MAX_CHANNELS: usize = 512;

/// A form of factorised convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Member {
    DepthwisePointwise,
    /// The X-operator (a reconstruction).
    HalfShuffle,
    Fuse,
    GroupedPointwise,
    ShufflePointwise,
}

impl Member {
    pub const ALL: [Member; 5] = [
        Member::DepthwisePointwise,
        Member::HalfShuffle,
        Member::Fuse,
        Member::GroupedPointwise,
        Member::ShufflePointwise,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Member::DepthwisePointwise => "depthwise-pointwise",
            Member::HalfShuffle => "half-shuffle",
            Member::Fuse => "fuse",
            Member::GroupedPointwise => "grouped-pointwise",
            Member::ShufflePointwise => "shuffle-pointwise",
        }
    }

    /// What each half of the channels goes through; one entry if all go through the same.
    fn taps(self) -> &'static [Taps] {
        match self {
            Member::DepthwisePointwise => &[Taps::Full { group: 1 }],
            Member::HalfShuffle => &[Taps::Pass, Taps::Full { group: 1 }],
            Member::Fuse => &[Taps::Row, Taps::Column],
            Member::GroupedPointwise => &[Taps::Full { group: GROUP }],
            Member::ShufflePointwise => &[Taps::Pass],
        }
    }

    /// Whether a convolution of this geometry has this form.
    fn fits(self, g: &ConvGeom) -> bool {
        let centred = centre(g).is_some();
        let halves = g.c_in.is_multiple_of(2) && g.c_in >= 2;
        match self {
            Member::DepthwisePointwise => g.kh * g.kw <= MAX_TAPS,
            Member::HalfShuffle => centred && halves && g.kh * g.kw <= MAX_TAPS,
            Member::Fuse => centred && halves && g.kh > 1 && g.kw > 1,
            Member::GroupedPointwise => {
                g.c_in.is_multiple_of(GROUP) && g.c_in > GROUP && GROUP * g.kh * g.kw <= MAX_TAPS
            }
            Member::ShufflePointwise => centred,
        }
    }
}

/// What a group of channels goes through before the pointwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taps {
    /// Nothing; every `stride`-th pixel.
    Pass,
    Full {
        group: usize,
    },
    /// 1 x k
    Row,
    /// k x 1
    Column,
}

impl Taps {
    fn group(self) -> usize {
        match self {
            Taps::Full { group } => group,
            Taps::Pass | Taps::Row | Taps::Column => 1,
        }
    }

    /// Indices of the kernel's taps, of one channel.
    fn of(self, g: &ConvGeom) -> Vec<usize> {
        let (cy, cx) = (g.kh / 2, g.kw / 2);
        match self {
            Taps::Full { .. } => (0..g.kh * g.kw).collect(),
            Taps::Row => (0..g.kw).map(|x| cy * g.kw + x).collect(),
            Taps::Column => (0..g.kh).map(|y| y * g.kw + cx).collect(),
            Taps::Pass => vec![cy * g.kw + cx],
        }
    }

    /// Kernel and its convolution; none for what passes.
    fn conv(self, g: &ConvGeom, channels: usize) -> Option<([usize; 2], Conv)> {
        let [top, left, bottom, right] = g.pads;
        let (kernel, pads) = match self {
            Taps::Pass => return None,
            Taps::Full { .. } => ([g.kh, g.kw], g.pads),
            Taps::Row => ([1, g.kw], [0, left, 0, right]),
            Taps::Column => ([g.kh, 1], [top, 0, bottom, 0]),
        };
        Some((kernel, Conv { stride: g.stride, pads, dilation: g.dilation, groups: channels / self.group() }))
    }
}

/// Whether the kernel has a middle that starts at the first pixel, so that a channel can pass in place of its filter
/// and a kernel of one row or column can stand for the whole.
fn centre(g: &ConvGeom) -> Option<()> {
    let odd = g.kh % 2 == 1 && g.kw % 2 == 1;
    let [oh, ow] = g.out_hw();
    let middle = |k: usize, dilation: usize| (k / 2) * dilation;
    let starts = g.pads[0] == middle(g.kh, g.dilation[0]) && g.pads[1] == middle(g.kw, g.dilation[1]);
    let ends = (oh - 1) * g.stride[0] < g.h && (ow - 1) * g.stride[1] < g.w;
    // A kernel of one row pads no row: it sees as many positions as pixels that pass.
    let rows = (g.h - 1) / g.stride[0] + 1 == oh && (g.w - 1) / g.stride[1] + 1 == ow;
    (odd && starts && ends && rows).then_some(())
}

/// The spatial part: for each half its channels and, unless they pass, its filters.
#[derive(Clone, Debug)]
pub(super) struct Part {
    channels: Vec<usize>,
    taps: Taps,
    /// `[channels, group, kh, kw]`
    filters: Option<Tensor<f32>>,
}

/// A convolution that is replaced.
#[derive(Clone, Debug)]
pub(super) struct Factored {
    pub conv: Id,
    geom: ConvGeom,
    parts: Vec<Part>,
    /// `[c_out, channels, 1, 1]`
    pointwise: Tensor<f32>,
    /// `[c_out, 1, 1]`: what the fit adds to the layer's bias.
    bias: Tensor<f32>,
}

/// The spatial part of `x`: what the pointwise convolution reads.
fn front(r: &mut impl Build, geom: &ConvGeom, parts: &[Part], x: Id, weight: &str, name: &str) -> Result<Id> {
    let mut values = Vec::with_capacity(parts.len());
    for (i, part) in parts.iter().enumerate() {
        let mut v = x;
        if parts.len() > 1 {
            let indices = part.channels.iter().map(|&c| u32::try_from(c).unwrap_or(u32::MAX)).collect();
            v = r.op(Gather { axis: 1, indices }.into(), &[v], &format!("{name}/shuffle"))?;
        }
        v = match (&part.filters, part.taps.conv(geom, part.channels.len())) {
            (Some(filters), Some((_, conv))) => {
                let which =
                    if parts.len() > 1 { format!("{weight}.filter.{i}") } else { format!("{weight}.filter") };
                let w = r.weight(&which, filters.clone(), &format!("{name}/filter"))?;
                r.op(conv.into(), &[v, w], &format!("{name}/filter"))?
            }
            _ => passed(r, geom, part.channels.len(), v, name)?,
        };
        values.push(v);
    }
    match values[..] {
        [one] => Ok(one),
        _ => r.op(Concat { axis: 1 }.into(), &values, &format!("{name}/shuffle")),
    }
}

/// Every `stride`-th pixel.
fn passed(r: &mut impl Build, g: &ConvGeom, channels: usize, x: Id, name: &str) -> Result<Id> {
    if g.stride == [1, 1] {
        return Ok(x);
    }
    let [oh, ow] = g.out_hw();
    let step = g.stride.map(|s| isize::try_from(s).unwrap_or(isize::MAX));
    let slice = Slice { start: vec![0; 4], size: vec![g.n, channels, oh, ow], step: vec![1, 1, step[0], step[1]] };
    r.op(slice.into(), &[x], &format!("{name}/shuffle"))
}

/// Something that a layer can be built in: the rewritten model, a graph of one layer.
trait Build {
    fn op(&mut self, op: Op, args: &[Id], name: &str) -> Result<Id>;
    fn weight(&mut self, base: &str, values: Tensor<f32>, name: &str) -> Result<Id>;
}

/// A graph of one layer, to price it or to see what it computes.
#[derive(Default)]
struct Layer {
    graph: Graph,
    weights: RealWeights,
}

impl Build for Layer {
    fn op(&mut self, op: Op, args: &[Id], name: &str) -> Result<Id> {
        let kind = op.name();
        let fail = |source| CompileError::Type { node: name.to_owned(), op: kind, source };
        self.graph.add(op, args, name).map_err(fail)
    }

    fn weight(&mut self, base: &str, values: Tensor<f32>, name: &str) -> Result<Id> {
        let ty = Ty::real(&values.shape, Owner::Server);
        self.weights.insert(base.to_owned(), values);
        self.op(Weight { name: base.to_owned(), ty }.into(), &[], name)
    }
}

impl Build for Rewriter<'_> {
    fn op(&mut self, op: Op, args: &[Id], name: &str) -> Result<Id> {
        self.add(op, args, name)
    }

    fn weight(&mut self, base: &str, values: Tensor<f32>, name: &str) -> Result<Id> {
        self.named_weight(base, values, name)
    }
}

/// The convolution without bias of a pointwise layer.
fn pointwise() -> Conv {
    Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups: 1 }
}

pub(super) fn emit(r: &mut Rewriter<'_>, f: &Factored) -> Result<Id> {
    let old = r.old().node(f.conv).clone();
    let weight = r.old().node(old.args[1]).name.clone();
    let x = r.mapped(old.args[0]);
    let z = front(r, &f.geom, &f.parts, x, &weight, &old.name)?;
    let w = r.named_weight(&format!("{weight}.pointwise"), f.pointwise.clone(), &old.name)?;
    let y = r.add(pointwise(), &[z, w], &old.name)?;
    let b = r.named_weight(&format!("{weight}.shift"), f.bias.clone(), &old.name)?;
    r.add(Add {}, &[y, b], &old.name)
}

/// Convolutions that may be replaced, with their geometry.
fn layers(graph: &Graph) -> Vec<(Id, ConvGeom)> {
    let geom = |(id, node): (Id, &picc_ir::Node)| {
        let Op::Conv(conv) = &node.op else { return None };
        let &[x, w] = &node.args[..] else { return None };
        let geom = conv.geom(&graph.ty(x).shape, &graph.ty(w).shape).ok()?;
        let dense = geom.groups == 1 && geom.kh * geom.kw > 1 && (2..=MAX_CHANNELS).contains(&geom.c_in);
        (dense && is_known(graph, w) && !is_known(graph, x)).then_some((id, geom))
    };
    graph.iter().filter_map(geom).collect()
}

/// Replaces every convolution for which a cheaper member fits well enough.
pub(super) fn apply(
    model: Model,
    options: &Options,
    max_error: f64,
    samples: &[Sample],
    report: &mut Report,
) -> Result<Model> {
    let mut prices = Prices::new(options);
    let mut wanted = Vec::new();
    for (conv, geom) in layers(&model.graph) {
        let dense = prices.of(&geom, None)?;
        let mut members = Vec::new();
        for member in Member::ALL.into_iter().filter(|m| m.fits(&geom)) {
            let price = prices.of(&geom, Some(member))?;
            if price.order() < dense.order() {
                members.push((member, price));
            }
        }
        if members.is_empty() {
            let node = &model.graph.node(conv).name;
            report.notes.push(format!("`{node}` stays: {} as it is, no member of x-operator is cheaper", dense));
        } else {
            members.sort_by_key(|(_, p)| p.order());
            wanted.push((conv, geom, dense, members));
        }
    }
    let tasks =
        wanted.iter().map(|(conv, geom, _, m)| (*conv, *geom, m.iter().map(|(m, _)| *m).collect())).collect();
    let fitted: Vec<Vec<Fitted>> = fit::fit(&model, tasks, samples)?;
    let mut edits = Vec::new();
    for ((conv, geom, dense, members), fits) in wanted.into_iter().zip(fitted) {
        let node = model.graph.node(conv).name.clone();
        // Cheapest first.
        let good = members.iter().zip(&fits).find(|(_, f)| f.error <= max_error);
        let Some(((member, price), fit)) = good else {
            let least = fits.iter().map(|f| f.error).fold(f64::INFINITY, f64::min);
            report.notes.push(format!("`{node}` stays: the least layer error of a cheaper member is {least:.3}"));
            continue;
        };
        report.choices.push(Choice {
            node,
            family: Family::XOperator,
            rule: member.name().replace('-', "_"),
            class: ErrorClass::Retrain,
            removed: 0,
            layer_error: fit.error,
            detail: format!("{}x{} of {} channels: {dense} -> {price}", geom.kh, geom.kw, geom.c_in),
        });
        edits.push(Edit::Factor(Box::new(Factored {
            conv,
            geom,
            parts: fit.parts.clone(),
            pointwise: fit.pointwise.clone(),
            bias: fit.bias.clone(),
        })));
    }
    rewrite(&model, &edits)
}

#[cfg(test)]
mod tests;

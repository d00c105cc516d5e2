//! A linear layer as grouped convolutions of stride one over logical channels, and where its elements lie in memory.

use super::PlanError;
use crate::geom::{ConvGeom, MatMulGeom};

/// How the weights of a matrix product are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WeightLayout {
    /// `[batch, inner, cols]`
    InnerCols,
    /// `[batch, cols, inner]`, as a fully connected layer's.
    ColsInner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Conv(ConvGeom),
    MatMul(MatMulGeom, WeightLayout),
}

/// A kernel tap of a phase: it reads `(y, x)` pixels on, and is weight `(ky, kx)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    pub y: usize,
    pub x: usize,
    pub ky: usize,
    pub kx: usize,
}

/// Pixels `(Y * sy + y, X * sx + x)` of the padded image, and the taps that read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    pub y: usize,
    pub x: usize,
    pub taps: Vec<Tap>,
}

/// The layer: per image and group, `channels` inputs of `in_hw` make `outputs` outputs of `out_hw`, stride one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    source: Source,
    pub images: usize,
    pub groups: usize,
    /// Logical input channels of one group: true channels times phases, the phase varying fastest.
    pub channels: usize,
    /// Output channels of one group.
    pub outputs: usize,
    /// Logical padded input.
    pub in_hw: [usize; 2],
    pub out_hw: [usize; 2],
    /// Logical kernel extent: `in_hw = out_hw + extent - 1`.
    pub extent: [usize; 2],
    pub phases: Vec<Phase>,
    /// Columns that are zero at the right of a row and at the left of the next, in every phase; rows likewise.
    pub shared_zeros: [usize; 2],
    /// Weights that one output multiplies.
    pub fan_in: u64,
}

/// No dimension, product of dimensions or number of taps beyond these: programs come from strangers.
const MAX_DIM: usize = 1 << 24;
const MAX_ELEMENTS: usize = 1 << 30;
const MAX_TAPS: usize = 1 << 16;

fn elements(dims: &[usize]) -> Result<usize, PlanError> {
    let too_large = PlanError::TooLarge("number of elements");
    dims.iter().try_fold(1usize, |a, &d| a.checked_mul(d)).filter(|&e| e <= MAX_ELEMENTS).ok_or(too_large)
}

impl Layer {
    /// A convolution; weights `[c_out, c_in / groups, kh, kw]`.
    pub fn conv(g: &ConvGeom) -> Result<Layer, PlanError> {
        let dims = [g.n, g.c_in, g.h, g.w, g.c_out, g.kh, g.kw, g.groups];
        let steps = [g.stride[0], g.stride[1], g.dilation[0], g.dilation[1]];
        if dims.iter().chain(&steps).any(|&d| d == 0) {
            return Err(PlanError::Geometry("a dimension is zero"));
        }
        if dims.iter().chain(&steps).chain(&g.pads).any(|&d| d > MAX_DIM) {
            return Err(PlanError::TooLarge("dimension"));
        }
        if !g.c_in.is_multiple_of(g.groups) || !g.c_out.is_multiple_of(g.groups) {
            return Err(PlanError::Geometry("groups must divide the channels"));
        }
        if g.kh.checked_mul(g.kw).is_none_or(|t| t > MAX_TAPS) {
            return Err(PlanError::TooLarge("kernel"));
        }
        let extent = |k: usize, d: usize| (k - 1).checked_mul(d).map(|e| e + 1).filter(|&e| e <= 4 * MAX_DIM);
        let (Some(eh), Some(ew)) = (extent(g.kh, g.dilation[0]), extent(g.kw, g.dilation[1])) else {
            return Err(PlanError::TooLarge("kernel"));
        };
        if g.h + g.pads[0] + g.pads[2] < eh || g.w + g.pads[1] + g.pads[3] < ew {
            return Err(PlanError::Geometry("the kernel is larger than the padded image"));
        }
        let out_hw = g.out_hw();
        elements(&[g.n, g.c_in, g.h, g.w])?;
        elements(&[g.n, g.c_out, out_hw[0], out_hw[1]])?;
        elements(&[g.c_out, g.c_in / g.groups, g.kh, g.kw])?;

        let phases = phases(g);
        let extent = [(eh - 1) / g.stride[0] + 1, (ew - 1) / g.stride[1] + 1];
        let in_hw = [out_hw[0] + extent[0] - 1, out_hw[1] + extent[1] - 1];
        // At most `out - 1`, so that distinct taps stay at distinct positions, and at most `extent - 1`, so that
        // distinct outputs do.
        let zeros = |size: usize, pad: usize, stride: usize, dim: usize, at: &dyn Fn(&Phase) -> usize| {
            let before = phases.iter().map(|p| pad.saturating_sub(at(p)).div_ceil(stride)).min().unwrap_or(0);
            let after = phases
                .iter()
                .map(|p| in_hw[dim].saturating_sub((size + pad).saturating_sub(at(p)).div_ceil(stride)))
                .min()
                .unwrap_or(0);
            before.min(after).min(out_hw[dim] - 1).min(extent[dim] - 1)
        };
        let shared_zeros =
            [zeros(g.h, g.pads[0], g.stride[0], 0, &|p| p.y), zeros(g.w, g.pads[1], g.stride[1], 1, &|p| p.x)];
        Ok(Layer {
            source: Source::Conv(*g),
            images: g.n,
            groups: g.groups,
            channels: g.c_in / g.groups * phases.len(),
            outputs: g.c_out / g.groups,
            in_hw,
            out_hw,
            extent,
            shared_zeros,
            fan_in: g.fan_in() as u64,
            phases,
        })
    }

    /// A matrix product of a shared `[batch, rows, inner]` and the server's weights.
    pub fn matmul(g: &MatMulGeom, weights: WeightLayout) -> Result<Layer, PlanError> {
        let dims = [g.batch, g.rows, g.inner, g.cols];
        if dims.contains(&0) {
            return Err(PlanError::Geometry("a dimension is zero"));
        }
        elements(&[g.batch, g.rows, g.inner])?;
        elements(&[g.batch, g.rows, g.cols])?;
        elements(&[g.batch, g.inner, g.cols])?;
        Ok(Layer {
            source: Source::MatMul(*g, weights),
            images: 1,
            groups: g.batch,
            channels: g.inner,
            outputs: g.cols,
            in_hw: [g.rows, 1],
            out_hw: [g.rows, 1],
            extent: [1, 1],
            phases: vec![Phase { y: 0, x: 0, taps: vec![Tap { y: 0, x: 0, ky: 0, kx: 0 }] }],
            shared_zeros: [0, 0],
            fan_in: g.inner as u64,
        })
    }

    /// The taps that read logical channel `channel` (of a group).
    #[must_use]
    pub fn taps(&self, channel: usize) -> &[Tap] {
        &self.phases[channel % self.phases.len()].taps
    }

    /// Index of a logical input pixel in the shared tensor; `None` is padding. `channel` counts over all groups.
    #[must_use]
    pub fn input_index(&self, image: usize, channel: usize, y: usize, x: usize) -> Option<usize> {
        match &self.source {
            Source::MatMul(g, _) => {
                let (batch, k) = (channel / g.inner, channel % g.inner);
                Some((batch * g.rows + y) * g.inner + k)
            }
            Source::Conv(g) => {
                let phase = &self.phases[channel % self.phases.len()];
                let c = channel / self.phases.len();
                let y = (y * g.stride[0] + phase.y).checked_sub(g.pads[0]).filter(|&y| y < g.h)?;
                let x = (x * g.stride[1] + phase.x).checked_sub(g.pads[1]).filter(|&x| x < g.w)?;
                Some(((image * g.c_in + c) * g.h + y) * g.w + x)
            }
        }
    }

    /// Index of a weight: `output` and `channel` count over all groups and must be of the same group.
    #[must_use]
    pub fn weight_index(&self, output: usize, channel: usize, tap: &Tap) -> usize {
        match &self.source {
            Source::MatMul(g, layout) => {
                let (batch, k, col) = (channel / g.inner, channel % g.inner, output % g.cols);
                match layout {
                    WeightLayout::InnerCols => (batch * g.inner + k) * g.cols + col,
                    WeightLayout::ColsInner => (batch * g.cols + col) * g.inner + k,
                }
            }
            Source::Conv(g) => {
                let c = channel / self.phases.len() % (g.c_in / g.groups);
                ((output * (g.c_in / g.groups) + c) * g.kh + tap.ky) * g.kw + tap.kx
            }
        }
    }

    /// Index of an output element. `output` counts over all groups.
    #[must_use]
    pub fn output_index(&self, image: usize, output: usize, y: usize, x: usize) -> usize {
        match &self.source {
            Source::MatMul(g, _) => (output / g.cols * g.rows + y) * g.cols + output % g.cols,
            Source::Conv(g) => ((image * g.c_out + output) * self.out_hw[0] + y) * self.out_hw[1] + x,
        }
    }

    /// Elements of the shared input, of the weights, and of the output.
    #[must_use]
    pub fn lens(&self) -> [usize; 3] {
        match &self.source {
            Source::MatMul(g, _) => {
                [g.batch * g.rows * g.inner, g.batch * g.inner * g.cols, g.batch * g.rows * g.cols]
            }
            Source::Conv(g) => [
                g.n * g.c_in * g.h * g.w,
                g.c_out * (g.c_in / g.groups) * g.kh * g.kw,
                g.n * g.c_out * self.out_hw[0] * self.out_hw[1],
            ],
        }
    }
}

/// The phases that some tap reads, in order, with their taps.
fn phases(g: &ConvGeom) -> Vec<Phase> {
    let mut phases = std::collections::BTreeMap::<(usize, usize), Vec<Tap>>::new();
    for ky in 0..g.kh {
        for kx in 0..g.kw {
            let (y, x) = (ky * g.dilation[0], kx * g.dilation[1]);
            let tap = Tap { y: y / g.stride[0], x: x / g.stride[1], ky, kx };
            phases.entry((y % g.stride[0], x % g.stride[1])).or_default().push(tap);
        }
    }
    phases.into_iter().map(|((y, x), taps)| Phase { y, x, taps }).collect()
}

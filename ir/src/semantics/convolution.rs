//! The reference convolution: direct, over padded planes, with the inner loop over neighbouring output pixels.
//!
//! ```text
//! x [n, c, h, w] --pad, split into stride x stride phases--> planes [c, phase, ph, pw], as one flat slice
//! output pixel p of a plane (row pitch pw) = sum over taps t of weight[t] * planes[p + offset[t]]
//! ```
//! With the phases of a strided convolution in planes of their own, neighbouring outputs read neighbouring inputs.

use crate::geom::ConvGeom;
use crate::semantics::number::Number;
use crate::tensor::Tensor;

/// Output pixels and output channels that one pass over the taps computes.
const PIXELS: usize = 8;
const CHANNELS: usize = 4;

/// Integers below this are exact in f64.
const EXACT: u128 = 1 << 53;

/// `conv(x, w)` over any numbers, summed in the order of the weights.
pub(crate) fn convolve<T: Number>(x: &[T], w: &[T], g: &ConvGeom) -> Tensor<T> {
    let [oh, ow] = g.out_hw();
    let layout = Planes::of(g);
    let offsets = layout.offsets(g);
    let (c_in, c_out, fan_in) = (g.c_in / g.groups, g.c_out / g.groups, g.fan_in());
    // The last block of pixels reads a few values more than it needs.
    let mut planes = vec![T::ZERO; layout.channel() * c_in + PIXELS];
    let pixels = (oh - 1) * layout.pitch + ow;
    let mut out = Tensor::full(&[g.n, g.c_out, oh, ow], T::ZERO);
    let mut packed = vec![T::ZERO; fan_in * CHANNELS];
    for (image, out) in x.chunks_exact(g.c_in * g.h * g.w).zip(out.data.chunks_exact_mut(g.c_out * oh * ow)) {
        for group in 0..g.groups {
            layout.fill(&image[group * c_in * g.h * g.w..][..c_in * g.h * g.w], g, &mut planes);
            for first in (0..c_out).step_by(CHANNELS) {
                let count = CHANNELS.min(c_out - first);
                pack(&w[(group * c_out + first) * fan_in..][..count * fan_in], fan_in, &mut packed);
                let out = &mut out[(group * c_out + first) * oh * ow..][..count * oh * ow];
                for start in (0..pixels).step_by(PIXELS) {
                    let block = block(&planes[start..], &offsets, &packed);
                    store(&block, start, layout.pitch, [oh, ow], out);
                }
            }
        }
    }
    out
}

/// `conv(x, w)` mod 2^64: through f64 where all sums are exact in it (twice as fast), else in wrapping integers.
pub(crate) fn convolve_ring(x: &[i64], w: &[i64], g: &ConvGeom) -> Tensor<i64> {
    let largest = |v: &[i64]| u128::from(v.iter().map(|v| v.unsigned_abs()).max().unwrap_or(0));
    let bound = largest(x).saturating_mul(largest(w)).saturating_mul(g.fan_in() as u128);
    if bound >= EXACT {
        return convolve(x, w, g);
    }
    let float = |v: &[i64]| -> Vec<f64> { v.iter().map(|&v| v as f64).collect() };
    convolve(&float(x), &float(w), g).map(|&v| v as i64)
}

/// Weights of up to [`CHANNELS`] output channels, tap by tap; missing channels stay zero.
fn pack<T: Number>(w: &[T], fan_in: usize, packed: &mut [T]) {
    packed.fill(T::ZERO);
    for (j, channel) in w.chunks_exact(fan_in).enumerate() {
        for (t, &v) in channel.iter().enumerate() {
            packed[t * CHANNELS + j] = v;
        }
    }
}

fn block<T: Number>(planes: &[T], offsets: &[usize], packed: &[T]) -> [[T; PIXELS]; CHANNELS] {
    let mut sums = [[T::ZERO; PIXELS]; CHANNELS];
    for (&offset, weights) in offsets.iter().zip(packed.chunks_exact(CHANNELS)) {
        let pixels = &planes[offset..offset + PIXELS];
        for j in 0..CHANNELS {
            for i in 0..PIXELS {
                sums[j][i] = sums[j][i].plus(weights[j].times(pixels[i]));
            }
        }
    }
    sums
}

/// Drops the columns between `ow` and the pitch, and missing channels.
fn store<T: Number>(
    block: &[[T; PIXELS]; CHANNELS],
    start: usize,
    pitch: usize,
    [oh, ow]: [usize; 2],
    out: &mut [T],
) {
    for i in 0..PIXELS {
        let (row, column) = ((start + i) / pitch, (start + i) % pitch);
        if row < oh && column < ow {
            for (channel, sums) in out.chunks_exact_mut(oh * ow).zip(block) {
                channel[row * ow + column] = sums[i];
            }
        }
    }
}

/// Layout of one group's padded input.
struct Planes {
    /// Rows and columns of one phase; `pitch` columns are a row.
    rows: usize,
    pitch: usize,
    phases: [usize; 2],
}

impl Planes {
    fn of(g: &ConvGeom) -> Planes {
        let padded = [g.h + g.pads[0] + g.pads[2], g.w + g.pads[1] + g.pads[3]];
        let phases = [g.stride[0].min(padded[0]), g.stride[1].min(padded[1])];
        let rows = padded[0].div_ceil(g.stride[0]);
        Planes { rows, pitch: padded[1].div_ceil(g.stride[1]), phases }
    }

    fn plane(&self) -> usize {
        self.rows * self.pitch
    }

    fn channel(&self) -> usize {
        self.plane() * self.phases[0] * self.phases[1]
    }

    /// Where the padded pixel `(y, x)` lies within its channel.
    fn at(&self, y: usize, x: usize, stride: [usize; 2]) -> usize {
        let phase = y % stride[0] * self.phases[1] + x % stride[1];
        phase * self.plane() + y / stride[0] * self.pitch + x / stride[1]
    }

    /// Offset of each tap, in the order of the weights.
    fn offsets(&self, g: &ConvGeom) -> Vec<usize> {
        let mut offsets = Vec::with_capacity(g.fan_in());
        for c in 0..g.c_in / g.groups {
            for ky in 0..g.kh {
                for kx in 0..g.kw {
                    let at = self.at(ky * g.dilation[0], kx * g.dilation[1], g.stride);
                    offsets.push(c * self.channel() + at);
                }
            }
        }
        offsets
    }

    fn fill<T: Number>(&self, channels: &[T], g: &ConvGeom, planes: &mut [T]) {
        for (channel, plane) in channels.chunks_exact(g.h * g.w).zip(planes.chunks_exact_mut(self.channel())) {
            for (y, row) in channel.chunks_exact(g.w).enumerate() {
                if g.stride[1] == 1 {
                    let at = self.at(y + g.pads[0], g.pads[1], g.stride);
                    plane[at..at + g.w].copy_from_slice(row);
                } else {
                    for (x, &v) in row.iter().enumerate() {
                        plane[self.at(y + g.pads[0], x + g.pads[1], g.stride)] = v;
                    }
                }
            }
        }
    }
}

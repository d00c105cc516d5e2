//! How a layer is cut into polynomials.
//!
//! ```text
//!   input polynomial   pixel (c, i, y, x) of its C_w channels, images, rows, columns at
//!                      c * channel_stride + i * image_stride + y * row_stride + x
//!   weight polynomial  w(m, c, tap) at  m * B - c * channel_stride - tap_y * row_stride - tap_x,  B = C_w * channel_stride
//!                      (negative positions wrap around with a minus: X^N = -1)
//!   product            output (m, i, y, x) at  m * B + i * image_stride + y * row_stride + x
//! ```
//!
//! **Why nothing collides.** The product at output `(m, s)` sums, over `(m', c', tap)`, the weight times the input
//! coefficient at `s + tap + c' channel_stride + (m - m') B`. For `m' = m` that is the pixel meant. Otherwise the
//! position lies outside the polynomial's pixels, or among their shared zeros, when
//! `(M_w - 1) B + used <= N`, where `used` is one more than the last position of a pixel: [`Tiling::fits`].
//! Shared zeros never exceed `out - 1` or `extent - 1`, so that distinct taps, and distinct outputs, have distinct
//! positions.
//! All positions that any of this reads are sent ([`Tiling::touched`]); what is not sent the server takes as zero.

use super::Layer;
use std::ops::Range;

/// Shape of the polynomials; the last of each kind may hold less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Groups whose channels may share a polynomial.
    pub groups: usize,
    pub images: usize,
    /// Output rows and columns of a tile.
    pub rows: usize,
    pub cols: usize,
    /// Logical input channels of an input polynomial (C_w).
    pub channels: usize,
    /// Output channels of a weight polynomial (M_w).
    pub outputs: usize,
    pub row_stride: usize,
    pub image_stride: usize,
    pub channel_stride: usize,
}

/// Images, rows and columns of the output that one polynomial covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    pub images: Range<usize>,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
}

impl Tiling {
    /// Strides for tiles of `rows x cols` outputs.
    #[must_use]
    pub fn new(layer: &Layer, groups: usize, images: usize, rows: usize, cols: usize) -> Tiling {
        let (in_rows, in_cols) = (rows + layer.extent[0] - 1, cols + layer.extent[1] - 1);
        let whole_rows = cols == layer.out_hw[1];
        let whole_image = whole_rows && rows == layer.out_hw[0];
        let row_stride = in_cols - if whole_rows { layer.shared_zeros[1] } else { 0 };
        let image_stride = (in_rows - if whole_image { layer.shared_zeros[0] } else { 0 }) * row_stride;
        Tiling {
            groups,
            images,
            rows,
            cols,
            channels: 1,
            outputs: 1,
            row_stride,
            image_stride,
            channel_stride: images * image_stride,
        }
    }

    /// Distance between output channels of a weight polynomial.
    #[must_use]
    pub fn output_stride(&self) -> usize {
        self.channels * self.channel_stride
    }

    /// One more than the last position of a pixel.
    #[must_use]
    pub fn used(&self, layer: &Layer) -> usize {
        let image = (self.rows + layer.extent[0] - 2) * self.row_stride + self.cols + layer.extent[1] - 1;
        (self.channels - 1) * self.channel_stride + (self.images - 1) * self.image_stride + image
    }

    #[must_use]
    pub fn fits(&self, layer: &Layer, degree: usize) -> bool {
        (self.outputs - 1) * self.output_stride() + self.used(layer) <= degree
    }

    #[must_use]
    pub fn blocks(&self, layer: &Layer) -> usize {
        layer.groups.div_ceil(self.groups)
    }

    /// Logical input channels of block `b`, over all groups.
    #[must_use]
    pub fn block_channels(&self, layer: &Layer, b: usize) -> Range<usize> {
        let groups = b * self.groups..((b + 1) * self.groups).min(layer.groups);
        groups.start * layer.channels..groups.end * layer.channels
    }

    /// Output channels of block `b`, over all groups.
    #[must_use]
    pub fn block_outputs(&self, layer: &Layer, b: usize) -> Range<usize> {
        let groups = b * self.groups..((b + 1) * self.groups).min(layer.groups);
        groups.start * layer.outputs..groups.end * layer.outputs
    }

    /// Channels of each input polynomial of block `b`.
    pub fn channel_parts(&self, layer: &Layer, b: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        parts(self.block_channels(layer, b), self.channels)
    }

    /// Outputs of each weight polynomial of block `b`.
    pub fn output_parts(&self, layer: &Layer, b: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        parts(self.block_outputs(layer, b), self.outputs)
    }

    #[must_use]
    pub fn tiles(&self, layer: &Layer) -> usize {
        let [oh, ow] = layer.out_hw;
        layer.images.div_ceil(self.images) * oh.div_ceil(self.rows) * ow.div_ceil(self.cols)
    }

    #[must_use]
    pub fn tile(&self, layer: &Layer, t: usize) -> Tile {
        let [oh, ow] = layer.out_hw;
        let (down, across) = (oh.div_ceil(self.rows), ow.div_ceil(self.cols));
        let part = |i: usize, size: usize, end: usize| i * size..((i + 1) * size).min(end);
        Tile {
            images: part(t / (down * across), self.images, layer.images),
            rows: part(t / across % down, self.rows, oh),
            cols: part(t % across, self.cols, ow),
        }
    }

    /// Positions of an input polynomial with `channels` channels of `tile` that some product reads, ascending, if up
    /// to `outputs` outputs share a weight polynomial.
    #[must_use]
    pub fn touched(&self, layer: &Layer, degree: usize, tile: &Tile, channels: usize, outputs: usize) -> Vec<u32> {
        let mut seen = vec![false; degree];
        let run = tile.cols.len() + layer.extent[1] - 1;
        let reach = (outputs.min(self.outputs) - 1) * self.output_stride();
        for shift in (0..=2 * reach).step_by(self.output_stride()) {
            for c in 0..channels {
                for i in 0..tile.images.len() {
                    for y in 0..tile.rows.len() + layer.extent[0] - 1 {
                        let at = c * self.channel_stride + i * self.image_stride + y * self.row_stride;
                        let start = (at + shift + degree - reach) % degree;
                        let wrapped = (start + run).saturating_sub(degree);
                        seen[start..start + run - wrapped].fill(true);
                        seen[..wrapped].fill(true);
                    }
                }
            }
        }
        seen.iter().enumerate().filter(|(_, s)| **s).map(|(p, _)| p as u32).collect()
    }

    /// Position of an output pixel, relative to its tile, of the `m`-th output of a weight polynomial.
    #[must_use]
    pub fn output_position(&self, m: usize, image: usize, y: usize, x: usize) -> usize {
        m * self.output_stride() + image * self.image_stride + y * self.row_stride + x
    }

    /// Position of an input pixel, relative to its tile, of the `c`-th channel.
    #[must_use]
    pub fn input_position(&self, c: usize, image: usize, y: usize, x: usize) -> usize {
        c * self.channel_stride + image * self.image_stride + y * self.row_stride + x
    }
}

fn parts(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |s| s..(s + size).min(end))
}

//! The encodings, one variant each, and what the plan, the client and the server ask of any of them.
//!
//! An encoding puts the elements of a layer into polynomials such that products of input and weight polynomials hold
//! the outputs. Which one a layer has is part of its plan, which both parties make from the program alone.

use super::{Layer, Tile, Tiling};
use std::ops::Range;

/// How the elements of a layer lie in polynomials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Pixels as coefficients, after Cheetah: [`super::tiling`].
    Coefficients(Tiling),
}

impl Encoding {
    /// Blocks of groups, each with polynomials of its own.
    #[must_use]
    pub fn blocks(&self, layer: &Layer) -> usize {
        match self {
            Encoding::Coefficients(tiling) => tiling.blocks(layer),
        }
    }

    /// Tiles of the output.
    #[must_use]
    pub fn tiles(&self, layer: &Layer) -> usize {
        match self {
            Encoding::Coefficients(tiling) => tiling.tiles(layer),
        }
    }

    /// Tile number `t`.
    #[must_use]
    pub fn tile(&self, layer: &Layer, t: usize) -> Tile {
        match self {
            Encoding::Coefficients(tiling) => tiling.tile(layer, t),
        }
    }

    /// Channels of each input polynomial of block `b`.
    pub fn channel_parts(&self, layer: &Layer, b: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        match self {
            Encoding::Coefficients(tiling) => tiling.channel_parts(layer, b),
        }
    }

    /// Outputs of each weight polynomial of block `b`.
    pub fn output_parts(&self, layer: &Layer, b: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        match self {
            Encoding::Coefficients(tiling) => tiling.output_parts(layer, b),
        }
    }

    /// Most outputs that share a weight polynomial of block `b`.
    #[must_use]
    pub fn shared_outputs(&self, layer: &Layer, b: usize) -> usize {
        match self {
            Encoding::Coefficients(tiling) => tiling.outputs.min(tiling.block_outputs(layer, b).len()),
        }
    }

    /// Positions of an input polynomial with `channels` channels of `tile` that some product reads, ascending, if up to
    /// `outputs` outputs share a weight polynomial.
    #[must_use]
    pub fn touched(&self, layer: &Layer, degree: usize, tile: &Tile, channels: usize, outputs: usize) -> Vec<u32> {
        match self {
            Encoding::Coefficients(tiling) => tiling.touched(layer, degree, tile, channels, outputs),
        }
    }

    /// Position of an input pixel, relative to its tile, of the `c`-th channel.
    #[must_use]
    pub fn input_position(&self, c: usize, image: usize, y: usize, x: usize) -> usize {
        match self {
            Encoding::Coefficients(tiling) => tiling.input_position(c, image, y, x),
        }
    }

    /// Position of an output pixel, relative to its tile, of the `m`-th output of a weight polynomial.
    #[must_use]
    pub fn output_position(&self, m: usize, image: usize, y: usize, x: usize) -> usize {
        match self {
            Encoding::Coefficients(tiling) => tiling.output_position(m, image, y, x),
        }
    }

    /// Whether every weight polynomial is a constant, so that nothing needs to be transformed.
    #[must_use]
    pub fn has_constant_weights(&self, layer: &Layer) -> bool {
        match self {
            Encoding::Coefficients(tiling) => tiling.channels == 1 && tiling.outputs == 1 && layer.extent == [1, 1],
        }
    }
}

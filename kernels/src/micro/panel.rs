//! A copy of what the tiles of some strips read, in their order.
//!
//! In planes of large images every tap lies in a page of its own, more pages than the processor's first-level
//! translation buffer holds; and every block of output channels reads all of them again. A panel is contiguous. The
//! pixels of a 1x1 kernel become lanes on their way there, and no planes are made.

use super::arith::Lane;
use super::source::{Source, Stretch};
use super::space::Space;
use super::tile::{Offsets, Tile};

/// What tiles read: a vector at every base from every offset.
#[derive(Clone, Copy)]
pub(super) struct Reads<'a, L> {
    pub planes: &'a [L],
    pub offsets: &'a Offsets,
    pub bases: &'a [u32],
}

/// Bytes of a panel that a second-level cache holds besides the weights.
const BYTES: usize = 512 << 10;

/// Bytes between taps, which would otherwise often lie a power of two apart, in few sets of the cache.
const APART: usize = 64;

/// `[tap, vector, lane]` of the vectors of some strips, and a gap behind each tap.
pub(super) struct Panel<L: Lane> {
    /// Lanes from tap to tap.
    line: usize,
    lanes: usize,
    offsets: Offsets,
    bases: Vec<u32>,
    stretches: Vec<Stretch>,
    data: Space<L>,
}

impl<L: Lane> Panel<L> {
    /// For that many taps of a tile, and at most as many strips.
    pub fn new(taps: usize, tile: &Tile<L>, most: usize) -> Panel<L> {
        let width = tile.pixels();
        let strips = (BYTES / (taps * width * size_of::<L>()).max(1)).clamp(1, most);
        let line = strips * width + APART / size_of::<L>();
        // Shapes are refused (`conv::check`) from about 2^18 taps on, and so many have one strip.
        let lane = |at: usize| u32::try_from(at).expect("panels below 2^32 lanes");
        Panel {
            line,
            lanes: tile.lanes,
            offsets: Offsets::new((0..taps).map(|tap| lane(tap * line)).collect()),
            bases: (0..strips * tile.vectors).map(|v| lane(v * tile.lanes)).collect(),
            stretches: Vec::new(),
            data: Space::new(taps * line),
        }
    }

    /// Vectors that it holds.
    pub fn vectors(&self) -> usize {
        self.bases.len()
    }

    /// Copies what vectors at some pixels of some images read from some offsets; the same reads, of the panel.
    pub fn fill(
        &mut self,
        source: Source<'_, L>,
        offsets: &Offsets,
        vectors: &[(usize, usize)],
        image_len: usize,
    ) -> Reads<'_, L> {
        self.stretches.clear();
        for (v, &(image, at)) in vectors.iter().enumerate() {
            match self.stretches.last_mut() {
                Some(s) if s.image == image && s.at + s.len == at => s.len += self.lanes,
                _ => {
                    self.stretches.push(Stretch { image, at, to: self.bases[v] as usize, len: self.lanes });
                }
            }
        }
        match source {
            Source::Images(images) => images.write(&self.stretches, self.line, &mut self.data),
            Source::Planes(planes) => {
                for (tap, &offset) in offsets.as_slice().iter().enumerate() {
                    for s in &self.stretches {
                        let from = &planes[s.image * image_len + offset as usize + s.at..][..s.len];
                        self.data[tap * self.line + s.to..][..s.len].copy_from_slice(from);
                    }
                }
            }
        }
        Reads { planes: &self.data, offsets: &self.offsets, bases: &self.bases[..vectors.len()] }
    }
}

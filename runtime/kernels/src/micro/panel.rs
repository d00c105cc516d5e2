//! A copy of what the tiles of some strips read, in their order.
//!
//! In planes of large images every tap lies in a page of its own, more pages than the processor's first-level
//! translation buffer holds; and every block of output channels reads all of them again. A panel is contiguous.

use super::arith::Lane;
use super::tile::Offsets;

/// What tiles read: a vector at every base from every offset.
#[derive(Clone, Copy)]
pub(super) struct Reads<'a, L> {
    pub planes: &'a [L],
    pub offsets: &'a Offsets,
    pub bases: &'a [u32],
}

/// `[tap, base, lane]` of up to a number of bases.
pub(super) struct Panel<L> {
    lanes: usize,
    /// Lanes of a tap.
    width: usize,
    offsets: Offsets,
    bases: Vec<u32>,
    data: Vec<L>,
}

impl<L: Lane> Panel<L> {
    /// For that many taps and vectors of `lanes` lanes.
    pub fn new(taps: usize, vectors: usize, lanes: usize) -> Panel<L> {
        let width = vectors * lanes;
        Panel {
            lanes,
            width,
            offsets: Offsets::new((0..taps).map(|tap| (tap * width) as u32).collect()),
            bases: (0..vectors).map(|v| (v * lanes) as u32).collect(),
            data: vec![L::ZERO; taps * width],
        }
    }

    /// Copies what `from` reads; the same reads, of the panel.
    pub fn fill(&mut self, from: Reads<'_, L>) -> Reads<'_, L> {
        for (line, &offset) in self.data.chunks_exact_mut(self.width).zip(from.offsets.as_slice()) {
            for (to, &base) in line.chunks_exact_mut(self.lanes).zip(from.bases) {
                to.copy_from_slice(&from.planes[offset as usize + base as usize..][..self.lanes]);
            }
        }
        Reads { planes: &self.data, offsets: &self.offsets, bases: &self.bases[..from.bases.len()] }
    }
}

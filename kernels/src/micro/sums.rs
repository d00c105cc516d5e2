//! The sums of a tile, and where they go.

use super::arith::Lane;
use super::isa::{Loops, vectorized};
use super::layout::Layout;
use super::runs::{Add, Run};
use super::space::Space;
use super::tile::Tile;
use std::ops::Range;

/// `[row, vector, lane]` of one tile.
pub(super) struct Sums<L: Lane> {
    lanes: Space<L>,
    /// The same in 64 bits, where limbs are added up.
    wide: Option<Space<u64>>,
    /// Lanes of a row.
    width: usize,
}

impl<L: Lane> Sums<L> {
    pub fn new(tile: &Tile<L>, runs: &[Run]) -> Sums<L> {
        let wide = runs.iter().any(|run| run.add.is_some()).then(|| Space::new(tile.len()));
        Sums { lanes: Space::new(tile.len()), wide, width: tile.pixels() }
    }

    pub fn lanes(&mut self) -> &mut [L] {
        &mut self.lanes
    }

    /// Adds the lanes to the sums in 64 bits.
    pub fn add(&mut self, Add { shift, first }: Add) {
        let Some(wide) = &mut self.wide else { return };
        vectorized(AddUp { wide, lanes: &self.lanes, shift, first });
    }

    /// Rows to channels `channels` of `outs`, planes of `area` pixels.
    pub fn store<O>(
        &self,
        drains: &[Drain],
        (channels, area): (Range<usize>, usize),
        outs: &mut [&mut [O]],
        finish: impl Fn(u64) -> O + Copy,
    ) {
        let width = self.width;
        match &self.wide {
            Some(wide) => vectorized(Store { sums: wide, width, drains, channels, area, outs, finish }),
            None => vectorized(Store { sums: &self.lanes, width, drains, channels, area, outs, finish }),
        }
    }
}

struct AddUp<'a, L> {
    wide: &'a mut [u64],
    lanes: &'a [L],
    shift: u32,
    first: bool,
}

impl<L: Lane> Loops for AddUp<'_, L> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let (sums, shift) = (self.wide.iter_mut().zip(self.lanes), self.shift);
        if self.first {
            sums.for_each(|(wide, lane)| *wide = lane.signed() << shift);
        } else {
            sums.for_each(|(wide, lane)| *wide = wide.wrapping_add(lane.signed() << shift));
        }
    }
}

struct Store<'a, 'b, L, O, F> {
    sums: &'a [L],
    width: usize,
    drains: &'a [Drain],
    channels: Range<usize>,
    area: usize,
    outs: &'a mut [&'b mut [O]],
    finish: F,
}

impl<L: Lane, O, F: Fn(u64) -> O> Loops for Store<'_, '_, L, O, F> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        for (row, channel) in self.sums.chunks_exact(self.width).zip(self.channels) {
            for d in self.drains {
                let out = &mut self.outs[d.image][channel * self.area + d.out..][..d.len];
                out.iter_mut().zip(&row[d.lane..][..d.len]).for_each(|(o, sum)| *o = (self.finish)(sum.to_u64()));
            }
        }
    }
}

/// Neighbouring lanes of a strip that are neighbouring pixels of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drain {
    image: usize,
    /// Pixel of the output plane.
    out: usize,
    lane: usize,
    len: usize,
}

/// Those of some strips.
#[derive(Default)]
pub(super) struct Drains {
    list: Vec<Drain>,
    /// The end of each strip.
    ends: Vec<usize>,
}

impl Drains {
    /// Of some vectors, the first of which begins a strip; vectors are counted over all images.
    pub fn fill<L: Lane>(&mut self, layout: &Layout, vectors: Range<usize>, tile: &Tile<L>) {
        let per_image = layout.bases.len();
        self.list.clear();
        self.ends.clear();
        let mut begin = 0;
        for first in vectors.clone().step_by(tile.vectors) {
            for v in first..vectors.end.min(first + tile.vectors) {
                for s in layout.segments(v % per_image) {
                    let (image, lane) = (v / per_image, (v - first) * tile.lanes + s.lane);
                    match self.list[begin..].last_mut() {
                        Some(d) if (d.image, d.out + d.len, d.lane + d.len) == (image, s.out, lane) => {
                            d.len += s.len
                        }
                        _ => self.list.push(Drain { image, out: s.out, lane, len: s.len }),
                    }
                }
            }
            begin = self.list.len();
            self.ends.push(begin);
        }
    }

    pub fn of_strip(&self, strip: usize) -> &[Drain] {
        let begin = if strip == 0 { 0 } else { self.ends[strip - 1] };
        &self.list[begin..self.ends[strip]]
    }
}

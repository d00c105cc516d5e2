//! The loops around the tiles.
//!
//! ```text
//! for SPAN bytes of pixels, in strips     their vectors
//!   1x1 kernels: a panel of what they read
//!   for blocks of output channels        their weights stay in the cache
//!     for strips                         sums stay in the first-level cache
//!       for runs of taps: tile
//!       sums -> output rows
//! ```

use super::arith::Scheme;
use super::element::Element;
use super::isa::{Isa, vectorized};
use super::layout::{Fill, Layout};
use super::panel::{Panel, Reads};
use super::runs::Run;
use super::select::Tiles;
use super::source::{Group, Source, by_lane, pair};
use super::space::Space;
use super::sums::{Drains, Sums};
use super::tile::Tile;
use picc_ir::geom::ConvGeom;
use std::ops::Range;

/// Bytes of a tap that are read together: short pieces of memory come slowly.
const SPAN: usize = 1536;
/// Blocks of output channels that make a panel worth its copy.
const PANEL_BLOCKS: usize = 4;
/// Small images are computed together until there are this many vectors.
const VECTORS: usize = 48;

/// A product of one geometry in lanes `L`.
pub(super) struct Engine<L> {
    pub geom: ConvGeom,
    scheme: Scheme,
    tile: Tile<L>,
    pub layout: Layout,
    runs: Vec<Run>,
    /// Taps of the packed weights.
    taps: usize,
}

impl<L: Tiles> Engine<L> {
    pub fn new(geom: &ConvGeom, scheme: Scheme, isa: Isa) -> Engine<L> {
        let tile = L::tile(scheme, isa, geom.c_out / geom.groups);
        let limbs = scheme.limbs();
        let layout = Layout::new(geom, scheme, tile.lanes);
        let taps = layout.offsets.len() / limbs;

        let runs = Run::all(scheme, taps);
        Engine { geom: *geom, scheme, tile, layout, runs, taps }
    }

    fn rows(&self) -> usize {
        self.geom.c_out / self.geom.groups
    }

    fn blocks(&self) -> usize {
        self.rows().div_ceil(self.tile.rows)
    }

    /// All blocks of output channels of a group.
    pub fn all_blocks(&self) -> Range<usize> {
        0..self.blocks()
    }

    /// Lanes of one group's packed weights.
    fn group(&self) -> usize {
        self.blocks() * self.taps * self.tile.rows
    }

    /// Weights `[c_out, c_in / groups, kh, kw]` in the order of the tiles: `[group, block, tap, row]`, missing rows 0.
    pub fn pack<W: Element>(&self, w: &[W]) -> Vec<L> {
        let (g, rows) = (&self.geom, self.tile.rows);
        let (fan_in, area) = (g.fan_in(), g.kh * g.kw);
        let mut packed = vec![L::ZERO; g.groups * self.group()];
        for (co, w) in w.chunks_exact(fan_in).enumerate() {
            let (group, row) = (co / self.rows(), co % self.rows());
            let at = group * self.group() + row / rows * self.taps * rows + row % rows;
            for tap in 0..self.taps {
                let (c, k) = (tap / area, tap % area);
                packed[at + tap * rows] = if self.scheme.per_lane() == 2 {
                    let half = |c: usize| w.get(c * area + k).map(|&w| w.to_u64() as u16);
                    pair(half(2 * c).unwrap_or(0), half(2 * c + 1))
                } else {
                    L::from_u64(w[tap].to_u64())
                };
            }
        }
        packed
    }

    /// Images that are best computed together.
    pub fn images_at_once(&self, images: usize) -> usize {
        if self.layout.in_place && !self.layout.pixels {
            return 1;
        }
        VECTORS.div_ceil(self.layout.bases.len()).min(images).max(1)
    }

    /// The planes of one group of an image.
    pub fn planes<X: Element>(&self, image: &[X], group: usize) -> Vec<L> {
        let mut planes = vec![L::ZERO; self.layout.image];
        self.fill(self.of_group(image, group), &mut planes);
        planes
    }

    fn fill<X: Element>(&self, x: &[X], planes: &mut [L]) {
        let (layout, scheme) = (&self.layout, self.scheme);
        by_lane!(scheme, |lane| vectorized(Fill { layout, geom: &self.geom, scheme, x, lane, planes }));
    }

    fn of_group<'a, X>(&self, image: &'a [X], group: usize) -> &'a [X] {
        let len = self.geom.c_in / self.geom.groups * self.geom.h * self.geom.w;
        &image[group * len..][..len]
    }

    /// Makes one group of some images ready for tiles that compute that many blocks of it at a time.
    fn with_source<X: Element>(
        &self,
        images: &[&[X]],
        group: usize,
        blocks: usize,
        work: impl FnOnce(Source<'_, L>),
    ) {
        let images: Vec<&[X]> = images.iter().map(|image| self.of_group(image, group)).collect();
        let same = if self.layout.in_place && images.len() == 1 { X::lanes(images[0]) } else { None };
        if let Some(x) = same.filter(|_| blocks < PANEL_BLOCKS || !self.layout.pixels) {
            return work(Source::Planes(x));
        }
        if self.layout.pixels {
            let area = self.geom.h * self.geom.w;
            return work(Source::Images(&Group { scheme: self.scheme, images, area }));
        }
        let mut planes = Space::new(images.len() * self.layout.image);
        for (x, planes) in images.iter().zip(planes.chunks_exact_mut(self.layout.image)) {
            self.fill(x, planes);
        }
        work(Source::Planes(&planes));
    }

    /// Some images, `[c_in, h, w]` each, into their outputs `[c_out, oh, ow]`.
    pub fn run<X: Element, O: Send>(
        &self,
        packed: &[L],
        images: &[&[X]],
        outs: &mut [&mut [O]],
        finish: impl Fn(u64) -> O + Copy,
    ) {
        let g = &self.geom;
        let [oh, ow] = g.out_hw();
        let (rows, at_once) = (self.rows(), self.images_at_once(images.len()));
        for (images, outs) in images.chunks(at_once).zip(outs.chunks_mut(at_once)) {
            for group in 0..g.groups {
                let packed = &packed[group * self.group()..][..self.group()];
                let mut outs: Vec<&mut [O]> =
                    outs.iter_mut().map(|o| &mut o[group * rows * oh * ow..][..rows * oh * ow]).collect();
                self.with_source(images, group, self.blocks(), |source| {
                    self.blocks_of(packed, source, self.all_blocks(), &mut outs, finish);
                });
            }
        }
    }

    /// One image, its output channels split among the threads of the pool.
    pub fn run_on_threads<X: Element, O: Send>(
        &self,
        packed: &[L],
        image: &[X],
        out: &mut [O],
        finish: impl Fn(u64) -> O + Copy + Send + Sync,
    ) {
        use rayon::prelude::*;
        let [oh, ow] = self.geom.out_hw();
        let (rows, area) = (self.rows(), oh * ow);
        let threads = rayon::current_num_threads();
        let one_group = |group: usize, out: &mut [O], parts: usize| {
            let packed = &packed[group * self.group()..][..self.group()];
            let blocks = self.blocks().div_ceil(parts);
            let len = blocks * self.tile.rows * area;
            self.with_source(&[image], group, blocks, |source| {
                let part = |(i, out): (usize, &mut [O])| {
                    let first = i * blocks;
                    self.blocks_of(packed, source, first..self.blocks().min(first + blocks), &mut [out], finish);
                };
                if parts == 1 {
                    out.chunks_mut(len).enumerate().for_each(part);
                } else {
                    out.par_chunks_mut(len).enumerate().for_each(part);
                }
            });
        };
        if self.geom.groups >= threads {
            out.par_chunks_mut(rows * area).enumerate().for_each(|(group, out)| one_group(group, out, 1));
        } else {
            let parts = threads.min(self.blocks());
            out.chunks_mut(rows * area).enumerate().for_each(|(group, out)| one_group(group, out, parts));
        }
    }

    /// The output channels of `blocks`, in one group, of as many images as there are `outs`, which begin with the first
    /// of those channels.
    pub fn blocks_of<O>(
        &self,
        packed: &[L],
        source: Source<'_, L>,
        blocks: Range<usize>,
        outs: &mut [&mut [O]],
        finish: impl Fn(u64) -> O + Copy,
    ) {
        let per_image = self.layout.bases.len();
        let vectors = per_image * outs.len();
        let nv = self.tile.vectors;
        let offsets = &self.layout.offsets;
        let most = (SPAN / (self.tile.pixels() * size_of::<L>())).clamp(1, vectors.div_ceil(nv));
        let one_tap = self.geom.kh * self.geom.kw == 1;
        let mut read = match source {
            Source::Planes(planes) if !one_tap || blocks.len() < PANEL_BLOCKS => Read::There(planes),
            Source::Planes(_) | Source::Images(_) => Read::Panel(Panel::new(offsets.len(), &self.tile, most)),
        };
        let at_once = match &read {
            Read::There(_) => most * nv,
            Read::Panel(panel) => panel.vectors(),
        };
        let mut sums = Sums::new(&self.tile, &self.runs);
        let (mut places, mut bases) = (Vec::with_capacity(at_once), Vec::with_capacity(at_once));
        let mut drains = Drains::default();
        let [oh, ow] = self.geom.out_hw();
        let rows = self.tile.rows;
        for first in (0..vectors).step_by(at_once) {
            let end = vectors.min(first + at_once);
            drains.fill(&self.layout, first..end, &self.tile);
            places.clear();
            places.extend((first..end.next_multiple_of(nv)).map(|v| {
                // The last strip may lack vectors: it computes the last one again.
                let v = v.min(vectors - 1);
                (v / per_image, self.layout.bases[v % per_image] as usize)
            }));
            let reads = match &mut read {
                Read::Panel(panel) => panel.fill(source, offsets, &places, self.layout.image),
                Read::There(planes) => {
                    bases.clear();
                    bases.extend(places.iter().map(|(image, at)| (image * self.layout.image + at) as u32));
                    Reads { planes, offsets, bases: &bases }
                }
            };
            for block in blocks.clone() {
                let weights = &packed[block * self.taps * rows..][..self.taps * rows];
                let from_first = (block - blocks.start) * rows;
                let channels = from_first..from_first + rows.min(self.rows() - block * rows);
                for (strip, bases) in reads.bases.chunks_exact(nv).enumerate() {
                    for run in &self.runs {
                        let a = &weights[run.tap * rows..][..run.taps * rows];
                        let from = (reads.offsets, run.offset);
                        self.tile.run(a, reads.planes, from, bases, sums.lanes(), run.start);
                        if let Some(add) = run.add {
                            sums.add(add);
                        }
                    }
                    sums.store(drains.of_strip(strip), (channels.clone(), oh * ow), outs, finish);
                }
            }
        }
    }
}

/// Where tiles read values: in planes, or in a copy of some of them.
enum Read<'a, L: Tiles> {
    There(&'a [L]),
    Panel(Panel<L>),
}

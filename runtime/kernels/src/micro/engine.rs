//! The loops around the tiles.
//!
//! ```text
//! for STRIPS strips of pixels            their vectors
//!   1x1 kernels: a panel of what they read
//!   for CHUNK blocks of output channels  sums [CHUNK, STRIPS, tile] stay in the cache
//!     for runs of taps                   weights of one block and run stay in the first-level cache
//!       for blocks, for strips: tile
//!     sums -> output rows
//! ```

use super::ahead::Ahead;
use super::arith::Scheme;
use super::bias::{self, ChannelSums};
use super::element::Element;
use super::isa::{Isa, vectorized};
use super::layout::Layout;
use super::panel::{Panel, Reads};
use super::select::Tiles;
use super::source::{Group, Source, by_lane, pair};
use super::space::Space;
use super::tile::{Start, Tile};
use picc_ir::geom::ConvGeom;
use std::ops::Range;

const STRIPS: usize = 8;
const CHUNK: usize = 8;
/// Bytes of the weights of a block and a run of taps: half of a first-level cache.
const RUN_BYTES: usize = 16 << 10;
/// Blocks of output channels that make a panel worth its copy.
const PANEL_BLOCKS: usize = 4;
/// Small images are computed together until there are this many vectors.
const VECTORS: usize = 48;

/// Taps that are multiplied in one go.
struct Run {
    /// In the packed weights.
    tap: usize,
    /// In the offsets.
    offset: usize,
    taps: usize,
    start: Start,
}

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

        let longest = (RUN_BYTES / (tile.rows * size_of::<L>())).max(1);
        let mut runs = Vec::new();
        for limb in 0..limbs {
            for tap in (0..taps).step_by(longest) {
                let start = match (limb, tap) {
                    (0, 0) => Start::Zero,
                    (_, 0) => Start::UpperLimb,
                    _ => Start::Sums,
                };
                runs.push(Run { tap, offset: limb * taps + tap, taps: longest.min(taps - tap), start });
            }
        }
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
                packed[at + tap * rows] = if self.scheme.paired() {
                    pair(w[2 * c * area + k], w.get((2 * c + 1) * area + k).copied(), 0)
                } else {
                    L::from_u64(self.scheme.weight(w[tap].to_u64()))
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
        vectorized(|| by_lane!(scheme, |lane| layout.fill(&self.geom, x, scheme, lane, planes)));
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
        finish: impl Fn(L) -> O + Copy,
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
        finish: impl Fn(L) -> O + Copy + Send + Sync,
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
        finish: impl Fn(L) -> O + Copy,
    ) {
        let per_image = self.layout.bases.len();
        let vectors = per_image * outs.len();
        let nv = self.tile.vectors;
        let (offsets, most) = (&self.layout.offsets, STRIPS.min(vectors.div_ceil(nv)));
        let one_tap = self.geom.kh * self.geom.kw == 1;
        let copied = matches!(source, Source::Images(_)) || (one_tap && blocks.len() >= PANEL_BLOCKS);
        let mut panel = copied.then(|| Panel::new(offsets.len(), &self.tile, most));
        let sums_of = match source {
            Source::Planes(planes) => ChannelSums::new(self.scheme, &self.layout, planes, self.tile.lanes),
            Source::Images(_) => None,
        };
        let at_once = panel.as_ref().map_or(most * nv, Panel::vectors);
        let mut sums = Space::new(at_once / nv * CHUNK.min(blocks.len()) * self.tile.len());
        let (mut places, mut bases) = (Vec::with_capacity(at_once), Vec::with_capacity(at_once));
        let mut drains = Vec::with_capacity(at_once);
        for first in (0..vectors).step_by(at_once) {
            let end = vectors.min(first + at_once);
            self.drains(first..end, &mut drains);
            places.clear();
            places.extend((first..end.next_multiple_of(nv)).map(|v| {
                // The last strip may lack vectors: it computes the last one again.
                let v = v.min(vectors - 1);
                (v / per_image, self.layout.bases[v % per_image] as usize)
            }));
            if let Some(panel) = &mut panel {
                panel.fill(source, offsets, &places, self.layout.image);
            }
            let (reads, corrections) = match (&panel, source) {
                (None, Source::Planes(planes)) => {
                    bases.clear();
                    bases.extend(places.iter().map(|(image, at)| (image * self.layout.image + at) as u32));
                    (Reads { planes, offsets, bases: &bases }, Vec::new())
                }
                (Some(panel), Source::Planes(_)) => (panel.reads(places.len()), Vec::new()),
                (Some(panel), Source::Images(_)) => {
                    (panel.reads(places.len()), bias::of_panel(self.scheme, panel, places.len()))
                }
                (None, Source::Images(_)) => unreachable!("images are copied into a panel"),
            };
            let corrections = sums_of.as_ref().map_or(corrections, |sums| sums.corrections(&places));
            let ahead = self.ahead(source, end..vectors.min(end + at_once));
            for chunk in blocks.clone().step_by(CHUNK) {
                let ahead = if chunk + CHUNK < blocks.end { Ahead::nothing() } else { ahead.clone() };
                let chunk = chunk..blocks.end.min(chunk + CHUNK);
                self.tiles(packed, reads, chunk.clone(), ahead, &mut sums);
                let strips = places.len() / nv;
                vectorized(|| {
                    for (block, sums) in chunk.zip(sums.chunks_exact(strips * self.tile.len())) {
                        let first = (block - blocks.start) * self.tile.rows;
                        let rows = self.tile.rows.min(self.rows() - block * self.tile.rows);
                        self.store((sums, &corrections), &drains, first..first + rows, outs, finish);
                    }
                });
            }
        }
    }

    /// What some vectors of a 1x1 kernel read. Taps of a larger kernel read what others of them have read.
    fn ahead(&self, source: Source<'_, L>, vectors: Range<usize>) -> Ahead {
        let per_image = self.layout.bases.len();
        if vectors.is_empty() || self.geom.kh * self.geom.kw != 1 {
            return Ahead::nothing();
        }
        let (image, last) = (vectors.start / per_image, vectors.end - 1);
        if image != last / per_image {
            return Ahead::nothing();
        }
        let at = |v: usize| self.layout.bases[v % per_image] as usize;
        let pixels = at(vectors.start)..at(last) + self.tile.lanes;
        match source {
            Source::Images(images) => images.ahead(image, pixels),
            Source::Planes(planes) => {
                let of = image * self.layout.image;
                let taps = self.layout.offsets.len();
                Ahead::new(planes, self.layout.channel(), taps, of + pixels.start..of + pixels.end)
            }
        }
    }

    /// `sums [block, strip, tile]` of some blocks and strips; meanwhile fetches what later ones will read.
    fn tiles(
        &self,
        packed: &[L],
        Reads { planes, offsets, bases }: Reads<'_, L>,
        blocks: Range<usize>,
        mut ahead: Ahead,
        sums: &mut [L],
    ) {
        let (rows, len, nv) = (self.tile.rows, self.tile.len(), self.tile.vectors);
        let count = bases.len() / nv;
        ahead.spread(blocks.len() * count * self.runs.len());
        for run in &self.runs {
            for (block, sums) in blocks.clone().zip(sums.chunks_exact_mut(count * len)) {
                let a = &packed[(block * self.taps + run.tap) * rows..][..run.taps * rows];
                for (bases, c) in bases.chunks_exact(nv).zip(sums.chunks_exact_mut(len)) {
                    ahead.fetch();
                    self.tile.run(a, planes, (offsets, run.offset), bases, c, run.start);
                }
            }
        }
    }

    /// Which lanes of some vectors are which pixels.
    fn drains(&self, vectors: Range<usize>, drains: &mut Vec<Drain>) {
        let per_image = self.layout.bases.len();
        let (nv, lanes) = (self.tile.vectors, self.tile.lanes);
        drains.clear();
        for (i, v) in vectors.enumerate() {
            for s in self.layout.segments(v % per_image) {
                let drain = Drain {
                    image: v / per_image,
                    out: s.out,
                    strip: i / nv,
                    lane: i % nv * lanes + s.lane,
                    len: s.len,
                };
                match drains.last_mut() {
                    Some(last) if last.goes_on_with(&drain) => last.len += drain.len,
                    _ => drains.push(drain),
                }
            }
        }
    }

    /// The sums of a block, `[strip, row, lane]`, to its output channels.
    #[inline(always)]
    fn store<O>(
        &self,
        (sums, corrections): (&[L], &[u64]),
        drains: &[Drain],
        channels: Range<usize>,
        outs: &mut [&mut [O]],
        finish: impl Fn(L) -> O + Copy,
    ) {
        let [oh, ow] = self.geom.out_hw();
        let width = self.tile.pixels();
        for (row, channel) in channels.enumerate() {
            for d in drains {
                let sums = &sums[d.strip * self.tile.len() + row * width + d.lane..][..d.len];
                let out = &mut outs[d.image][channel * oh * ow + d.out..][..d.len];
                if corrections.is_empty() {
                    out.iter_mut().zip(sums).for_each(|(o, &sum)| *o = finish(sum));
                    continue;
                }
                let corrections = &corrections[d.strip * width + d.lane..][..d.len];
                for ((o, sum), correction) in out.iter_mut().zip(sums).zip(corrections) {
                    *o = finish(L::from_u64(sum.to_u64().wrapping_sub(*correction)));
                }
            }
        }
    }
}

/// Neighbouring lanes of a strip that are neighbouring pixels of an output.
struct Drain {
    image: usize,
    /// Pixel of the output plane.
    out: usize,
    strip: usize,
    /// Lane of the strip.
    lane: usize,
    len: usize,
}

impl Drain {
    fn goes_on_with(&self, next: &Drain) -> bool {
        (self.image, self.strip) == (next.image, next.strip)
            && (self.out + self.len, self.lane + self.len) == (next.out, next.lane)
    }
}

//! The loops around the tiles.
//!
//! ```text
//! for STRIPS strips of pixels            bases of their vectors
//!   1x1 kernels: a panel of what they read
//!   for CHUNK blocks of output channels  sums [CHUNK, STRIPS, tile] stay in the cache
//!     for runs of taps                   weights of one block and run stay in the first-level cache
//!       for blocks, for strips: tile
//!     sums -> output rows
//! ```

use super::arith::Scheme;
use super::element::Element;
use super::isa::{Isa, prefetch, vectorized};
use super::layout::Layout;
use super::panel::{Panel, Reads};
use super::select::Tiles;
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
        let layout = Layout::new(geom, limbs, tile.lanes);
        let taps = layout.offsets.len() / limbs.max(1);

        let longest = (RUN_BYTES / (tile.rows * size_of::<L>())).max(1);
        let mut runs = Vec::new();
        for limb in 0..limbs.max(1) {
            for tap in (0..taps).step_by(longest) {
                let start = match (limb, tap) {
                    (0, 0) if scheme.bias() == 0 => Start::Zero,
                    // What `starts` has left there.
                    (0, 0) => Start::Sums,
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
                packed[at + tap * rows] = if self.scheme.limbs() == 0 {
                    L::from_u64(self.scheme.weight(w[tap].to_u64()))
                } else {
                    pair(w[2 * c * area + k], w.get((2 * c + 1) * area + k).copied(), 0)
                };
            }
        }
        packed
    }

    /// Images that are best computed together.
    pub fn images_at_once(&self, images: usize) -> usize {
        if self.layout.in_place { 1 } else { VECTORS.div_ceil(self.layout.bases.len()).min(images).max(1) }
    }

    /// Room for the planes of one group of some images.
    pub fn planes(&self, images: usize) -> Vec<L> {
        vec![L::ZERO; images * self.layout.image]
    }

    /// Lays out group `group` of an image.
    pub fn fill<X: Element>(&self, image: &[X], group: usize, planes: &mut [L]) {
        let x = self.of_group(image, group);
        vectorized(|| match self.scheme.limbs() {
            0 => self.layout.fill(&self.geom, x, 0, |a, _, _| L::from_u64(a.to_u64()), planes),
            1 => self.layout.fill(&self.geom, x, 1, |a, b, _| pair(a, b, 0), planes),
            limbs => self.layout.fill(&self.geom, x, limbs, pair, planes),
        });
    }

    fn of_group<'a, X>(&self, image: &'a [X], group: usize) -> &'a [X] {
        let len = self.geom.c_in / self.geom.groups * self.geom.h * self.geom.w;
        &image[group * len..][..len]
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
        let mut planes = Vec::new();
        for (images, outs) in images.chunks(at_once).zip(outs.chunks_mut(at_once)) {
            for group in 0..g.groups {
                let packed = &packed[group * self.group()..][..self.group()];
                let mut outs: Vec<&mut [O]> =
                    outs.iter_mut().map(|o| &mut o[group * rows * oh * ow..][..rows * oh * ow]).collect();
                let here = if self.layout.in_place { X::lanes(self.of_group(images[0], group)) } else { None };
                if let Some(x) = here {
                    self.blocks_of(packed, x, self.all_blocks(), &mut outs, finish);
                    continue;
                }
                if planes.is_empty() {
                    planes = self.planes(at_once);
                }
                for (image, planes) in images.iter().zip(planes.chunks_exact_mut(self.layout.image)) {
                    self.fill(image, group, planes);
                }
                self.blocks_of(packed, &planes, self.all_blocks(), &mut outs, finish);
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
            let mut own = Vec::new();
            let here = if self.layout.in_place { X::lanes(self.of_group(image, group)) } else { None };
            let planes = here.unwrap_or_else(|| {
                own = self.planes(1);
                self.fill(image, group, &mut own);
                &own
            });
            let blocks = self.blocks().div_ceil(parts);
            let part = |(i, out): (usize, &mut [O])| {
                let first = i * blocks;
                self.blocks_of(packed, planes, first..self.blocks().min(first + blocks), &mut [out], finish);
            };
            let len = blocks * self.tile.rows * area;
            if parts == 1 {
                out.chunks_mut(len).enumerate().for_each(part);
            } else {
                out.par_chunks_mut(len).enumerate().for_each(part);
            }
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
        planes: &[L],
        blocks: Range<usize>,
        outs: &mut [&mut [O]],
        finish: impl Fn(L) -> O + Copy,
    ) {
        let per_image = self.layout.bases.len();
        let vectors = per_image * outs.len();
        let nv = self.tile.vectors;
        let mut sums = vec![L::ZERO; STRIPS * CHUNK.min(blocks.len()) * self.tile.len()];
        let mut bases = Vec::with_capacity(STRIPS * nv);
        let mut panel = (self.geom.kh * self.geom.kw == 1 && blocks.len() >= PANEL_BLOCKS)
            .then(|| Panel::new(self.layout.offsets.len(), STRIPS * nv, self.tile.lanes));
        for first in (0..vectors).step_by(STRIPS * nv) {
            let end = vectors.min(first + STRIPS * nv);
            bases.clear();
            bases.extend((first..end.next_multiple_of(nv)).map(|v| {
                // The last strip may lack vectors: it computes the last one again.
                let v = v.min(vectors - 1);
                self.layout.bases[v % per_image] + (v / per_image * self.layout.image) as u32
            }));
            let reads = Reads { planes, offsets: &self.layout.offsets, bases: &bases };
            let reads = match &mut panel {
                Some(panel) => panel.fill(reads),
                None => reads,
            };
            let starts = self.starts(reads);
            let ahead = self.ahead(end, vectors.min(end + STRIPS * nv));
            for chunk in blocks.clone().step_by(CHUNK) {
                let ahead = if chunk + CHUNK < blocks.end { 0..0 } else { ahead.clone() };
                let chunk = chunk..blocks.end.min(chunk + CHUNK);
                if !starts.is_empty() {
                    for sums in sums.chunks_exact_mut(starts.len()) {
                        sums.copy_from_slice(&starts);
                    }
                }
                self.tiles(packed, reads, chunk.clone(), Ahead::new(self, planes, ahead), &mut sums);
                vectorized(|| {
                    for (b, block) in chunk.enumerate() {
                        for row in 0..self.tile.rows.min(self.rows() - block * self.tile.rows) {
                            let channel = (block - blocks.start) * self.tile.rows + row;
                            let of = (b, bases.len() / nv, row);
                            self.store(&sums, of, first..end, channel, outs, finish);
                        }
                    }
                });
            }
        }
    }

    /// What the sums of a block start from, if that is not zero: the bias of the weights taken back, for every pixel, in
    /// all rows alike.
    fn starts(&self, Reads { planes, offsets, bases }: Reads<'_, L>) -> Vec<L> {
        let bias = self.scheme.bias();
        if bias == 0 {
            return Vec::new();
        }
        let (nv, lanes) = (self.tile.vectors, self.tile.lanes);
        let mut starts = Vec::with_capacity(bases.len() * lanes * self.tile.rows);
        let mut row = vec![0u64; nv * lanes];
        for bases in bases.chunks_exact(nv) {
            row.fill(0);
            vectorized(|| {
                for &offset in offsets.as_slice() {
                    for (sums, &base) in row.chunks_exact_mut(lanes).zip(bases) {
                        let values = &planes[offset as usize + base as usize..][..lanes];
                        sums.iter_mut().zip(values).for_each(|(s, v)| *s = s.wrapping_add(v.to_u64()));
                    }
                }
            });
            for _ in 0..self.tile.rows {
                starts.extend(row.iter().map(|s| L::from_u64(s.wrapping_mul(bias).wrapping_neg())));
            }
        }
        starts
    }

    /// Lanes of each tap that some vectors read. Taps of a larger kernel read what others of them have read.
    fn ahead(&self, first: usize, end: usize) -> Range<usize> {
        let per_image = self.layout.bases.len();
        if first >= end || self.geom.kh * self.geom.kw != 1 || first / per_image != (end - 1) / per_image {
            return 0..0;
        }
        let at = |v: usize| self.layout.bases[v % per_image] as usize + v / per_image * self.layout.image;
        at(first)..at(end - 1) + self.tile.lanes
    }

    /// `sums [block, strip, tile]` of some blocks and strips; meanwhile fetches what later ones will read.
    fn tiles(
        &self,
        packed: &[L],
        Reads { planes, offsets, bases }: Reads<'_, L>,
        blocks: Range<usize>,
        mut ahead: Ahead<'_, L>,
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

    /// Row `row` of block `b` (of `strips` strips each) to its output channel.
    #[inline(always)]
    fn store<O>(
        &self,
        sums: &[L],
        (b, strips, row): (usize, usize, usize),
        vectors: Range<usize>,
        channel: usize,
        outs: &mut [&mut [O]],
        finish: impl Fn(L) -> O + Copy,
    ) {
        let [oh, ow] = self.geom.out_hw();
        let per_image = self.layout.bases.len();
        let (nv, lanes) = (self.tile.vectors, self.tile.lanes);
        for (i, v) in vectors.enumerate() {
            let at = (b * strips + i / nv) * self.tile.len() + (row * nv + i % nv) * lanes;
            let sums = &sums[at..at + lanes];
            let out = &mut outs[v / per_image][channel * oh * ow..][..oh * ow];
            for s in self.layout.segments(v % per_image) {
                let out = &mut out[s.out..s.out + s.len];
                for (o, &sum) in out.iter_mut().zip(&sums[s.lane..s.lane + s.len]) {
                    *o = finish(sum);
                }
            }
        }
    }
}

/// Lines of the cache that the next strips read, fetched in as many parts as there are tiles before them.
struct Ahead<'a, L> {
    planes: &'a [L],
    offsets: &'a [u32],
    /// Lanes of a tap.
    lanes: Range<usize>,
    taps: usize,
}

impl<'a, L: Tiles> Ahead<'a, L> {
    fn new(engine: &'a Engine<L>, planes: &'a [L], lanes: Range<usize>) -> Ahead<'a, L> {
        let offsets = if lanes.is_empty() { &[] } else { engine.layout.offsets.as_slice() };
        Ahead { planes, offsets, lanes, taps: offsets.len() }
    }

    fn spread(&mut self, parts: usize) {
        self.taps = self.offsets.len().div_ceil(parts.max(1));
    }

    #[inline]
    fn fetch(&mut self) {
        let (now, later) = self.offsets.split_at(self.taps.min(self.offsets.len()));
        self.offsets = later;
        for &offset in now {
            for lane in self.lanes.clone().step_by(64 / size_of::<L>()) {
                prefetch(self.planes, offset as usize + lane);
            }
        }
    }
}

/// Limb `limb` of two values in one lane: `v = low + 2^16 high` with signed 16-bit `low`, and `high` mod 2^16.
#[inline(always)]
fn pair<X: Element, L: Tiles>(a: X, b: Option<X>, limb: usize) -> L {
    let half = |v: X| -> u32 {
        let v = v.to_u64() as u32;
        (if limb == 0 { v } else { v.wrapping_add(1 << 15) >> 16 }) & 0xffff
    };
    L::from_u64(u64::from(half(a) | b.map_or(0, half) << 16))
}

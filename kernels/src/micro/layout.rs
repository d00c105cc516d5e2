//! Where the values of a convolution lie, so that every tap of every pixel is a vector of neighbours.
//!
//! ```text
//! x [c, h, w] --pad, split into stride x stride phases--> planes [limb, channel or pair, phase, row, column]
//! pixel p (in steps of the pitch a row) of tap t = planes[offset[t] + p]
//!
//! vectors of pixels, whichever are fewer:
//!   by row   |0 1 2 3|4 5 . .|      of each output row; the last one of a row may begin before the end of its neighbour
//!   flat     |0 1 2 3|4 5 x x|0 1   over the whole plane; columns between the width and the pitch (x) are dropped
//! ```
//! Phases that no tap reads are left out. If nothing is padded, the planes are the input itself.

use super::arith::{Lane, Scheme};
use super::isa::Loops;
use super::limbs::Cut;
use super::tile::Offsets;
use picc_ir::geom::ConvGeom;

/// Consecutive lanes of a vector that are output pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub lane: usize,
    pub len: usize,
    /// Pixel of the output plane.
    pub out: usize,
}

/// The planes of one image and group.
pub(super) struct Layout {
    /// For each limb, the upper one first: channels (or pairs), rows and columns of the kernel.
    pub offsets: Offsets,
    /// Lanes of one image, with what vectors read beyond it.
    pub image: usize,
    /// The input can be read where it lies, if its elements are lanes.
    pub in_place: bool,
    /// A tap is a channel: vectors are pixels of the input.
    pub pixels: bool,
    /// Vectors of one image: where they begin in a plane.
    pub bases: Vec<u32>,
    /// The pixels of vector `v` are `segments[ends[v - 1]..ends[v]]`.
    segments: Vec<Segment>,
    ends: Vec<usize>,
    /// Lanes of a channel (or pair), of all channels (one limb), and of a plane.
    channel: usize,
    limb: usize,
    plane: usize,
    pitch: usize,
    /// Place of each phase within a channel, if a tap reads it.
    slots: Vec<Option<usize>>,
    phases: [usize; 2],
}

impl Layout {
    /// For vectors of `lanes` lanes, as the scheme fills them.
    pub fn new(g: &ConvGeom, scheme: Scheme, lanes: usize) -> Layout {
        let limbs = scheme.limbs();
        let padded = [g.h + g.pads[0] + g.pads[2], g.w + g.pads[1] + g.pads[3]];
        let phases = [g.stride[0].min(padded[0]), g.stride[1].min(padded[1])];
        let (rows, pitch) = (padded[0].div_ceil(g.stride[0]), padded[1].div_ceil(g.stride[1]));
        let mut slots = vec![None; phases[0] * phases[1]];
        let mut used = 0;
        let tap = |ky: usize, kx: usize| [ky * g.dilation[0], kx * g.dilation[1]];
        let phase = |[y, x]: [usize; 2]| y % g.stride[0] * phases[1] + x % g.stride[1];
        for (ky, kx) in (0..g.kh).flat_map(|ky| (0..g.kw).map(move |kx| (ky, kx))) {
            slots[phase(tap(ky, kx))].get_or_insert_with(|| {
                used += 1;
                used - 1
            });
        }
        let plane = rows * pitch;
        let channel = plane * used;
        let per_group = g.c_in / g.groups;
        let channels = per_group.div_ceil(scheme.per_lane());
        let limb = channel * channels;
        let mut offsets = Vec::with_capacity(limbs * channels * g.kh * g.kw);
        for part in (0..limbs).rev() {
            for c in 0..channels {
                for (ky, kx) in (0..g.kh).flat_map(|ky| (0..g.kw).map(move |kx| (ky, kx))) {
                    let [y, x] = tap(ky, kx);
                    let slot = slots[phase([y, x])].unwrap_or(0);
                    let at = slot * plane + y / g.stride[0] * pitch + x / g.stride[1];
                    offsets.push(u32::try_from(part * limb + c * channel + at).expect("planes below 2^32 lanes"));
                }
            }
        }
        let offsets = Offsets::new(offsets);
        let vectors = fewer(by_row(g, pitch, lanes), flat(g, pitch, lanes));
        let mut layout = Layout {
            offsets,
            image: 0,
            in_place: false,
            pixels: false,
            bases: Vec::with_capacity(vectors.len()),
            segments: Vec::new(),
            ends: Vec::with_capacity(vectors.len()),
            channel,
            limb,
            plane,
            pitch,
            slots,
            phases,
        };
        for (base, segments) in vectors {
            layout.bases.push(u32::try_from(base).expect("planes below 2^32 lanes"));
            layout.segments.extend(segments);
            layout.ends.push(layout.segments.len());
        }
        let last = layout.bases.iter().copied().max().unwrap_or(0) as usize;
        let own = limbs * limb;
        layout.image = own.max(layout.offsets.max() + last + lanes);
        layout.in_place = limbs == 1 && scheme.per_lane() == 1 && as_it_is(g) && layout.image == own;
        layout.pixels = g.kh * g.kw == 1 && as_it_is(g) && last + lanes <= g.h * g.w;
        layout
    }

    /// Pixels of a vector.
    pub fn segments(&self, vector: usize) -> &[Segment] {
        let start = if vector == 0 { 0 } else { self.ends[vector - 1] };
        &self.segments[start..self.ends[vector]]
    }

    /// Where, within a channel, row `y` of horizontal phase `px` begins, and its first column.
    fn line(&self, g: &ConvGeom, y: usize, px: usize) -> Option<(usize, usize)> {
        let y = y + g.pads[0];
        let slot = self.slots[y % g.stride[0] * self.phases[1] + px]?;
        // The first column whose padded position is in the phase.
        let stride = g.stride[1];
        let skip = (px + stride - g.pads[1] % stride) % stride;
        Some((slot * self.plane + y / g.stride[0] * self.pitch + (g.pads[1] + skip) / stride, skip))
    }
}

/// Channels of the planes are those of the input, without gaps.
fn as_it_is(g: &ConvGeom) -> bool {
    g.stride == [1, 1] && g.pads == [0; 4]
}

/// Lays out one group of an image; `lane` makes a lane of a limb of one or two values (the second may be missing). What
/// lies after the last channel keeps what it was: only lanes that are no pixels read it.
pub(super) struct Fill<'a, X, L, F> {
    pub layout: &'a Layout,
    pub geom: &'a ConvGeom,
    pub scheme: Scheme,
    pub x: &'a [X],
    pub lane: F,
    pub planes: &'a mut [L],
}

impl<X: Copy, L: Lane, F: Fn(X, Option<X>, Cut) -> L> Loops for Fill<'_, X, L, F> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Fill { layout, geom: g, scheme, x, lane, planes } = self;
        let area = g.h * g.w;
        let per_lane = scheme.per_lane();
        for (c, pair) in x.chunks(per_lane * area).enumerate() {
            let (first, second) = pair.split_at(area);
            for limb in 0..scheme.limbs() {
                let cut = scheme.cut(limb);
                let channel = &mut planes[limb * layout.limb + c * layout.channel..][..layout.channel];
                if !as_it_is(g) {
                    channel.fill(L::ZERO);
                }
                for y in 0..g.h {
                    let row = |of: &[X]| -> std::ops::Range<usize> {
                        if of.is_empty() { 0..0 } else { y * g.w..(y + 1) * g.w }
                    };
                    let (a, b) = (&first[row(first)], &second[row(second)]);
                    for x in 0..layout.phases[1] {
                        let Some((at, skip)) = layout.line(g, y, x) else { continue };
                        let line = &mut channel[at..];
                        if b.is_empty() {
                            put(line, a.iter().skip(skip).step_by(g.stride[1]), |&a| lane(a, None, cut));
                        } else if g.stride[1] == 1 {
                            put(line, a.iter().zip(b), |(&a, &b)| lane(a, Some(b), cut));
                        } else {
                            let both = a.iter().zip(b).skip(skip).step_by(g.stride[1]);
                            put(line, both, |(&a, &b)| lane(a, Some(b), cut));
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn put<T, L>(line: &mut [L], values: impl Iterator<Item = T>, lane: impl Fn(T) -> L) {
    line.iter_mut().zip(values).for_each(|(slot, v)| *slot = lane(v));
}

type Vectors = Vec<(usize, Vec<Segment>)>;

fn fewer(a: Vectors, b: Vectors) -> Vectors {
    if a.len() <= b.len() { a } else { b }
}

/// First lanes of the vectors that cover `0..count`: the last one ends at the end where there is room.
fn starts(count: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).step_by(lanes).map(move |first| {
        let base = if count < lanes { 0 } else { first.min(count - lanes) };
        (base, first)
    })
}

fn by_row(g: &ConvGeom, pitch: usize, lanes: usize) -> Vectors {
    let [oh, ow] = g.out_hw();
    let row = |y: usize| {
        starts(ow, lanes).map(move |(base, first)| {
            let len = (base + lanes).min(ow) - first;
            (y * pitch + base, vec![Segment { lane: first - base, len, out: y * ow + first }])
        })
    };
    (0..oh).flat_map(row).collect()
}

fn flat(g: &ConvGeom, pitch: usize, lanes: usize) -> Vectors {
    let [oh, ow] = g.out_hw();
    let count = (oh - 1) * pitch + ow;
    let vector = |(base, first): (usize, usize)| {
        let end = (base + lanes).min(count);
        let mut segments = Vec::new();
        let mut p = first;
        while p < end {
            let (y, x) = (p / pitch, p % pitch);
            if x < ow {
                let len = (ow - x).min(end - p);
                segments.push(Segment { lane: p - base, len, out: y * ow + x });
            }
            p += pitch - x;
        }
        (base, segments)
    };
    starts(count, lanes).map(vector).collect()
}

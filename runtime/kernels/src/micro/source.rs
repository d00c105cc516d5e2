//! Values of a product as tiles read them: lanes.

use super::ahead::Ahead;
use super::arith::{SPLIT, Scheme};
use super::element::Element;
use super::isa::vectorized;
use super::select::Tiles;

/// Evaluates `$body` with `$lane` making lane `limb` of one or two values (the second may be missing), for `$scheme`: code
/// of its own for each kind of lane.
macro_rules! by_lane {
    ($scheme:expr, |$lane:ident| $body:expr) => {{
        use $crate::micro::source::{limb_of, pair};
        let scheme: Scheme = $scheme;
        match (scheme.paired(), scheme.limbs()) {
            (true, 1) => {
                let $lane = |a, b, _| pair(a, b, 0);
                $body
            }
            (true, _) => {
                let $lane = pair;
                $body
            }
            (false, 1) => {
                let $lane = |a: X, _: Option<X>, _| L::from_u64(a.to_u64());
                $body
            }
            (false, _) => {
                let $lane = |a: X, _: Option<X>, limb| limb_of(a, limb);
                $body
            }
        }
    }};
}

pub(super) use by_lane;

/// 16-bit limb `limb` of two values in one lane: `v = low + 2^16 high` with signed 16-bit `low`, and `high` mod 2^16.
#[inline(always)]
pub(super) fn pair<X: Element, L: Tiles>(a: X, b: Option<X>, limb: usize) -> L {
    let half = |v: X| -> u32 {
        let v = v.to_u64() as u32;
        (if limb == 0 { v } else { v.wrapping_add(1 << 15) >> 16 }) & 0xffff
    };
    L::from_u64(u64::from(half(a) | b.map_or(0, half) << 16))
}

/// A limb of [`Scheme::Split`].
#[inline(always)]
pub(super) fn limb_of<X: Element, L: Tiles>(v: X, limb: usize) -> L {
    let v = v.to_u64();
    L::from_u64(if limb == 0 { v & ((1 << SPLIT) - 1) } else { v >> SPLIT })
}

/// Where tiles, or the panels that they read, find the values of one group of some images.
#[derive(Clone, Copy)]
pub(super) enum Source<'a, L> {
    /// Laid out: images one after another.
    Planes(&'a [L]),
    /// The images themselves, for a 1x1 kernel that takes all of their pixels.
    Images(&'a (dyn Pixels<L> + Sync)),
}

/// Neighbours in an image that become neighbours in a panel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub image: usize,
    /// Pixel of the image.
    pub at: usize,
    /// Lane of the panel, in its first tap.
    pub to: usize,
    pub len: usize,
}

/// Images of any type of element.
pub(super) trait Pixels<L> {
    /// Writes all lanes of some stretches, tap after tap, `step` lanes apart.
    fn write(&self, stretches: &[Stretch], step: usize, panel: &mut [L]);
    /// Fetches pixels of one image that are needed soon.
    fn ahead(&self, image: usize, pixels: std::ops::Range<usize>) -> Ahead;
}

/// One group of some images, `[channel, pixel]` each.
pub(super) struct Group<'a, X> {
    pub scheme: Scheme,
    pub images: Vec<&'a [X]>,
    pub area: usize,
}

impl<X: Element, L: Tiles> Pixels<L> for Group<'_, X> {
    fn write(&self, stretches: &[Stretch], step: usize, panel: &mut [L]) {
        vectorized(|| by_lane!(self.scheme, |lane| self.write_lanes(stretches, step, lane, panel)));
    }

    fn ahead(&self, image: usize, pixels: std::ops::Range<usize>) -> Ahead {
        let image = self.images[image];
        Ahead::new(image, self.area, image.len() / self.area, pixels)
    }
}

impl<X: Element> Group<'_, X> {
    #[inline(always)]
    fn write_lanes<L>(
        &self,
        stretches: &[Stretch],
        step: usize,
        lane: impl Fn(X, Option<X>, usize) -> L,
        panel: &mut [L],
    ) {
        let channels = self.images[0].len() / self.area;
        let (limbs, per_lane) = (self.scheme.limbs(), if self.scheme.paired() { 2 } else { 1 });
        let mut tap = 0;
        for limb in (0..limbs).rev() {
            for c in (0..channels).step_by(per_lane) {
                for s in stretches {
                    let to = &mut panel[tap * step + s.to..][..s.len];
                    let row = |c: usize| &self.images[s.image][c * self.area + s.at..][..s.len];
                    if per_lane == 2 && c + 1 < channels {
                        let values = row(c).iter().zip(row(c + 1));
                        to.iter_mut().zip(values).for_each(|(to, (&a, &b))| *to = lane(a, Some(b), limb));
                    } else {
                        to.iter_mut().zip(row(c)).for_each(|(to, &a)| *to = lane(a, None, limb));
                    }
                }
                tap += 1;
            }
        }
    }
}

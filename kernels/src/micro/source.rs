//! Values of a product as tiles read them: lanes.

use super::arith::{Lane, Scheme};
use super::element::Element;
use super::isa::{Loops, vectorized};
use super::limbs::Cut;
use super::select::Tiles;

/// Evaluates `$body` with `$lane` making a lane of a limb of one or two values (the second may be missing), for
/// `$scheme`: code of its own for each kind of lane.
macro_rules! by_lane {
    ($scheme:expr, |$lane:ident| $body:expr) => {{
        use $crate::micro::{limbs::Cut, source::pair};
        match $scheme {
            Scheme::Limbs(limbs) if limbs.exact() > 0 => {
                let $lane = |a: X, b: Option<X>, cut: Cut| pair(cut.of(a.to_u64()), b.map(|b| cut.of(b.to_u64())));
                $body
            }
            Scheme::Limbs(_) | Scheme::Half => {
                let word = |v: X, cut: Cut| cut.of_word(v.to_u64() as u32);
                let $lane = |a: X, b: Option<X>, cut: Cut| pair(word(a, cut), b.map(|b| word(b, cut)));
                $body
            }
            Scheme::Wide | Scheme::Wide52 | Scheme::Float | Scheme::Word => {
                let $lane = |a: X, _: Option<X>, _: Cut| L::from_u64(a.to_u64());
                $body
            }
        }
    }};
}

pub(super) use by_lane;

/// Two 16-bit numbers in one lane.
#[inline(always)]
pub(super) fn pair<L: Lane>(a: u16, b: Option<u16>) -> L {
    L::from_u64(u64::from(a) | u64::from(b.unwrap_or(0)) << 16)
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
}

/// One group of some images, `[channel, pixel]` each.
pub(super) struct Group<'a, X> {
    pub scheme: Scheme,
    pub images: Vec<&'a [X]>,
    pub area: usize,
}

impl<X: Element, L: Tiles> Pixels<L> for Group<'_, X> {
    fn write(&self, stretches: &[Stretch], step: usize, panel: &mut [L]) {
        by_lane!(self.scheme, |lane| vectorized(Write { group: self, stretches, step, lane, panel }));
    }
}

struct Write<'a, 'b, X, L, F> {
    group: &'a Group<'b, X>,
    stretches: &'a [Stretch],
    step: usize,
    lane: F,
    panel: &'a mut [L],
}

impl<X: Element, L, F: Fn(X, Option<X>, Cut) -> L> Loops for Write<'_, '_, X, L, F> {
    type Out = ();

    #[inline(always)]
    fn run(self) {
        let Write { group, stretches, step, lane, panel } = self;
        let channels = group.images[0].len() / group.area;
        let (limbs, per_lane) = (group.scheme.limbs(), group.scheme.per_lane());
        let taps = channels.div_ceil(per_lane);
        for (tap, c) in (0..channels).step_by(per_lane).enumerate() {
            for limb in 0..limbs {
                let cut = group.scheme.cut(limb);
                let line = &mut panel[((limbs - 1 - limb) * taps + tap) * step..];
                for s in stretches {
                    let to = &mut line[s.to..][..s.len];
                    let row = |c: usize| &group.images[s.image][c * group.area + s.at..][..s.len];
                    if per_lane == 2 && c + 1 < channels {
                        let values = row(c).iter().zip(row(c + 1));
                        to.iter_mut().zip(values).for_each(|(to, (&a, &b))| *to = lane(a, Some(b), cut));
                    } else {
                        to.iter_mut().zip(row(c)).for_each(|(to, &a)| *to = lane(a, None, cut));
                    }
                }
            }
        }
    }
}

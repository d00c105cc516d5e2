//! The taps of a product in the order in which they are multiplied.

use super::arith::Scheme;
use super::limbs::Limbs;
use super::tile::Start;

/// Taps that are multiplied in one go.
pub(super) struct Run {
    /// In the packed weights.
    pub tap: usize,
    /// In the offsets.
    pub offset: usize,
    pub taps: usize,
    pub start: Start,
    /// What becomes of the sums, if they do not stay in their lanes.
    pub add: Option<Add>,
}

/// Sums are added to those in 64 bits, shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Add {
    pub shift: u32,
    /// There are none yet.
    pub first: bool,
}

impl Run {
    /// All runs of a product over `taps` taps: limb after limb, the upper one first, as offsets have them.
    pub fn all(scheme: Scheme, taps: usize) -> Vec<Run> {
        let plain = |limb: usize, start| Run { tap: 0, offset: limb * taps, taps, start, add: None };
        let Scheme::Limbs(limbs) = scheme else { return vec![plain(0, Start::Zero)] };
        let mut runs = vec![plain(0, Start::Zero), plain(1, Start::UpperLimb)];
        if limbs.exact() > 0 {
            runs[1].add = Some(Add { shift: limbs.shift(limbs.exact()), first: true });
        }
        for limb in (0..limbs.exact()).rev() {
            let before = (limbs.count() - 1 - limb) * taps;
            runs.extend(exact(limbs, taps).map(|(tap, taps)| Run {
                tap,
                offset: before + tap,
                taps,
                start: Start::Zero,
                add: Some(Add { shift: limbs.shift(limb), first: false }),
            }));
        }
        runs
    }
}

/// First tap and number of taps of as few and as equal parts as sums of an exact limb allow.
fn exact(limbs: Limbs, taps: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = taps.div_ceil(limbs.run());
    (0..parts).map(move |i| (i * taps / parts, (i + 1) * taps / parts - i * taps / parts))
}

//! Taking back the bias of weights: what it adds to the sums of a pixel is the bias times the sum of the values that the
//! pixel's taps read, for every output channel alike.

use super::arith::{Lane, SPLIT, Scheme};
use super::isa::vectorized;
use super::layout::Layout;
use super::panel::Panel;
use super::space::Space;

/// The values of some laid out images, summed over the channels.
pub(super) struct ChannelSums {
    bias: u64,
    lanes: usize,
    /// Taps of one channel.
    taps: Vec<u32>,
    /// Lanes of an image in `sums`.
    len: usize,
    sums: Space<u64>,
}

impl ChannelSums {
    /// For images laid out in `planes`, read by vectors of `lanes` lanes; none if weights have no bias.
    pub fn new<L: Lane>(scheme: Scheme, layout: &Layout, planes: &[L], lanes: usize) -> Option<ChannelSums> {
        let bias = scheme.bias();
        if bias == 0 {
            return None;
        }
        let (taps, channel) = (layout.taps_of_channel(), layout.channel());
        let base = |of: &[u32]| of.iter().copied().max().unwrap_or(0) as usize;
        let len = channel.max(base(&taps) + base(&layout.bases) + lanes);
        let images = planes.len() / layout.image;
        let mut sums = Space::<u64>::new(images * len);
        vectorized(|| {
            for (planes, sums) in planes.chunks_exact(layout.image).zip(sums.chunks_exact_mut(len)) {
                sums.fill(0);
                let sums = &mut sums[..channel];
                for limb in layout.limbs(planes) {
                    sums.iter_mut().for_each(|s| *s <<= SPLIT);
                    for values in limb.chunks_exact(channel) {
                        sums.iter_mut().zip(values).for_each(|(s, v)| *s = s.wrapping_add(v.to_u64()));
                    }
                }
            }
        });
        Some(ChannelSums { bias, lanes, taps, len, sums })
    }

    /// For vectors at some pixels of some images.
    pub fn corrections(&self, vectors: &[(usize, usize)]) -> Vec<u64> {
        let mut out = vec![0u64; vectors.len() * self.lanes];
        vectorized(|| {
            for (out, (image, at)) in out.chunks_exact_mut(self.lanes).zip(vectors) {
                for &tap in &self.taps {
                    let values = &self.sums[image * self.len + tap as usize + at..][..self.lanes];
                    out.iter_mut().zip(values).for_each(|(s, v)| *s = s.wrapping_add(*v));
                }
                out.iter_mut().for_each(|s| *s = s.wrapping_mul(self.bias));
            }
        });
        out
    }
}

/// For the vectors in a panel.
pub(super) fn of_panel<L: Lane>(scheme: Scheme, panel: &Panel<L>, vectors: usize) -> Vec<u64> {
    let bias = scheme.bias();
    if bias == 0 {
        return Vec::new();
    }
    let mut out = vec![0u64; vectors * panel.lanes()];
    vectorized(|| {
        for (strip, sums) in panel.strips().zip(out.chunks_exact_mut(panel.width())) {
            let limb = strip.len() / scheme.limbs();
            for limb in strip.chunks_exact(limb) {
                sums.iter_mut().for_each(|s| *s <<= SPLIT);
                for values in limb.chunks_exact(panel.width()) {
                    sums.iter_mut().zip(values).for_each(|(s, v)| *s = s.wrapping_add(v.to_u64()));
                }
            }
            sums.iter_mut().for_each(|s| *s = s.wrapping_mul(bias));
        }
    });
    out
}

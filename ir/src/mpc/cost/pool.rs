//! Maxima over windows: which pairs are compared in which round, and what that costs.

use super::compare::drelu_run;
use super::select::{mux_run, relu_run};
use super::{Transcript, script};
use crate::cost::Cost;
use std::collections::HashMap;

/// Windows along one axis, as the attributes of a pooling say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisWindows {
    /// Extent of the axis, padding excluded.
    pub len: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    pub pad_before: usize,
    pub pad_after: usize,
}

impl AxisWindows {
    /// The windows along the height and along the width of images of `[h, w]`; `pads` are top, left, bottom, right.
    #[must_use]
    pub fn of_pool(
        [h, w]: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        pads: [usize; 4],
        dilation: [usize; 2],
    ) -> [AxisWindows; 2] {
        [(h, 0), (w, 1)].map(|(len, axis)| AxisWindows {
            len,
            kernel: kernel[axis],
            stride: stride[axis],
            dilation: dilation[axis],
            pad_before: pads[axis],
            pad_after: pads[axis + 2],
        })
    }

    /// Number of windows.
    #[must_use]
    pub fn count(&self) -> usize {
        let extent = (self.kernel - 1) * self.dilation + 1;
        (self.len + self.pad_before + self.pad_after).checked_sub(extent).map_or(0, |rest| rest / self.stride + 1)
    }

    /// Window `o` without its padding: the first position and the number of taps, `dilation` apart. May be empty.
    #[must_use]
    pub fn window(&self, o: usize) -> (usize, usize) {
        let start = o * self.stride;
        let skipped = self.pad_before.saturating_sub(start).div_ceil(self.dilation).min(self.kernel);
        let first = start + skipped * self.dilation - self.pad_before.min(start + skipped * self.dilation);
        let fit = self.len.saturating_sub(first).div_ceil(self.dilation);
        (first, fit.min(self.kernel - skipped))
    }
}

/// The maxima of all windows along one axis, as rounds of pairwise maxima that windows share where they overlap.
///
/// Values are numbered: `0..len` are the positions, then come the pairs' maxima, level by level in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePlan {
    pub len: usize,
    pub levels: Vec<Vec<(usize, usize)>>,
    /// For each window the number of the value that is its maximum.
    pub outputs: Vec<usize>,
}

/// How a window of `count` taps is covered by two smaller ones, given as (taps of the left one, start of the right).
type Split = fn(usize) -> (usize, usize);

impl LinePlan {
    /// The cheapest of three ways to halve windows; each has the least depth. `None` if a window has no element.
    #[must_use]
    pub fn new(axis: &AxisWindows) -> Option<LinePlan> {
        let disjoint: Split = |k| (k.next_power_of_two() / 2, k.next_power_of_two() / 2);
        let halves: Split = |k| (k.div_ceil(2), k.div_ceil(2));
        let overlapping: Split = |k| (k.next_power_of_two() / 2, k - k.next_power_of_two() / 2);
        [disjoint, halves, overlapping]
            .into_iter()
            .map(|split| LinePlan::with(axis, split))
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .min_by_key(LinePlan::pairs)
    }

    fn with(axis: &AxisWindows, split: Split) -> Option<LinePlan> {
        let windows: Vec<(usize, usize)> = (0..axis.count()).map(|o| axis.window(o)).collect();
        if windows.iter().any(|&(_, taps)| taps == 0) {
            return None;
        }
        // Every needed window once, with the level at which it is computed.
        let mut todo = windows.clone();
        let mut needed: Vec<(usize, usize)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some((first, taps)) = todo.pop() {
            if taps > 1 && seen.insert((first, taps)) {
                needed.push((first, taps));
                let (left, right) = split(taps);
                todo.extend([(first, left), (first + right * axis.dilation, taps - right)]);
            }
        }
        let level_of = |taps: usize| taps.next_power_of_two().trailing_zeros();
        needed.sort_by_key(|&(first, taps)| (level_of(taps), first, taps));

        let mut number: HashMap<(usize, usize), usize> = (0..axis.len).map(|p| ((p, 1), p)).collect();
        let mut levels: Vec<Vec<(usize, usize)>> = Vec::new();
        let mut last_level = 0;
        for (i, &(first, taps)) in needed.iter().enumerate() {
            if level_of(taps) != last_level {
                last_level = level_of(taps);
                levels.push(Vec::new());
            }
            let (left, right) = split(taps);
            let pair = (number[&(first, left)], number[&(first + right * axis.dilation, taps - right)]);
            number.insert((first, taps), axis.len + i);
            levels.last_mut()?.push(pair);
        }
        let outputs = windows.iter().map(|w| number[w]).collect();
        Some(LinePlan { len: axis.len, levels, outputs })
    }

    /// Pairwise maxima in all.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.levels.iter().map(Vec::len).sum()
    }

    /// Positions that some window reads.
    #[must_use]
    pub fn read(&self) -> Vec<usize> {
        let of_pairs = self.levels.iter().flatten().flat_map(|&(a, b)| [a, b]);
        let mut read: Vec<usize> = of_pairs.chain(self.outputs.iter().copied()).filter(|&v| v < self.len).collect();
        read.sort_unstable();
        read.dedup();
        read
    }
}

/// Two-dimensional windows as two passes of one-dimensional ones: a maximum is a maximum of maxima of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPlan {
    pub rows: LinePlan,
    pub cols: LinePlan,
    /// Whether the pass along the width comes first.
    pub width_first: bool,
}

impl PoolPlan {
    /// `vertical` are the windows along the height, `horizontal` along the width. `None` if a window has no element.
    #[must_use]
    pub fn new(vertical: &AxisWindows, horizontal: &AxisWindows) -> Option<PoolPlan> {
        let (rows, cols) = (LinePlan::new(vertical)?, LinePlan::new(horizontal)?);
        let width_first = rows.read().len() * cols.pairs() + cols.outputs.len() * rows.pairs();
        let height_first = cols.read().len() * rows.pairs() + rows.outputs.len() * cols.pairs();
        Some(PoolPlan { rows, cols, width_first: width_first <= height_first })
    }

    /// The passes in order: the plan, and on how many lines of one plane it runs.
    #[must_use]
    pub fn passes(&self) -> [(&LinePlan, usize); 2] {
        if self.width_first {
            [(&self.cols, self.rows.read().len()), (&self.rows, self.cols.outputs.len())]
        } else {
            [(&self.rows, self.cols.read().len()), (&self.cols, self.rows.outputs.len())]
        }
    }
}

/// Maxpool of `planes` images (batch times channels). `None` if a window consists of padding only.
#[must_use]
pub fn max_pool(
    planes: u64,
    vertical: &AxisWindows,
    horizontal: &AxisWindows,
    ring: u8,
    radix: u8,
) -> Option<Cost> {
    max_pool_window(planes, vertical, horizontal, ring, 0, radix)
}

/// Maxpool whose comparisons leave out the low `skip_low` bits.
#[must_use]
pub fn max_pool_window(
    planes: u64,
    vertical: &AxisWindows,
    horizontal: &AxisWindows,
    ring: u8,
    skip_low: u8,
    radix: u8,
) -> Option<Cost> {
    let plan = PoolPlan::new(vertical, horizontal)?;
    Some(script(|t| {
        for (line, lines) in plan.passes() {
            for level in &line.levels {
                relu_run(t, planes * lines as u64 * level.len() as u64, ring, skip_low, radix);
            }
        }
    }))
}

/// Maxima of `groups` rows of `len` elements each.
#[must_use]
pub fn reduce_max(groups: u64, len: u64, ring: u8, radix: u8) -> Cost {
    script(|t| halve(len, |pairs, _| relu_run(t, groups * pairs, ring, 0, radix)))
}

/// Index (of `index_bits` bits) of the maximum of each of `groups` rows of `len` elements.
#[must_use]
pub fn argmax(groups: u64, len: u64, ring: u8, index_bits: u8, radix: u8) -> Cost {
    script(|t| halve(len, |pairs, last| argmax_level(t, groups * pairs, ring, index_bits, radix, last)))
}

fn argmax_level(t: &mut Transcript, n: u64, ring: u8, index_bits: u8, radix: u8, last: bool) {
    drelu_run(t, n, ring, radix);
    // Nobody asks for the value of the winner of the last round.
    if last { mux_run(t, n, &[index_bits]) } else { mux_run(t, n, &[ring, index_bits]) }
}

/// A tournament of `len` values: calls `level(pairs, whether it is the last)`.
fn halve(mut len: u64, mut level: impl FnMut(u64, bool)) {
    while len > 1 {
        level(len / 2, len == 2);
        len = len.div_ceil(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows_by_definition(a: &AxisWindows) -> Vec<Vec<usize>> {
        (0..a.count())
            .map(|o| {
                (0..a.kernel)
                    .filter_map(|t| (o * a.stride + t * a.dilation).checked_sub(a.pad_before))
                    .filter(|&p| p < a.len)
                    .collect()
            })
            .collect()
    }

    #[test]
    fn plans_compute_the_maximum_of_every_window() {
        let mut plans = 0;
        for len in 1..9 {
            for kernel in 1..=5 {
                for stride in 1..=3 {
                    for dilation in 1..=2 {
                        for pad in [(0, 0), (1, 0), (1, 1), (0, 2), (2, 2)] {
                            let a =
                                AxisWindows { len, kernel, stride, dilation, pad_before: pad.0, pad_after: pad.1 };
                            let expect = windows_by_definition(&a);
                            let Some(plan) = LinePlan::new(&a) else {
                                assert!(expect.iter().any(Vec::is_empty));
                                continue;
                            };
                            plans += 1;
                            let mut sets: Vec<Vec<usize>> = (0..len).map(|p| vec![p]).collect();
                            for level in &plan.levels {
                                let known = sets.len();
                                for &(x, y) in level {
                                    assert!(x < known && y < known, "a level uses its own result");
                                    let mut s = [sets[x].clone(), sets[y].clone()].concat();
                                    s.sort_unstable();
                                    s.dedup();
                                    sets.push(s);
                                }
                            }
                            let got: Vec<_> = plan.outputs.iter().map(|&v| sets[v].clone()).collect();
                            assert_eq!(got, expect, "{a:?}");
                            assert!(plan.levels.len() as u32 <= kernel.next_power_of_two().trailing_zeros());
                        }
                    }
                }
            }
        }
        assert!(plans > 500);
    }

    #[test]
    fn overlapping_windows_share_comparisons() {
        let axis = AxisWindows { len: 13, kernel: 3, stride: 2, dilation: 1, pad_before: 0, pad_after: 0 };
        let plan = PoolPlan::new(&axis, &axis).unwrap();
        let pairs: usize = plan.passes().iter().map(|(p, lines)| p.pairs() * lines).sum();
        // 8 for each of the 36 outputs without sharing.
        assert_eq!(pairs, 13 * 12 + 6 * 12);
        assert_eq!(LinePlan::new(&AxisWindows { stride: 1, kernel: 5, ..axis }).unwrap().pairs(), 11 + 9 + 9);
    }

    #[test]
    fn a_window_of_padding_only_has_no_plan() {
        let axis = AxisWindows { len: 1, kernel: 2, stride: 1, dilation: 1, pad_before: 2, pad_after: 0 };
        assert!(LinePlan::new(&axis).is_none());
    }
}

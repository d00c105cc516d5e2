//! Maxima over windows and over rows.
//!
//! A tournament of pairwise maxima ([`super::max`]): all pairs of one level of all windows in one batch. Windows that
//! overlap share comparisons, and two-dimensional windows run as two passes of lines ([`PoolPlan`]). Adversary:
//! semi-honest. Leakage: none; exact where any two values of a window differ by less than half the ring. Rounds and
//! bytes: [`picc_ir::mpc::cost::max_pool`], [`picc_ir::mpc::cost::reduce_max`].

use super::call::{Call, Run};
use super::{low_mask, relu, signed};
use crate::error::{BadProgram, Error, Result};
use crate::session::Session;
use picc_ir::mpc::cost::{AxisWindows, LinePlan, PoolPlan};
use picc_ir::mpc::{MaxPoolOt, ReduceMaxOt};

/// Shares of the maxima of all windows, `[planes, out_h, out_w]`, of shares `[planes, h, w]`. Padding never wins.
pub fn max_pool(
    session: &mut Session,
    x: &[u64],
    planes: usize,
    vertical: &AxisWindows,
    horizontal: &AxisWindows,
    ring: u8,
    radix: u8,
) -> Result<Vec<u64>> {
    max_pool_window(session, x, planes, [vertical, horizontal], ring, 0, radix)
}

/// As [`max_pool`], with comparisons that do not look at the low `skip_low` bits of a difference: every level of the
/// tournament may lose up to `2^skip_low - 1`.
pub fn max_pool_window(
    session: &mut Session,
    x: &[u64],
    planes: usize,
    [vertical, horizontal]: [&AxisWindows; 2],
    ring: u8,
    skip_low: u8,
    radix: u8,
) -> Result<Vec<u64>> {
    let compare = Compare { ring, skip_low, radix };
    let (h, w) = (vertical.len, horizontal.len);
    if x.len() != planes * h * w {
        return Err(Error::Bug(format!("max_pool: {} elements for {planes} planes of {h} x {w}", x.len())));
    }
    let plan = PoolPlan::new(vertical, horizontal).ok_or(BadProgram::EmptyWindow)?;
    let (out_h, out_w) = (plan.rows.outputs.len(), plan.cols.outputs.len());
    let mut out = vec![0; planes * out_h * out_w];
    if plan.width_first {
        let read = plan.rows.read();
        let index = invert(&read, h);
        let first = pass(session, &plan.cols, planes * read.len(), compare, |line, col| {
            x[(line / read.len() * h + read[line % read.len()]) * w + col]
        })?;
        let second = pass(session, &plan.rows, planes * out_w, compare, |line, row| {
            first[line % out_w][line / out_w * read.len() + index[row]]
        })?;
        for (i, out) in out.iter_mut().enumerate() {
            let (plane, oy, ox) = (i / (out_h * out_w), i / out_w % out_h, i % out_w);
            *out = second[oy][plane * out_w + ox];
        }
    } else {
        let read = plan.cols.read();
        let index = invert(&read, w);
        let first = pass(session, &plan.rows, planes * read.len(), compare, |line, row| {
            x[(line / read.len() * h + row) * w + read[line % read.len()]]
        })?;
        let second = pass(session, &plan.cols, planes * out_h, compare, |line, col| {
            first[line % out_h][line / out_h * read.len() + index[col]]
        })?;
        for (i, out) in out.iter_mut().enumerate() {
            let (plane, oy, ox) = (i / (out_h * out_w), i / out_w % out_h, i % out_w);
            *out = second[ox][plane * out_h + oy];
        }
    }
    Ok(out)
}

impl Run for MaxPoolOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        let [vertical, horizontal] = self.windows(call.tys[0]).map_err(BadProgram::Type)?;
        let x = call.units(0, vertical.len * horizontal.len)?;
        let (planes, windows) = (call.part.units as usize, [&vertical, &horizontal]);
        max_pool_window(session, x, planes, windows, call.ring()?, self.skip_low, self.radix)
    }
}

/// The axes stand last.
impl Run for ReduceMaxOt {
    fn run(&self, session: &mut Session, call: &Call<'_>) -> Result<Vec<u64>> {
        let len = self.axes.iter().map(|&a| call.tys[0].shape[a]).product();
        reduce_max(session, call.units(0, len)?, len, call.ring()?, self.radix)
    }
}

/// Where each position stands in `read`.
fn invert(read: &[usize], len: usize) -> Vec<usize> {
    let mut index = vec![0; len];
    read.iter().enumerate().for_each(|(i, &p)| index[p] = i);
    index
}

/// How two values are compared.
#[derive(Clone, Copy)]
struct Compare {
    ring: u8,
    skip_low: u8,
    radix: u8,
}

/// Runs a plan on `lines` lines at once; `at(line, position)` is the input. Result: for each window, a value a line.
fn pass(
    session: &mut Session,
    plan: &LinePlan,
    lines: usize,
    Compare { ring, skip_low, radix }: Compare,
    at: impl Fn(usize, usize) -> u64,
) -> Result<Vec<Vec<u64>>> {
    let mut values: Vec<Vec<u64>> = vec![Vec::new(); plan.len];
    for position in plan.read() {
        values[position] = (0..lines).map(|line| at(line, position)).collect();
    }
    for level in &plan.levels {
        let gather = |side: fn(&(usize, usize)) -> usize| {
            level.iter().flat_map(|pair| values[side(pair)].iter().copied()).collect::<Vec<u64>>()
        };
        let (a, b) = (gather(|pair| pair.0), gather(|pair| pair.1));
        let winners = relu::max_window(session, &a, &b, ring, skip_low, radix)?;
        values.extend(winners.chunks(lines.max(1)).map(<[u64]>::to_vec));
    }
    Ok(plan.outputs.iter().map(|&v| values[v].clone()).collect())
}

/// Shares of the maximum of each row of `x`, which is `[groups, len]`; `len` is at least 1.
pub fn reduce_max(session: &mut Session, x: &[u64], len: usize, ring: u8, radix: u8) -> Result<Vec<u64>> {
    let mut items: Vec<Vec<u64>> = (0..len).map(|i| x.iter().skip(i).step_by(len).copied().collect()).collect();
    let groups = x.len() / len.max(1);
    while items.len() > 1 {
        let rest = if items.len() % 2 == 1 { items.pop() } else { None };
        let a = items.iter().step_by(2).flatten().copied().collect::<Vec<_>>();
        let b = items.iter().skip(1).step_by(2).flatten().copied().collect::<Vec<_>>();
        let winners = relu::max(session, &a, &b, ring, radix)?;
        items = winners.chunks(groups.max(1)).map(<[u64]>::to_vec).collect();
        items.extend(rest);
    }
    Ok(items.pop().unwrap_or_default())
}

/// The maximum of each window, by definition.
#[must_use]
pub fn ideal_max_pool(
    x: &[u64],
    planes: usize,
    vertical: &AxisWindows,
    horizontal: &AxisWindows,
    ring: u8,
) -> Vec<u64> {
    let taps = |axis: &AxisWindows, o: usize| -> Vec<usize> {
        let all =
            (0..axis.kernel).filter_map(|t| (o * axis.stride + t * axis.dilation).checked_sub(axis.pad_before));
        all.filter(|&p| p < axis.len).collect()
    };
    let mut out = Vec::new();
    for plane in 0..planes {
        for oy in 0..vertical.count() {
            for ox in 0..horizontal.count() {
                let rows = taps(vertical, oy);
                let cols = taps(horizontal, ox);
                let window = rows.iter().flat_map(|r| {
                    cols.iter().map(move |c| signed(x[(plane * vertical.len + r) * horizontal.len + c], ring))
                });
                out.push(window.max().unwrap_or(0).cast_unsigned() & low_mask(ring.into()));
            }
        }
    }
    out
}

/// The maximum of each row of `len` values.
#[must_use]
pub fn ideal_reduce_max(x: &[u64], len: usize, ring: u8) -> Vec<u64> {
    let max = |row: &[u64]| row.iter().map(|&v| signed(v, ring)).max().unwrap_or(0).cast_unsigned();
    x.chunks(len).map(|row| max(row) & low_mask(ring.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, open};
    use super::*;
    use picc_ir::mpc::cost;

    fn axis(len: usize, kernel: usize, stride: usize, dilation: usize, pads: (usize, usize)) -> AxisWindows {
        AxisWindows { len, kernel, stride, dilation, pad_before: pads.0, pad_after: pads.1 }
    }

    #[test]
    fn max_pool_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(1);
        let square = |a: AxisWindows| (a, a);
        let cases = [
            square(axis(8, 2, 2, 1, (0, 0))),
            square(axis(9, 3, 2, 1, (0, 0))),
            square(axis(7, 3, 2, 1, (1, 1))),
            square(axis(6, 3, 1, 1, (1, 1))),
            square(axis(7, 5, 1, 1, (2, 2))),
            square(axis(4, 4, 4, 1, (0, 0))),
            square(axis(5, 1, 1, 1, (0, 0))),
            (axis(6, 3, 2, 1, (0, 1)), axis(11, 2, 3, 2, (1, 0))),
            (axis(12, 1, 1, 1, (0, 0)), axis(5, 3, 1, 2, (2, 2))),
            (axis(3, 3, 1, 1, (0, 0)), axis(40, 2, 2, 1, (0, 0))),
        ];
        for (vertical, horizontal) in cases {
            for (planes, ring, radix) in [(1, 8, 4), (3, 17, 3), (2, 32, 4), (5, 64, 2)] {
                let x = pair.samples_below(planes * vertical.len * horizontal.len, ring - 1, ring);
                let shares = pair.share(&x, ring);
                let cost = cost::max_pool(planes as u64, &vertical, &horizontal, ring, radix).unwrap();
                let out = pair.run(cost, |s| {
                    max_pool(s, &shares[s.party() as usize], planes, &vertical, &horizontal, ring, radix)
                });
                let ideal = ideal_max_pool(&x, planes, &vertical, &horizontal, ring);
                assert_eq!(open(&out, ring), ideal, "{vertical:?} {horizontal:?}");
            }
        }
    }

    #[test]
    fn comparisons_of_high_bits_lose_little() {
        let mut pair = Pair::new(4);
        let (planes, ring, skip_low) = (3, 14, 3);
        let axis = axis(9, 3, 2, 1, (1, 1));
        let x = pair.samples_below(planes * 81, 7, ring);
        let shares = pair.share(&x, ring);
        let cost = cost::max_pool_window(planes as u64, &axis, &axis, ring, skip_low, 4).unwrap();
        let out = pair.run(cost, |s| {
            max_pool_window(s, &shares[s.party() as usize], planes, [&axis, &axis], ring, skip_low, 4)
        });
        let levels: usize =
            PoolPlan::new(&axis, &axis).unwrap().passes().iter().map(|(line, _)| line.levels.len()).sum();
        for (got, exact) in open(&out, ring).iter().zip(ideal_max_pool(&x, planes, &axis, &axis, ring)) {
            let lost = signed(exact, ring) - signed(*got, ring);
            assert!((0..=levels as i64 * ((1 << skip_low) - 1)).contains(&lost), "{lost}");
        }
    }

    #[test]
    fn a_window_of_padding_only_is_refused() {
        let bad = axis(1, 2, 1, 1, (2, 0));
        let mut pair = Pair::new(2);
        let out = pair.run(cost::trunc_local(), |s| Ok(max_pool(s, &[1], 1, &bad, &bad, 8, 4).is_err()));
        assert_eq!(out, [true, true]);
    }

    #[test]
    fn reduce_max_equals_the_ideal_at_its_price() {
        let mut pair = Pair::new(3);
        for (groups, len) in [(1, 1), (1, 2), (7, 3), (2, 10), (64, 5), (3, 33)] {
            for (ring, radix) in [(8, 4), (25, 4), (37, 3), (64, 1)] {
                let x = pair.samples_below(groups * len, ring - 1, ring);
                let shares = pair.share(&x, ring);
                let out = pair.run(cost::reduce_max(groups as u64, len as u64, ring, radix), |s| {
                    reduce_max(s, &shares[s.party() as usize], len, ring, radix)
                });
                assert_eq!(open(&out, ring), ideal_reduce_max(&x, len, ring), "{groups} x {len}");
            }
        }
    }
}

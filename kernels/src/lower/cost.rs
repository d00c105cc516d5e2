//! Choices of the plan by an estimate of instructions for each point.

use super::access::{Place, stride};
use super::plan::{Loop, Mode, Plan, Unroll, lanes, operands};
use picc_ir::kernel::{Affine, BinaryOp, Index, Inst, Kernel, Lane, Nest};

/// Machine instructions that straight-line code of one turn of a loop may have.
const BUDGET: i64 = 160;
/// Units whose stores are done together where they crowd a set of the cache.
const CROWDED: i64 = 8;
/// Vector registers left to accumulators.
const ACCUMULATORS: usize = 8;

/// What a unit's elements lie along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Along {
    /// This one of the collapsed outer loops.
    Outer(usize),
    /// The last reduction loop.
    Reduce,
    /// Nothing: one point at a time.
    Point,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub along: Along,
    pub unit: usize,
}

/// Which loop to vectorise, and whether to.
pub(super) fn choose(kernel: &Kernel, nest: &Nest, outer: &[Loop], reduce: &[Loop]) -> Choice {
    let points: f64 = reduce.iter().map(|l| l.extent as f64).product();
    let body = lanes(kernel, &nest.accs, &nest.body);
    let finish = lanes(kernel, &nest.accs, &nest.finish);
    let narrowest = body.iter().chain(&finish).copied().min().unwrap_or(Lane::U64);
    let vector = 128 / narrowest.bits() as usize;
    let side = |insts: &[Inst], lanes: &[Lane], k: Option<usize>, unit: usize, total: bool| {
        instructions(insts, lanes, k, unit, total) / unit as f64
    };

    let mut best = match outer.len().checked_sub(1) {
        Some(k) => Choice { along: Along::Outer(k), unit: 1 },
        None => Choice { along: Along::Point, unit: 1 },
    };
    let last = outer.last().map(|l| l.from);
    let scalar = points * side(&nest.body, &body, last, 1, true) + side(&nest.finish, &finish, last, 1, true);
    let mut least = scalar;
    for (k, l) in outer.iter().enumerate().rev() {
        if l.extent < vector as i64 {
            continue;
        }
        let turns = (l.extent as f64 / vector as f64).ceil() * vector as f64 / l.extent as f64;
        let away = if k + 1 == outer.len() { 1.0 } else { 1.1 };
        let f = Some(l.from);
        let cost = points * side(&nest.body, &body, f, vector, true) + side(&nest.finish, &finish, f, vector, true);
        if cost * turns * away < least {
            least = cost * turns * away;
            best = Choice { along: Along::Outer(k), unit: vector };
        }
    }
    if let Some(l) = reduce.last().filter(|l| l.extent >= 2 * vector as i64) {
        let fold = 2.0 * (vector * nest.accs.len()) as f64 * points / l.extent as f64;
        let cost = points * side(&nest.body, &body, Some(l.from), vector, true)
            + fold
            + side(&nest.finish, &finish, last, 1, true);
        if cost < least {
            best = Choice { along: Along::Reduce, unit: vector };
        }
    }
    best
}

/// Instructions of a unit of `width` elements along the original loop `k`; `total`: accumulators differ by element.
fn instructions(insts: &[Inst], lanes: &[Lane], k: Option<usize>, width: usize, total: bool) -> f64 {
    let parts = |lane: Lane| if width == 1 { 1.0 } else { (width * lane.bits() as usize / 128) as f64 };
    let mut varies = vec![false; insts.len()];
    let mut sum = 0.0;
    for (i, inst) in insts.iter().enumerate() {
        let p = parts(lanes[i]);
        let step = |a: &Affine| k.map_or(0, |k| stride(a, k));
        let near = |s: i64| match (s, width) {
            (0, _) => 0.1,
            (_, 1) => 1.0,
            (1, _) => p,
            (2, _) => 3.0 * p,
            (_, w) => 1.7 * w as f64,
        };
        varies[i] = operands(inst).any(|r| varies[r as usize]);
        sum += match inst {
            Inst::Const { .. } => 0.0,
            Inst::Load { index: Index::Affine(a), .. } => {
                varies[i] = step(a) != 0;
                near(step(a))
            }
            Inst::Load { index: Index::Table { at, base, .. }, .. } => {
                varies[i] = step(at) != 0 || step(base) != 0;
                if step(at) == 0 { near(step(base)) } else { 2.5 * width as f64 }
            }
            Inst::Store { index, .. } => match index {
                Index::Affine(a) | Index::Table { base: a, .. }
                    if width > 1 && step(a) == 1 && entry(index, k) == 0 =>
                {
                    p
                }
                _scattered if width > 1 => 2.2 * width as f64,
                _scattered => 1.0,
            },
            Inst::Total { .. } => {
                varies[i] = total;
                0.0
            }
            Inst::Binary { op: BinaryOp::Mul, .. } if lanes[i] == Lane::U64 && width > 1 => 3.0 * p,
            Inst::Compare { .. } if width > 1 => 2.0 * p,
            Inst::Convert { .. } if width > 1 => 1.5 * p,
            // Mostly part of a load, or no instruction at all.
            Inst::Convert { .. } => 0.5,
            Inst::Accumulate { .. } => p,
            Inst::Binary { .. } | Inst::Shift { .. } | Inst::Compare { .. } | Inst::Select { .. } => {
                if varies[i] || width == 1 { p } else { 0.1 }
            }
        };
    }
    sum
}

/// Stride of the table's entries along the original loop `k`.
fn entry(index: &Index, k: Option<usize>) -> i64 {
    match (index, k) {
        (Index::Table { at, .. }, Some(k)) => stride(at, k),
        (Index::Affine(_) | Index::Table { .. }, _) => 0,
    }
}

/// Whether stores of one point compete for a set of a first-level cache of 8 ways, whose sets repeat every 4096 bytes.
pub(super) fn crowded(plan: &Plan) -> bool {
    const PERIOD: i64 = 4096;
    const NEAR: i64 = 128;
    let places = plan.finish.iter().filter_map(|p| match (p.inst, &p.place) {
        (Inst::Store { .. }, Some(Place::Direct(access))) => Some((access.group, access.offset.rem_euclid(PERIOD))),
        _no_store => None,
    });
    let places: Vec<(usize, i64)> = places.collect();
    let near = |a: i64, b: i64| (a - b).rem_euclid(PERIOD) < NEAR;
    places.iter().any(|&(group, at)| places.iter().filter(|(g, other)| *g == group && near(*other, at)).count() > 6)
}

/// Sets how far reduction loops are unrolled and how many units a turn has.
pub(super) fn unroll(plan: &mut Plan) {
    let parts = |lane: Lane| (plan.unit * lane.bits() as usize).div_ceil(128) as i64;
    let body: i64 = plan.body.iter().map(|p| parts(p.lane)).sum::<i64>().max(1);
    let finish: i64 = plan.finish.iter().map(|p| parts(p.lane)).sum::<i64>().max(1);
    let accs: i64 = plan.accs.iter().map(|a| parts(a.lane)).sum::<i64>().max(1);
    let outer = plan.outer;
    let count = plan.loops.len();

    // From the innermost outwards, as long as the straight line stays short.
    let mut line = body;
    let mut open = true;
    for k in (outer..count).rev() {
        if plan.mode == Mode::Reduce && k + 1 == count {
            continue;
        }
        let extent = plan.loops[k].extent;
        plan.loops[k].unroll = if open && line.saturating_mul(extent) <= BUDGET {
            line *= extent;
            Unroll::Full
        } else if open {
            open = false;
            Unroll::By((BUDGET / 4 / line).clamp(1, 4).min(extent))
        } else {
            Unroll::By(1)
        };
    }
    let straight = plan.reduce().iter().all(|l| l.unroll == Unroll::Full) && plan.mode == Mode::Outer;
    plan.block = match plan.mode {
        Mode::Reduce => (ACCUMULATORS / 2).div_ceil(accs as usize).clamp(1, 4),
        Mode::Outer if straight => {
            let turn = finish + if plan.has_body { line } else { 0 };
            let extent = plan.along().map_or(1, |v| plan.loops[v].extent);
            let all = extent / plan.unit as i64;
            // Short rows run without a loop.
            let block = if plan.crowded {
                all.clamp(1, CROWDED)
            } else if all.saturating_mul(turn) <= BUDGET {
                all.max(1)
            } else {
                (64 / turn).clamp(1, 4)
            };
            block as usize
        }
        Mode::Outer => (ACCUMULATORS / accs as usize).clamp(1, 4),
    };
}

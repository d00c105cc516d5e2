//! Steps that may run together, some turns of each and then the next turns: what they touch stays in the cache, and
//! threads meet once for all of them.
//!
//! Turn `t` of a nest reaches the bytes `t * stride + [low, end)` of a buffer. If all accesses of some nests to a
//! buffer that one of them stores to have one stride, and all their reaches lie within one stride, turns meet in no
//! byte but with themselves: any order is right that keeps that of the steps within each turn.

use super::access::{Access, Place, Source};
use super::plan::{Mode, Plan};
use picc_ir::kernel::{Inst, Step, Verified};
use std::collections::BTreeMap;

/// A step, by what it may run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepTurns {
    /// Turns of the outermost loop, independent of each other; 1: the step runs as a whole.
    pub turns: usize,
    /// It may run together with the step before it, which has as many turns, and with all that that one may run with.
    pub with_previous: bool,
    /// Bytes that it touches, as far as they are known.
    pub bytes: u64,
}

/// Bytes of a buffer that one turn reaches, and from turn to turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    stride: i64,
    low: i64,
    end: i64,
}

/// What is done to a buffer; `None`: anywhere.
#[derive(Clone, Copy, Debug)]
struct Use {
    reach: Option<Reach>,
    stored: bool,
}

impl Use {
    fn and(self, other: Use) -> Use {
        let reach = match (self.reach, other.reach) {
            (Some(a), Some(b)) if a.stride == b.stride => {
                Some(Reach { stride: a.stride, low: a.low.min(b.low), end: a.end.max(b.end) })
            }
            _somewhere_else => None,
        };
        Use { reach, stored: self.stored || other.stored }
    }

    /// Different turns do not meet.
    fn apart(self) -> bool {
        !self.stored || self.reach.is_some_and(|r| r.end - r.low <= r.stride)
    }
}

type Uses = BTreeMap<u32, Use>;

/// All steps of a kernel.
pub(crate) fn steps(kernel: &Verified) -> Vec<StepTurns> {
    let mut out: Vec<StepTurns> = Vec::with_capacity(kernel.steps.len());
    // Uses of the steps that run together so far.
    let mut open: Option<Uses> = None;
    for step in &kernel.steps {
        let (turns, own, bytes) = match step {
            Step::Call { .. } => (1, None, 0),
            Step::Nest(nest) => {
                let plan = Plan::new(kernel, nest);
                let turns = usize::try_from(plan.turns()).unwrap_or(1);
                // The turns of a single loop are blocks of it, which are of no fixed stride.
                let whole = turns < 2 || (plan.outer == 1 && plan.mode == Mode::Outer);
                let uses = uses(&plan);
                let span = |u: &Use| u.reach.map_or(0, |r| (r.end - r.low).unsigned_abs());
                let bytes = uses.values().map(span).sum::<u64>().saturating_mul(turns as u64);
                (turns, (!whole).then_some(uses), bytes)
            }
        };
        let same = out.last().is_some_and(|last| last.turns == turns);
        let joined = match (&open, &own) {
            (Some(open), Some(own)) if same => join(open, own),
            _first => None,
        };
        out.push(StepTurns { turns, with_previous: joined.is_some(), bytes });
        open = joined.or(own);
    }
    out
}

/// What both do, if turns stay apart.
fn join(open: &Uses, own: &Uses) -> Option<Uses> {
    let mut joined = open.clone();
    for (&buffer, &u) in own {
        joined.entry(buffer).and_modify(|before| *before = before.and(u)).or_insert(u);
    }
    joined.values().all(|u| u.apart()).then_some(joined)
}

fn uses(plan: &Plan<'_>) -> Uses {
    let mut uses = Uses::new();
    for p in plan.body.iter().chain(&plan.finish) {
        let (access, exact) = match &p.place {
            None => continue,
            Some(Place::Direct(access)) => (access, true),
            Some(Place::Table { buffer, .. }) => (buffer, false),
        };
        let Source::Buffer(buffer) = plan.groups.all[access.group].source else { continue };
        let reach = exact.then(|| reach(plan, access));
        let u = Use { reach, stored: matches!(p.inst, Inst::Store { .. }) };
        uses.entry(buffer).and_modify(|before| *before = before.and(u)).or_insert(u);
    }
    uses
}

fn reach(plan: &Plan<'_>, access: &Access) -> Reach {
    let strides = &plan.groups.all[access.group].strides;
    let mut reach = Reach {
        stride: strides.first().copied().unwrap_or(0),
        low: access.offset,
        end: access.offset + access.lane.bytes() as i64,
    };
    for (stride, l) in strides.iter().zip(&plan.loops).skip(1) {
        let far = stride * (l.extent - 1);
        reach.low += far.min(0);
        reach.end += far.max(0);
    }
    reach
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::kernel::{text::parse, verify::verify};

    /// Of a kernel with a buffer `b0` to read, and `b1` and `b2` to write, which are zero before nests with the given
    /// loops and code.
    fn with_previous(nests: &[(&str, &str)]) -> Vec<bool> {
        let mut text = String::from("kernel {\n  b0: u32[4096] read \"x\"\n  b1: u32[4096] write \"y\"\n");
        text.push_str("  b2: u32[4096] write \"z\"\n");
        let zero = ("4096", "r0 = const u32 0\n store b1[i0] r0\n store b2[i0] r0");
        for (loops, code) in [&zero].into_iter().chain(nests) {
            text.push_str(&format!("  nest [{loops}] {{\n    finish {{\n      {code}\n    }}\n  }}\n"));
        }
        text.push('}');
        let kernel = verify(parse(&text).expect("a kernel")).expect("in bounds");
        steps(&kernel).iter().skip(1).map(|s| s.with_previous).collect()
    }

    const ROWS: (&str, &str) =
        ("8, 4, 16", "r0 = load b0[64*i0 + 16*i1 + i2]\n store b1[19 + 108*i0 + 18*i1 + i2] r0");

    #[test]
    fn turns_that_stay_apart_run_together() {
        let border = ("8, 4, 2", "r0 = const u32 0\n store b1[18 + 108*i0 + 18*i1 + 17*i2] r0");
        assert_eq!(with_previous(&[ROWS, border]), [false, true]);
        // All 8 turns of what follows read what one turn has stored.
        let all = ("8, 4", "r0 = load b1[19 + i1]\n store b2[4*i0 + i1] r0");
        assert_eq!(with_previous(&[ROWS, border, all]), [false, true, false]);
    }

    #[test]
    fn turns_that_meet_do_not() {
        // Into the next turn's plane, from the last row of each.
        let over = ("8, 4, 2", "r0 = const u32 0\n store b1[90 + 108*i0 + 18*i1 + 17*i2] r0");
        assert_eq!(with_previous(&[ROWS, over]), [false, false]);
        let fewer = ("7, 4, 2", "r0 = const u32 0\n store b1[18 + 108*i0 + 18*i1 + 17*i2] r0");
        assert_eq!(with_previous(&[ROWS, fewer]), [false, false]);
        let other_stride = ("8, 4, 2", "r0 = const u32 0\n store b1[18 + 90*i0 + 18*i1 + 17*i2] r0");
        assert_eq!(with_previous(&[ROWS, other_stride]), [false, false]);
        // Reads what the next turn of the step before stores.
        let ahead = ("8, 4, 2", "r0 = load b1[127 + 108*i0 + 18*i1 + i2]\n store b2[8*i0 + 2*i1 + i2] r0");
        let rows = ("9, 4, 16", "r0 = load b0[64*i0 + 16*i1 + i2]\n store b1[19 + 108*i0 + 18*i1 + i2] r0");
        assert_eq!(with_previous(&[rows, ahead]), [false, false]);
    }

    #[test]
    fn random_kernels_of_the_fuzz_tests_have_such_steps() {
        let kernels = (0..400).map(|seed| verify(picc_ir::kernel::testing::kernel(seed)).expect("in bounds"));
        let together = kernels.flat_map(|k| steps(&k)).filter(|s| s.with_previous).count();
        assert!(together > 20, "{together}");
    }
}

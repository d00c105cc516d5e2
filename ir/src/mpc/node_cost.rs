//! What one node of a program costs, part by part. Prices are the protocols' own:
//! [`crate::mpc::protocol::Protocol::cost`].
//!
//! A protocol over many elements runs in *parts*, one after the other, so that memory stays bounded: each part needs
//! at most [`COT_BUDGET`] correlated OTs in each direction and works on at most [`cost::BATCH`] elements at once. A
//! part is a number of *units* that do not interact: elements, planes of a pooling, rows of an argmax. Linear layers
//! are one part.

use crate::cost::Cost;
use crate::facts::Needs;
use crate::mpc::cost;
use crate::mpc::protocol::Division;
use crate::mpc::rlwe::LinearPlan;
use crate::op::Op;
use crate::ty::{Fixed, Owner, Ty, TypeError};

pub use crate::cost::COT_BUDGET;

/// `units` units of a node from unit `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub start: u64,
    pub units: u64,
}

/// Cost of a node whose operator is `op`, of all its parts.
pub fn node_cost(op: &Op, args: &[&Ty], ty: &Ty) -> Result<Cost, TypeError> {
    parts(op, args, ty)?.into_iter().map(|part| part_cost(op, args, ty, part.units)).sum()
}

/// The parts in which a node runs, in order; one of no units if it needs no message.
pub fn parts(op: &Op, args: &[&Ty], ty: &Ty) -> Result<Vec<Part>, TypeError> {
    let Division { units, elements } = division(op, args, ty)?;
    if units <= 1 {
        return Ok(vec![Part { start: 0, units }]);
    }
    let fits = |n: u64| -> Result<bool, TypeError> {
        let blocks = part_cost(op, args, ty, n)?.cots.blocks();
        Ok(blocks <= COT_BUDGET && n.saturating_mul(elements) <= cost::BATCH)
    };
    // The largest part that fits; one unit runs in any case.
    let (mut low, mut high) = (1, units + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        *(if fits(middle)? { &mut low } else { &mut high }) = middle;
    }
    let count = units.div_ceil(low);
    let (base, longer) = (units / count, units % count);
    let mut start = 0;
    Ok((0..count)
        .map(|i| {
            let part = Part { start, units: base + u64::from(i < longer) };
            start += part.units;
            part
        })
        .collect())
}

/// Units of a node and the elements of one.
fn division(op: &Op, args: &[&Ty], ty: &Ty) -> Result<Division, TypeError> {
    match op {
        Op::Mpc(op) => Ok(op.division(args, ty)),
        op => needs_no_protocol(op, args, ty).map(|()| Division::NONE),
    }
}

/// A tensor operator costs nothing where each party computes on its own: on its share, if that is linear, or on what it
/// knows.
fn needs_no_protocol(op: &Op, args: &[&Ty], ty: &Ty) -> Result<(), TypeError> {
    let known = ty.owner != Owner::Shared;
    let fits = match op.facts().needs {
        Needs::Source | Needs::Linear | Needs::Real | Needs::Boundary | Needs::Protocol => true,
        Needs::Product => known || args.iter().any(|a| a.owner == Owner::Public),
        Needs::Nonlinear => known,
    };
    if fits { Ok(()) } else { Err(TypeError::new(format!("{} names no protocol", op.name()))) }
}

/// Cost of `units` units of a node, run at once.
pub fn part_cost(op: &Op, args: &[&Ty], ty: &Ty, units: u64) -> Result<Cost, TypeError> {
    match op {
        Op::Mpc(op) => op.cost(args, ty, units),
        op => needs_no_protocol(op, args, ty).map(|()| Cost::default()),
    }
}

/// Cost of a layer under ring LWE, whose plan is at hand: the exchange is online, or it is offline and prepares the
/// layer.
pub fn planned_cost(op: &Op, args: &[&Ty], plan: &LinearPlan) -> Result<Cost, TypeError> {
    match op {
        Op::Mpc(op) => op.planned_cost(args, plan),
        op => Err(TypeError::new(format!("{} has no plan", op.name()))),
    }
}

/// The plan of a layer under ring LWE; `None` for other operators. Takes milliseconds: keep it.
pub fn linear_plan(op: &Op, args: &[&Ty]) -> Result<Option<LinearPlan>, TypeError> {
    match op {
        Op::Mpc(op) => op.plan(args),
        _ => Ok(None),
    }
}

/// Bits of the two's complement of every value in the range; what an OT product by the server's values chooses with.
#[must_use]
pub fn value_bits(f: Fixed) -> u8 {
    let magnitude = f.hi.max(!f.lo).max(0).unsigned_abs();
    (u64::BITS - magnitude.leading_zeros() + 1).min(u32::from(f.ring_bits)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mpc::{MaxPoolOt, ReluOt};

    fn shared(shape: &[usize]) -> Ty {
        Ty::fixed(shape, Fixed { lo: -4096, hi: 4095, ..Fixed::full(32, 12) }, Owner::Shared)
    }

    #[test]
    fn parts_cover_the_node_and_fit_the_budget() {
        let op = Op::from(ReluOt::exact(4));
        let ty = shared(&[1, 64, 112, 112]);
        let parts = parts(&op, &[&ty], &ty).unwrap();
        assert!(parts.len() > 1);
        let mut next = 0;
        for part in &parts {
            assert_eq!(part.start, next);
            next += part.units;
            assert!(part_cost(&op, &[&ty], &ty, part.units).unwrap().cots.blocks() <= COT_BUDGET);
        }
        assert_eq!(next, ty.len() as u64);
        let total: u64 = parts.iter().map(|p| part_cost(&op, &[&ty], &ty, p.units).unwrap().online.total()).sum();
        assert_eq!(node_cost(&op, &[&ty], &ty).unwrap().online.total(), total);
    }

    #[test]
    fn planes_of_a_pooling_stay_whole() {
        let op = Op::from(MaxPoolOt {
            kernel: [2, 2],
            stride: [2, 2],
            pads: [0; 4],
            dilation: [1, 1],
            radix: 4,
            skip_low: 0,
        });
        let (x, y) = (shared(&[1, 64, 112, 112]), shared(&[1, 64, 56, 56]));
        let parts = parts(&op, &[&x], &y).unwrap();
        assert_eq!(parts.iter().map(|p| p.units).sum::<u64>(), 64);
        assert!(parts.len() > 1);
    }

    #[test]
    fn bits_of_a_range() {
        let bits = |lo, hi| value_bits(Fixed { lo, hi, ..Fixed::full(32, 0) });
        assert_eq!([bits(-128, 127), bits(-129, 0), bits(0, 1), bits(0, 0), bits(-1, 0)], [8, 9, 2, 1, 1]);
        assert_eq!(value_bits(Fixed::full(64, 0)), 64);
    }
}

//! What one node of a program costs: the one place that maps operators to the prices of their protocols.
//!
//! A protocol over many elements runs in *parts*, one after the other, so that memory stays bounded: each part needs
//! at most [`COT_BUDGET`] correlated OTs in each direction and works on at most [`cost::BATCH`] elements at once. A
//! part is a number of *units* that do not interact: elements, planes of a pooling, rows of an argmax. Linear layers
//! are one part.

use crate::Party;
use crate::cost::Cost;
use crate::geom::{ConvGeom, MatMulGeom};
use crate::mpc::cost;
use crate::mpc::cost::AxisWindows;
use crate::mpc::rlwe::{ConvPlan, Hiding, LinearPlan, MatMulPlan, WeightLayout};
use crate::op::Op;
use crate::ty::{Fixed, Owner, Ty, TypeError};

/// Correlated OTs of all widths per direction that are reserved at once: 256 MiB of memory at each party and direction. Less would
/// cost rounds (SqueezeNet: 1214 with 2^22, 577 with 2^24), more is not reached by parts of [`cost::BATCH`] elements.
pub const COT_BUDGET: u64 = 1 << 24;

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
    let (units, elements) = division(op, args, ty)?;
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
fn division(op: &Op, args: &[&Ty], ty: &Ty) -> Result<(u64, u64), TypeError> {
    let rows = |len: u64| Ok(((args[0].len() as u64).checked_div(len).unwrap_or(0), len));
    match op {
        Op::ReluOt(_)
        | Op::ReluRescaleOt(_)
        | Op::ReluGc(_)
        | Op::MaxOt(_)
        | Op::TruncReduceFaithful(_)
        | Op::ExtendOt(_)
        | Op::MulOt(_)
        | Op::SquareOt(_) => Ok((ty.len() as u64, 1)),
        Op::MaxPoolOt(_) => rows(args[0].shape.iter().rev().take(2).map(|&d| d as u64).product()),
        Op::ReduceMaxOt(op) => rows(op.axes.iter().map(|&a| args[0].shape[a] as u64).product()),
        Op::ArgMaxOt(op) => rows(args[0].shape[op.axis] as u64),
        Op::Reveal(_) | Op::ConvOt(_) | Op::MatMulOt(_) | Op::ConvRlwe(_) | Op::MatMulRlwe(_) => {
            Ok((1, ty.len() as u64))
        }
        Op::ConvPre(_) | Op::MatMulPre(_) => Ok((1, ty.len() as u64)),
        Op::TruncReduceLocal(_) | Op::Share(_) => Ok((0, 0)),
        Op::Input(_) | Op::Weight(_) | Op::Const(_) => Ok((0, 0)),
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Neg(_) | Op::Shl(_) => Ok((0, 0)),
        Op::Concat(_) | Op::Slice(_) | Op::Pad(_) | Op::Reshape(_) | Op::Transpose(_) => Ok((0, 0)),
        Op::Expand(_) | Op::Gather(_) | Op::ZeroInsert(_) | Op::SumPool(_) | Op::ReduceSum(_) => Ok((0, 0)),
        Op::Reduce(_) | Op::Assume(_) => Ok((0, 0)),
        Op::Softmax(_) | Op::LogSoftmax(_) | Op::Unary(_) | Op::Div(_) | Op::Lrn(_) | Op::Dequantize(_) => {
            Ok((0, 0))
        }
        Op::Conv(_) | Op::MatMul(_) => local_product(op, args, ty).map(|()| (0, 0)),
        Op::Relu(_) | Op::Max(_) | Op::MaxPool(_) | Op::ReduceMax(_) => known_to_one(op, ty).map(|()| (0, 0)),
        Op::ArgMax(_) | Op::TruncReduce(_) | Op::Extend(_) => known_to_one(op, ty).map(|()| (0, 0)),
    }
}

/// A party computes on what it knows without the other; on shared values these need a protocol.
fn known_to_one(op: &Op, ty: &Ty) -> Result<(), TypeError> {
    match ty.owner {
        Owner::Client | Owner::Public | Owner::Server => Ok(()),
        Owner::Shared => Err(TypeError::new(format!("{} names no protocol", op.name()))),
    }
}

/// A product with a public factor is linear.
fn local_product(op: &Op, args: &[&Ty], ty: &Ty) -> Result<(), TypeError> {
    if args.iter().any(|a| a.owner == Owner::Public) { Ok(()) } else { known_to_one(op, ty) }
}

/// Cost of `units` units of a node, run at once.
pub fn part_cost(op: &Op, args: &[&Ty], ty: &Ty, units: u64) -> Result<Cost, TypeError> {
    let argument = |i: usize| ring(args[i]);
    match op {
        Op::ReluOt(op) => Ok(cost::relu_window(units, argument(0)?.ring_bits, op.skip_low, op.radix)),
        Op::ReluRescaleOt(op) => {
            Ok(cost::relu_rescale(units, argument(0)?.ring_bits, op.shift, op.ring_bits, op.radix))
        }
        Op::MaxOt(op) => Ok(cost::max(units, argument(0)?.ring_bits, op.radix)),
        Op::MaxPoolOt(op) => {
            let [vertical, horizontal] = windows(op, args[0])?;
            cost::max_pool_window(units, &vertical, &horizontal, argument(0)?.ring_bits, op.skip_low, op.radix)
                .ok_or_else(|| TypeError::new("a window of padding only"))
        }
        Op::ReduceMaxOt(op) => {
            let len = op.axes.iter().map(|&a| args[0].shape[a] as u64).product();
            Ok(cost::reduce_max(units, len, argument(0)?.ring_bits, op.radix))
        }
        Op::ArgMaxOt(op) => {
            let len = args[0].shape[op.axis] as u64;
            Ok(cost::argmax(units, len, argument(0)?.ring_bits, ring(ty)?.ring_bits, op.radix))
        }
        Op::TruncReduceFaithful(op) => Ok(cost::trunc_faithful(units, argument(0)?.ring_bits, op.shift, op.radix)),
        Op::TruncReduceLocal(_) => Ok(cost::trunc_local()),
        Op::ExtendOt(op) => Ok(cost::extend(units, argument(0)?.ring_bits, op.ring_bits)),
        Op::Reveal(op) => Ok(cost::reveal(ty.len() as u64, ring(ty)?.ring_bits, op.to)),
        Op::MulOt(_) if args[1].owner == Owner::Server => {
            let bits = value_bits(argument(1)?);
            Ok(cost::mul_server(units, argument(0)?.ring_bits, bits, Party::Server))
        }
        Op::MulOt(_) => Ok(cost::mul(units, argument(0)?.ring_bits)),
        Op::SquareOt(op) => Ok(cost::square(units, argument(0)?.ring_bits, op.receiver)),
        Op::ConvOt(op) => Ok(cost::conv_ot(&op.geom, argument(0)?.ring_bits, op.weight_bits, op.receiver)),
        Op::MatMulOt(op) => {
            let x = argument(usize::from(op.weights_left))?;
            Ok(cost::matmul_ot(&op.geom, x.ring_bits, op.weight_bits, op.weights_left, op.receiver))
        }
        Op::ReluGc(_) => Ok(cost::relu_gc(units)),
        Op::ConvRlwe(_) | Op::MatMulRlwe(_) | Op::ConvPre(_) | Op::MatMulPre(_) => {
            let plan = linear_plan(op, args)?.ok_or_else(|| TypeError::new("no plan"))?;
            planned_cost(op, args, &plan)
        }
        Op::Share(_) | Op::Input(_) | Op::Weight(_) | Op::Const(_) => Ok(Cost::default()),
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Neg(_) | Op::Shl(_) => Ok(Cost::default()),
        Op::Concat(_) | Op::Slice(_) | Op::Pad(_) | Op::Reshape(_) | Op::Transpose(_) => Ok(Cost::default()),
        Op::Expand(_) | Op::Gather(_) | Op::ZeroInsert(_) | Op::SumPool(_) => Ok(Cost::default()),
        Op::ReduceSum(_) | Op::Reduce(_) | Op::Assume(_) => Ok(Cost::default()),
        Op::Softmax(_) | Op::LogSoftmax(_) | Op::Unary(_) | Op::Div(_) | Op::Lrn(_) | Op::Dequantize(_) => {
            Ok(Cost::default())
        }
        Op::Conv(_) | Op::MatMul(_) => local_product(op, args, ty).map(|()| Cost::default()),
        Op::Relu(_) | Op::Max(_) | Op::MaxPool(_) | Op::ReduceMax(_) => {
            known_to_one(op, ty).map(|()| Cost::default())
        }
        Op::ArgMax(_) | Op::TruncReduce(_) | Op::Extend(_) => known_to_one(op, ty).map(|()| Cost::default()),
    }
}

/// Cost of a layer under ring LWE, whose plan is at hand: the exchange is online, or it is offline and prepares the layer.
pub fn planned_cost(op: &Op, args: &[&Ty], plan: &LinearPlan) -> Result<Cost, TypeError> {
    let traffic = plan.traffic();
    if let Op::ConvPre(op) = op {
        Ok(cost::conv_pre(&op.geom, ring(args[0])?.ring_bits, traffic))
    } else if let Op::MatMulPre(op) = op {
        let x = ring(args[usize::from(op.weights_left)])?;
        Ok(cost::matmul_pre(&op.geom, x.ring_bits, op.weights_left, traffic))
    } else {
        Ok(traffic.into())
    }
}

/// The plan of a layer under ring LWE; `None` for other operators. Takes milliseconds: keep it.
///
/// With the weights on the left, `W x` is computed as the transpose of `x^T W^T`.
pub fn linear_plan(op: &Op, args: &[&Ty]) -> Result<Option<LinearPlan>, TypeError> {
    let product = |geom: MatMulGeom, weight_bits: u8, weights_left: bool, hiding: Hiding| -> Result<_, TypeError> {
        let ring_bits = ring(args[usize::from(weights_left)])?.ring_bits.into();
        let MatMulGeom { batch, rows, inner, cols } = geom;
        let (geom, layout) = if weights_left {
            (MatMulGeom { batch, rows: cols, inner, cols: rows }, WeightLayout::ColsInner)
        } else {
            (geom, WeightLayout::InnerCols)
        };
        Ok(MatMulPlan::new(geom, layout, ring_bits, weight_bits.into(), hiding).map(|p| p.linear))
    };
    let conv = |geom: ConvGeom, weight_bits: u8, hiding: Hiding| -> Result<_, TypeError> {
        let ring_bits = ring(args[0])?.ring_bits;
        Ok(ConvPlan::new(geom, ring_bits.into(), weight_bits.into(), hiding).map(|p| p.linear))
    };
    // What is prepared before the input is known is exact in every program.
    let plan = match op {
        Op::ConvRlwe(op) => conv(op.geom, op.weight_bits, op.hiding)?,
        Op::ConvPre(op) => conv(op.geom, op.weight_bits, Hiding::Flood)?,
        Op::MatMulRlwe(op) => product(op.geom, op.weight_bits, op.weights_left, op.hiding)?,
        Op::MatMulPre(op) => product(op.geom, op.weight_bits, op.weights_left, Hiding::Flood)?,
        _ => return Ok(None),
    };
    plan.map(Some).map_err(|e| TypeError::new(e.to_string()))
}

fn ring(ty: &Ty) -> Result<Fixed, TypeError> {
    ty.as_fixed().ok_or_else(|| TypeError::new(format!("needs a ring, got {ty}")))
}

/// Bits of the two's complement of every value in the range; what an OT product by the server's values chooses with.
#[must_use]
pub fn value_bits(f: Fixed) -> u8 {
    let magnitude = f.hi.max(!f.lo).max(0).unsigned_abs();
    (u64::BITS - magnitude.leading_zeros() + 1).min(u32::from(f.ring_bits)) as u8
}

/// The windows of a pooling of `[n, c, h, w]`, `[vertical, horizontal]`.
pub fn windows(op: &crate::mpc::MaxPoolOt, x: &Ty) -> Result<[AxisWindows; 2], TypeError> {
    let &[_, _, h, w] = &x.shape[..] else {
        return Err(TypeError::new(format!("needs [n, c, h, w], got {x}")));
    };
    let axis = |i: usize, len| AxisWindows {
        len,
        kernel: op.kernel[i],
        stride: op.stride[i],
        dilation: op.dilation[i],
        pad_before: op.pads[i],
        pad_after: op.pads[i + 2],
    };
    Ok([axis(0, h), axis(1, w)])
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

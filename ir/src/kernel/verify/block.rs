//! Registers, lanes and constants of a block of instructions.

use super::Fault;
use crate::kernel::{Accumulator, BinaryOp, Inst, Kernel, Lane, Nest, Reg};

/// Lane of the register of each position; `None` where the instruction gives no value. Checks all that concerns
/// registers and lanes, and that buffers and accumulators exist.
pub fn lanes(kernel: &Kernel, accs: &[Accumulator], block: &[Inst]) -> Result<Vec<Option<Lane>>, Fault> {
    let mut lanes: Vec<Option<Lane>> = Vec::with_capacity(block.len());
    for (at, inst) in block.iter().enumerate() {
        let wrong = |why| Fault::Instruction { at, why };
        let of = |reg: Reg| -> Result<Lane, Fault> {
            lanes.get(reg.0 as usize).copied().flatten().ok_or(Fault::Undefined { at, reg: reg.0 })
        };
        let same = |a: Reg, b: Reg| {
            let (a, b) = (of(a)?, of(b)?);
            if a == b { Ok(a) } else { Err(wrong("operands of different lanes")) }
        };
        let buffer =
            |buffer: u32| kernel.buffers.get(buffer as usize).map(|b| b.lane).ok_or(Fault::NoBuffer { buffer });
        let acc = |acc: u32| accs.get(acc as usize).map(|a| a.lane).ok_or(wrong("no such accumulator"));
        let lane = match inst {
            Inst::Const { lane, value } if *value <= lane.mask() => Some(*lane),
            Inst::Const { .. } => return Err(wrong("the constant does not fit its lane")),
            Inst::Load { buffer: b, .. } => Some(buffer(*b)?),
            Inst::Binary { op: _, a, b } | Inst::Compare { op: _, a, b } => Some(same(*a, *b)?),
            Inst::Shift { op: _, a, bits } => {
                let lane = of(*a)?;
                if u32::from(*bits) >= lane.bits() {
                    return Err(wrong("a shift by the lane's width or more"));
                }
                Some(lane)
            }
            Inst::Select { mask, a, b } => {
                same(*mask, *a)?;
                Some(same(*a, *b)?)
            }
            Inst::Convert { lane, signed: _, a } => of(*a).map(|_| Some(*lane))?,
            Inst::Total { acc: a } => Some(acc(*a)?),
            Inst::Store { buffer: b, a, .. } => {
                if buffer(*b)? != of(*a)? {
                    return Err(wrong("a value of another lane than its buffer"));
                }
                None
            }
            Inst::Accumulate { acc: to, a } => {
                if acc(*to)? != of(*a)? {
                    return Err(wrong("a value of another lane than its accumulator"));
                }
                None
            }
        };
        lanes.push(lane);
    }
    Ok(lanes)
}

/// Shape of a nest, its accumulators, and which instructions stand in which block.
pub(super) fn check(kernel: &Kernel, nest: &Nest) -> Result<(), Fault> {
    let loops = nest.loops.len() + nest.reduce.len();
    if loops > super::MAX_LOOPS {
        return Err(Fault::Loops { found: loops });
    }
    if nest.loops.contains(&0) || nest.reduce.contains(&0) {
        return Err(Fault::EmptyLoop);
    }
    if nest.reduce.is_empty() && !(nest.accs.is_empty() && nest.body.is_empty()) {
        return Err(Fault::NothingToReduce);
    }
    for (i, acc) in nest.accs.iter().enumerate() {
        let wrong = |why| Err(Fault::Accumulator { acc: i, why });
        if acc.op == BinaryOp::Sub {
            return wrong("differences depend on the order");
        }
        if acc.start > acc.lane.mask() {
            return wrong("the start does not fit its lane");
        }
    }
    for (at, inst) in nest.body.iter().enumerate() {
        match inst {
            Inst::Total { .. } => return Err(Fault::Instruction { at, why: "a total in a body" }),
            Inst::Store { .. } => return Err(Fault::Instruction { at, why: "a store in a body" }),
            _ => (),
        }
    }
    for (at, inst) in nest.finish.iter().enumerate() {
        if let Inst::Accumulate { .. } = inst {
            return Err(Fault::Instruction { at, why: "an accumulation after the body" });
        }
    }
    lanes(kernel, &nest.accs, &nest.body)?;
    lanes(kernel, &nest.accs, &nest.finish).map(drop)
}

//! Accumulators as the machine values that loops carry.

use super::super::plan::Plan;
use super::super::value::{Ops, Parts, Val, per_vector};
use super::{NestEmitter, Unit};
use cranelift_codegen::ir::{Block, Value};
use picc_ir::kernel::{BinaryOp, Lane};

impl NestEmitter<'_, '_, '_> {
    pub(super) fn append(&mut self, block: Block, like: Value) -> Value {
        let ty = self.b.func.dfg.value_type(like);
        self.b.append_block_param(block, ty)
    }

    /// Accumulators of all units as machine values.
    pub(super) fn flatten(&mut self, units: &[Unit], accs: &[Vec<Val>]) -> Parts {
        let mut out = Parts::new();
        for (unit, accs) in units.iter().zip(accs) {
            let mut ops = Ops { b: self.b, width: unit.width };
            for (acc, spec) in accs.iter().zip(self.plan.accs) {
                match unit.width {
                    1 => out.push(ops.scalar(spec.lane, acc)),
                    _many => out.extend(ops.vector(spec.lane, acc)),
                }
            }
        }
        out
    }
}

pub(super) fn unflatten(plan: &Plan, units: &[Unit], mut flat: &[Value], accs: &mut [Vec<Val>]) {
    for (unit, accs) in units.iter().zip(accs) {
        for (acc, spec) in accs.iter_mut().zip(plan.accs) {
            let count = if unit.width == 1 { 1 } else { unit.width / per_vector(spec.lane) };
            let (own, rest) = flat.split_at(count);
            flat = rest;
            *acc = if unit.width == 1 { Val::Scalar(own[0]) } else { Val::Vector(own.into()) };
        }
    }
}

/// What partial results start with.
pub(super) fn neutral(op: BinaryOp, lane: Lane) -> u64 {
    match op {
        BinaryOp::Add | BinaryOp::Sub | BinaryOp::Or | BinaryOp::Xor => 0,
        BinaryOp::Mul => 1,
        BinaryOp::And => lane.mask(),
    }
}

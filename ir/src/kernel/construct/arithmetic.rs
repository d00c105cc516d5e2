//! Lane arithmetic of one attempt: what is known to be zero costs nothing, and bits above a ring are cleared only where
//! they matter.

use super::expr::{Attempt, Val};
use crate::Party;
use crate::kernel::{BinaryOp, Inst, Lane, ShiftOp};

impl Attempt<'_, '_> {
    pub fn sum(&mut self, op: BinaryOp, lane: Lane, a: Val, b: Val) -> Val {
        match (op, a, b) {
            (BinaryOp::Sub, Val::Zero, Val::Reg { reg, .. }) => {
                let zero = self.constant(lane, 0);
                Val::Reg { reg: self.binary(op, zero, reg), clean: false }
            }
            (_, a, Val::Zero) => a,
            (_, Val::Zero, b) => b,
            (_, Val::Reg { reg: a, .. }, Val::Reg { reg: b, .. }) => {
                Val::Reg { reg: self.binary(op, a, b), clean: false }
            }
        }
    }

    pub fn product(&mut self, a: Val, b: Val) -> Val {
        match (a, b) {
            (Val::Zero, _) | (_, Val::Zero) => Val::Zero,
            (Val::Reg { reg: a, .. }, Val::Reg { reg: b, .. }) => {
                Val::Reg { reg: self.binary(BinaryOp::Mul, a, b), clean: false }
            }
        }
    }

    pub fn shifted_left(&mut self, val: Val, bits: u8) -> Val {
        match val {
            Val::Reg { reg, .. } if bits > 0 => {
                Val::Reg { reg: self.push(Inst::Shift { op: ShiftOp::Left, a: reg, bits }), clean: false }
            }
            val => val,
        }
    }

    /// The value mod a smaller ring.
    pub fn reduced(&mut self, val: Val, from: u8, to: u8) -> Val {
        match val {
            Val::Zero => Val::Zero,
            Val::Reg { reg, .. } => {
                let reg = self.convert(reg, Lane::of_ring(from), Lane::of_ring(to));
                Val::Reg { reg, clean: false }
            }
        }
    }

    /// `runtime::protocol::trunc_local`: the server adds `2^shift - 1`, both shift.
    pub fn truncated(&mut self, val: Val, ring: u8, shift: u8) -> Val {
        let Val::Reg { reg, clean } = val else { return Val::Zero };
        if shift == 0 {
            return val;
        }
        let lane = Lane::of_ring(ring);
        let mut val = Val::Reg { reg, clean };
        if self.b.party == Party::Server {
            let offset = self.constant(lane, u64::MAX >> (64 - shift));
            val = Val::Reg { reg: self.binary(BinaryOp::Add, reg, offset), clean: false };
        }
        let a = self.clean(val, ring);
        let reg = self.push(Inst::Shift { op: ShiftOp::Logical, a, bits: shift });
        let reg = self.convert(reg, lane, Lane::of_ring(ring - shift));
        Val::Reg { reg, clean: true }
    }
}

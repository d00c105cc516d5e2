//! A register of a kernel as machine values: one for all elements of a unit, one each, or 128-bit vectors.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::V128Imm;
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;
use picc_ir::kernel::{BinaryOp, CompareOp, Lane, ShiftOp};
use smallvec::SmallVec;

pub(super) type Parts = SmallVec<[Value; 4]>;

#[derive(Clone, Debug)]
pub(super) enum Val {
    Const(u64),
    /// The same for every element, or the only element.
    Scalar(Value),
    /// One per element.
    Lanes(Parts),
    /// 128 bits each, elements in order.
    Vector(Parts),
}

/// A unit's elements and how wide a value of `lane` is: everything an operation needs to know.
pub(super) struct Ops<'a, 'f> {
    pub b: &'a mut FunctionBuilder<'f>,
    /// Elements of the unit; 1: scalars only.
    pub width: usize,
}

pub(super) fn scalar_type(lane: Lane) -> Type {
    match lane {
        Lane::U16 => types::I16,
        Lane::U32 => types::I32,
        Lane::U64 => types::I64,
    }
}

pub(super) fn vector_type(lane: Lane) -> Type {
    match lane {
        Lane::U16 => types::I16X8,
        Lane::U32 => types::I32X4,
        Lane::U64 => types::I64X2,
    }
}

/// Elements of one 128-bit vector.
pub(super) fn per_vector(lane: Lane) -> usize {
    128 / lane.bits() as usize
}

fn little() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little)
}

impl Ops<'_, '_> {
    pub fn iconst(&mut self, lane: Lane, value: u64) -> Value {
        self.b.ins().iconst(scalar_type(lane), value as i64)
    }

    fn vconst(&mut self, lane: Lane, value: u64) -> Value {
        let bytes = &value.to_le_bytes()[..lane.bytes()];
        let data: ConstantData = bytes.repeat(per_vector(lane)).into();
        let constant = self.b.func.dfg.constants.insert(data);
        self.b.ins().vconst(vector_type(lane), constant)
    }

    /// As one machine value; `val` must not differ between elements.
    pub fn scalar(&mut self, lane: Lane, val: &Val) -> Value {
        match val {
            Val::Const(c) => self.iconst(lane, *c),
            Val::Scalar(v) => *v,
            Val::Lanes(p) | Val::Vector(p) => {
                debug_assert!(false, "a value that varies used as one");
                p[0]
            }
        }
    }

    /// As 128-bit vectors.
    pub fn vector(&mut self, lane: Lane, val: &Val) -> Parts {
        let n = per_vector(lane);
        let count = self.width / n;
        match val {
            Val::Const(c) => {
                let v = self.vconst(lane, *c);
                SmallVec::from_elem(v, count)
            }
            Val::Scalar(s) => {
                let v = self.b.ins().splat(vector_type(lane), *s);
                SmallVec::from_elem(v, count)
            }
            Val::Lanes(elements) => elements.chunks(n).map(|c| self.gather(lane, c)).collect(),
            Val::Vector(parts) => parts.clone(),
        }
    }

    fn gather(&mut self, lane: Lane, elements: &[Value]) -> Value {
        let mut v = self.b.ins().scalar_to_vector(vector_type(lane), elements[0]);
        for (i, &e) in elements.iter().enumerate().skip(1) {
            v = self.b.ins().insertlane(v, e, i as u8);
        }
        v
    }

    /// One machine value per element.
    pub fn elements(&mut self, lane: Lane, val: &Val) -> Parts {
        match val {
            Val::Const(_) | Val::Scalar(_) => {
                let v = self.scalar(lane, val);
                SmallVec::from_elem(v, self.width)
            }
            Val::Lanes(elements) => elements.clone(),
            Val::Vector(parts) => {
                let n = per_vector(lane);
                (0..self.width).map(|i| self.b.ins().extractlane(parts[i / n], (i % n) as u8)).collect()
            }
        }
    }

    fn varies(&self, val: &Val) -> bool {
        match val {
            Val::Const(_) | Val::Scalar(_) => false,
            Val::Lanes(_) | Val::Vector(_) => true,
        }
    }

    pub fn binary(&mut self, op: BinaryOp, lane: Lane, a: &Val, b: &Val) -> Val {
        if !self.varies(a) && !self.varies(b) {
            let (a, b) = (self.scalar(lane, a), self.scalar(lane, b));
            return Val::Scalar(self.binary1(op, a, b));
        }
        let (a, b) = (self.vector(lane, a), self.vector(lane, b));
        Val::Vector(a.iter().zip(&b).map(|(&a, &b)| self.binary1(op, a, b)).collect())
    }

    pub fn binary1(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        let ins = self.b.ins();
        match op {
            BinaryOp::Add => ins.iadd(a, b),
            BinaryOp::Sub => ins.isub(a, b),
            BinaryOp::Mul => ins.imul(a, b),
            BinaryOp::And => ins.band(a, b),
            BinaryOp::Or => ins.bor(a, b),
            BinaryOp::Xor => ins.bxor(a, b),
        }
    }

    pub fn shift(&mut self, op: ShiftOp, lane: Lane, a: &Val, bits: u8) -> Val {
        let varies = self.varies(a);
        let parts = if varies { self.vector(lane, a) } else { SmallVec::from_elem(self.scalar(lane, a), 1) };
        let amount = self.b.ins().iconst(types::I32, i64::from(bits));
        let shifted: Parts = parts
            .iter()
            .map(|&v| match op {
                ShiftOp::Left => self.b.ins().ishl(v, amount),
                ShiftOp::Logical => self.b.ins().ushr(v, amount),
                ShiftOp::Arithmetic => self.b.ins().sshr(v, amount),
            })
            .collect();
        if varies { Val::Vector(shifted) } else { Val::Scalar(shifted[0]) }
    }

    pub fn compare(&mut self, op: CompareOp, lane: Lane, a: &Val, b: &Val) -> Val {
        let cc = match op {
            CompareOp::Equal => IntCC::Equal,
            CompareOp::LessUnsigned => IntCC::UnsignedLessThan,
            CompareOp::LessSigned => IntCC::SignedLessThan,
        };
        if !self.varies(a) && !self.varies(b) {
            let (a, b) = (self.scalar(lane, a), self.scalar(lane, b));
            let bit = self.b.ins().icmp(cc, a, b);
            return Val::Scalar(self.b.ins().bmask(scalar_type(lane), bit));
        }
        let (a, b) = (self.vector(lane, a), self.vector(lane, b));
        Val::Vector(a.iter().zip(&b).map(|(&a, &b)| self.b.ins().icmp(cc, a, b)).collect())
    }

    pub fn select(&mut self, lane: Lane, mask: &Val, a: &Val, b: &Val) -> Val {
        if !self.varies(mask) && !self.varies(a) && !self.varies(b) {
            let (m, a, b) = (self.scalar(lane, mask), self.scalar(lane, a), self.scalar(lane, b));
            // Bits, not a conditional move: the mask need not be all ones or zero.
            let differ = self.b.ins().bxor(a, b);
            let chosen = self.b.ins().band(differ, m);
            return Val::Scalar(self.b.ins().bxor(chosen, b));
        }
        let (m, a, b) = (self.vector(lane, mask), self.vector(lane, a), self.vector(lane, b));
        Val::Vector((0..m.len()).map(|i| self.b.ins().bitselect(m[i], a[i], b[i])).collect())
    }

    pub fn convert(&mut self, from: Lane, to: Lane, signed: bool, a: &Val) -> Val {
        if from == to {
            return a.clone();
        }
        if !self.varies(a) {
            let v = self.scalar(from, a);
            let ty = scalar_type(to);
            return Val::Scalar(match (to < from, signed) {
                (true, _) => self.b.ins().ireduce(ty, v),
                (false, true) => self.b.ins().sextend(ty, v),
                (false, false) => self.b.ins().uextend(ty, v),
            });
        }
        let mut parts = self.vector(from, a);
        let mut lane = from;
        while lane < to {
            parts = parts.iter().flat_map(|&v| self.widen(v, signed)).collect();
            lane = if lane == Lane::U16 { Lane::U32 } else { Lane::U64 };
        }
        while lane > to {
            parts = parts.chunks(2).map(|p| self.narrow(lane, p[0], p[1])).collect();
            lane = if lane == Lane::U64 { Lane::U32 } else { Lane::U16 };
        }
        Val::Vector(parts)
    }

    fn widen(&mut self, v: Value, signed: bool) -> [Value; 2] {
        if signed {
            [self.b.ins().swiden_low(v), self.b.ins().swiden_high(v)]
        } else {
            [self.b.ins().uwiden_low(v), self.b.ins().uwiden_high(v)]
        }
    }

    /// Low halves of the lanes of `a`, then of `b`.
    fn narrow(&mut self, lane: Lane, a: Value, b: Value) -> Value {
        if lane == Lane::U32 {
            let low = self.vconst(Lane::U32, 0xffff);
            let (a, b) = (self.b.ins().band(a, low), self.b.ins().band(b, low));
            return self.b.ins().unarrow(a, b);
        }
        self.shuffle(Lane::U32, a, b, |i| 2 * i)
    }

    /// Element `i` of the result is element `pick(i)` of `a` followed by `b`, counted in lanes of `lane`.
    pub fn shuffle(&mut self, lane: Lane, a: Value, b: Value, pick: impl Fn(usize) -> usize) -> Value {
        let size = lane.bytes();
        let mut mask = [0u8; 16];
        for (byte, m) in mask.iter_mut().enumerate() {
            *m = (pick(byte / size) * size + byte % size) as u8;
        }
        let mask = self.b.func.dfg.immediates.push(ConstantData::from(V128Imm(mask)));
        let (a, b) = (self.bytes(a), self.bytes(b));
        let shuffled = self.b.ins().shuffle(a, b, mask);
        self.b.ins().bitcast(vector_type(lane), little(), shuffled)
    }

    fn bytes(&mut self, v: Value) -> Value {
        self.b.ins().bitcast(types::I8X16, little(), v)
    }
}

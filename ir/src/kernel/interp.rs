//! Reference interpreter: the meaning of a kernel, one instruction at a time.

use super::{
    Access, Affine, BinaryOp, CompareOp, Index, Inst, Kernel, Lane, Nest, Primitive, Reg, ShiftOp, Step, Verified,
    View,
};
use crate::semantics::convolution::convolve;

/// Why a kernel was not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    #[error("the kernel has {expected} buffers of its caller, {found} were given")]
    Buffers { expected: usize, found: usize },
    #[error("buffer b{buffer} has {expected} elements, {found} were given")]
    Length { buffer: usize, expected: usize, found: usize },
    #[error("element {element} of buffer b{buffer} does not fit its lane")]
    Lane { buffer: usize, element: usize },
}

/// Runs a kernel on its caller's buffers: one vector for each that is not scratch, in order, of elements below
/// `2^lane`. Those of `Write` are overwritten.
pub fn run(kernel: &Verified, buffers: &mut [Vec<u64>]) -> Result<(), RunError> {
    let callers: Vec<usize> =
        (0..kernel.buffers.len()).filter(|&i| kernel.buffers[i].access != Access::Scratch).collect();
    if callers.len() != buffers.len() {
        return Err(RunError::Buffers { expected: callers.len(), found: buffers.len() });
    }
    let mut memory: Vec<Vec<u64>> = kernel.buffers.iter().map(|_| Vec::new()).collect();
    for (&i, given) in callers.iter().zip(buffers.iter()) {
        let buffer = &kernel.buffers[i];
        if given.len() != buffer.len {
            return Err(RunError::Length { buffer: i, expected: buffer.len, found: given.len() });
        }
        let large = given.iter().position(|v| *v > buffer.lane.mask());
        if let Some(element) = large.filter(|_| buffer.access == Access::Read) {
            return Err(RunError::Lane { buffer: i, element });
        }
    }
    for (&i, given) in callers.iter().zip(buffers.iter_mut()) {
        memory[i] = std::mem::take(given);
    }
    for (buffer, memory) in kernel.buffers.iter().zip(&mut memory) {
        if buffer.access == Access::Scratch {
            memory.resize(buffer.len, 0);
        }
    }
    for step in &kernel.steps {
        match step {
            Step::Nest(nest) => Machine { kernel, nest, memory: &mut memory }.run(),
            Step::Call { primitive, lane, args, result } => call(primitive, *lane, args, result, &mut memory),
        }
    }
    for (&i, given) in callers.iter().zip(buffers) {
        *given = std::mem::take(&mut memory[i]);
    }
    Ok(())
}

struct Machine<'a> {
    kernel: &'a Kernel,
    nest: &'a Nest,
    memory: &'a mut [Vec<u64>],
}

/// Visits a box in row-major order. `point` holds the coordinates from `first` on.
fn advance(point: &mut [i64], extents: &[u32]) -> bool {
    let Some(axis) = (0..extents.len()).rev().find(|&k| point[k] + 1 < i64::from(extents[k])) else {
        point.fill(0);
        return false;
    };
    point[axis] += 1;
    point[axis + 1..].fill(0);
    true
}

impl Machine<'_> {
    fn run(&mut self) {
        let Nest { loops, reduce, accs, body, finish } = self.nest;
        let mut point = vec![0i64; loops.len() + reduce.len()];
        let mut registers = vec![(0u64, Lane::U64); body.len().max(finish.len())];
        loop {
            let mut totals: Vec<u64> = accs.iter().map(|a| a.start).collect();
            while !reduce.is_empty() {
                self.block(body, &point, &mut registers, &mut totals);
                if !advance(&mut point[loops.len()..], reduce) {
                    break;
                }
            }
            self.block(finish, &point, &mut registers, &mut totals);
            if !advance(&mut point[..loops.len()], loops) {
                return;
            }
        }
    }

    fn block(&mut self, block: &[Inst], point: &[i64], registers: &mut [(u64, Lane)], totals: &mut [u64]) {
        for (at, inst) in block.iter().enumerate() {
            let of = |r: &Reg| registers[r.0 as usize];
            registers[at] = match inst {
                Inst::Const { lane, value } => (*value, *lane),
                Inst::Load { buffer, index } => {
                    let element = self.element(index, point);
                    (self.memory[*buffer as usize][element], self.kernel.buffers[*buffer as usize].lane)
                }
                Inst::Binary { op, a, b } => {
                    let ((a, lane), (b, _)) = (of(a), of(b));
                    (binary(*op, a, b) & lane.mask(), lane)
                }
                Inst::Shift { op, a, bits } => {
                    let (a, lane) = of(a);
                    let value = match op {
                        ShiftOp::Left => a << bits,
                        ShiftOp::Logical => a >> bits,
                        ShiftOp::Arithmetic => (signed(a, lane) >> bits).cast_unsigned(),
                    };
                    (value & lane.mask(), lane)
                }
                Inst::Compare { op, a, b } => {
                    let ((a, lane), (b, _)) = (of(a), of(b));
                    let holds = match op {
                        CompareOp::Equal => a == b,
                        CompareOp::LessUnsigned => a < b,
                        CompareOp::LessSigned => signed(a, lane) < signed(b, lane),
                    };
                    (if holds { lane.mask() } else { 0 }, lane)
                }
                Inst::Select { mask, a, b } => {
                    let ((mask, lane), (a, _), (b, _)) = (of(mask), of(a), of(b));
                    ((mask & a) | (!mask & b), lane)
                }
                Inst::Convert { lane, signed: true, a } => {
                    let (a, from) = of(a);
                    (signed(a, from).cast_unsigned() & lane.mask(), *lane)
                }
                Inst::Convert { lane, signed: false, a } => (of(a).0 & lane.mask(), *lane),
                Inst::Total { acc } => (totals[*acc as usize], self.nest.accs[*acc as usize].lane),
                Inst::Store { buffer, index, a } => {
                    let element = self.element(index, point);
                    self.memory[*buffer as usize][element] = of(a).0;
                    continue;
                }
                Inst::Accumulate { acc, a } => {
                    let (i, fold) = (*acc as usize, self.nest.accs[*acc as usize]);
                    totals[i] = binary(fold.op, totals[i], of(a).0) & fold.lane.mask();
                    continue;
                }
            };
        }
    }

    fn element(&self, index: &Index, point: &[i64]) -> usize {
        let at = |a: &Affine| a.strides.iter().zip(point).map(|(s, i)| s * i).sum::<i64>() + a.offset;
        match index {
            Index::Affine(a) => at(a) as usize,
            Index::Table { table, at: entry, base } => {
                let entry = self.kernel.tables[*table as usize][at(entry) as usize];
                (at(base) + i64::from(entry)) as usize
            }
        }
    }
}

fn signed(v: u64, lane: Lane) -> i64 {
    crate::ty::wrap(v.cast_signed(), lane.bits() as u8)
}

/// Of 64 bits; the caller cuts the result to its lane.
fn binary(op: BinaryOp, a: u64, b: u64) -> u64 {
    match op {
        BinaryOp::Add => a.wrapping_add(b),
        BinaryOp::Sub => a.wrapping_sub(b),
        BinaryOp::Mul => a.wrapping_mul(b),
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
    }
}

/// The result of a primitive mod `2^lane`.
fn call(primitive: &Primitive, lane: Lane, args: &[View; 2], result: &View, memory: &mut [Vec<u64>]) {
    let arg = |view: &View, len: usize| -> Vec<i64> {
        memory[view.buffer as usize][view.offset..view.offset + len].iter().map(|v| v.cast_signed()).collect()
    };
    let out = match primitive {
        Primitive::Conv(g) => {
            let x = arg(&args[0], g.n * g.c_in * g.h * g.w);
            let w = arg(&args[1], g.c_out * g.fan_in());
            convolve(&x, &w, g).data
        }
        Primitive::MatMul(g) => {
            let a = arg(&args[0], g.batch * g.rows * g.inner);
            let b = arg(&args[1], g.batch * g.inner * g.cols);
            let mut out = vec![0i64; g.batch * g.rows * g.cols];
            for (i, row) in out.chunks_exact_mut(g.cols).enumerate() {
                let b = &b[i / g.rows * g.inner * g.cols..];
                for (k, &factor) in a[i * g.inner..(i + 1) * g.inner].iter().enumerate() {
                    for (sum, &v) in row.iter_mut().zip(&b[k * g.cols..]) {
                        *sum = sum.wrapping_add(factor.wrapping_mul(v));
                    }
                }
            }
            out
        }
    };
    let to = &mut memory[result.buffer as usize][result.offset..];
    for (slot, v) in to.iter_mut().zip(out) {
        *slot = v.cast_unsigned() & lane.mask();
    }
}

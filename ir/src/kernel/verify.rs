//! The verifier of kernels: what must hold before anybody runs one or makes code of it.
//!
//! ```text
//! size       buffers, tables, instructions, points and multiply-adds are bounded
//! types      registers are defined before they are used, lanes match, shifts stay below the lane
//! bounds     every index of every access lies inside its buffer, every entry used of a table too
//! access     what is only read is not stored; what is loaded was stored, by an earlier step, if it is not the caller's
//! order      points of a nest's outer loops do not meet: they store different elements, and load what the nest stores
//!            only at the element that they store themselves
//! exit       every element of every `Write` buffer has been stored
//! ```
//! Bounds are exact: an affine index over a box takes its extremes at corners. That different points store different
//! elements is shown by nested strides (each larger than what the smaller ones reach together) or, where that fails, by
//! trying all points, within a budget.

use super::{Access, Kernel, Primitive, Step, View};
use crate::ops::Conv;
use crate::semantics::extent::checked;

mod access;
mod block;
mod cover;

pub use block::lanes;

/// Buffers of one kernel.
pub const MAX_BUFFERS: usize = 1 << 16;
/// Bytes of all buffers of one kernel.
pub const MAX_BYTES: u128 = 1 << 36;
/// Bytes that a kernel allocates itself.
pub const MAX_SCRATCH_BYTES: u128 = 1 << 34;
/// Entries of all tables.
pub const MAX_ENTRIES: u128 = 1 << 24;
/// Steps of one kernel.
pub const MAX_STEPS: usize = 1 << 16;
/// Instructions of all nests.
pub const MAX_INSTRUCTIONS: u128 = 1 << 20;
/// Outer and reduction loops of a nest, together.
pub const MAX_LOOPS: usize = 16;
/// Points of all nests, and multiply-adds of all calls.
pub const MAX_WORK: u128 = 1 << 40;
/// Indices and runs of elements that the verifier looks at one by one, in all.
pub const MAX_TRIED: u64 = 1 << 26;

/// Why a kernel is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    #[error("{what}: {found}, at most {limit} are allowed")]
    TooLarge { what: &'static str, found: u128, limit: u128 },
    #[error("buffer b{buffer} is empty")]
    EmptyBuffer { buffer: usize },
    #[error("element {element} of buffer b{buffer} is never stored")]
    NeverStored { buffer: usize, element: u64 },
    #[error("step {step}: {fault}")]
    Step { step: usize, fault: Fault },
}

/// What is wrong with a step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a loop of no points")]
    EmptyLoop,
    #[error("{found} loops, at most {MAX_LOOPS} are allowed")]
    Loops { found: usize },
    #[error("accumulators or a body without reduction loops")]
    NothingToReduce,
    #[error("a{acc}: {why}")]
    Accumulator { acc: usize, why: &'static str },
    #[error("r{at}: {why}")]
    Instruction { at: usize, why: &'static str },
    #[error("r{at}: r{reg} is no earlier value")]
    Undefined { at: usize, reg: u32 },
    #[error("there is no buffer b{buffer}")]
    NoBuffer { buffer: u32 },
    #[error("there is no table t{table}")]
    NoTable { table: u32 },
    #[error("an index with {found} strides in {loops} loops")]
    Strides { found: usize, loops: usize },
    #[error("b{buffer}: indices {lo} to {hi} of {len} elements")]
    OutOfBounds { buffer: u32, lo: i128, hi: i128, len: usize },
    #[error("t{table}: indices {lo} to {hi} of {len} entries")]
    OutOfTable { table: u32, lo: i128, hi: i128, len: usize },
    #[error("b{buffer} is only read")]
    ReadOnly { buffer: u32 },
    #[error("b{buffer}: two points store the same element")]
    StoredTwice { buffer: u32 },
    #[error("b{buffer}: nothing shows, within the budget, that points store different elements")]
    TooManyStores { buffer: u32 },
    #[error("b{buffer} is loaded at another index than the one that this nest stores")]
    LoadedElsewhere { buffer: u32 },
    #[error("b{buffer}: elements {lo} to {hi} are loaded before they are stored")]
    Uninitialised { buffer: u32, lo: u64, hi: u64 },
    #[error("b{buffer} has another lane than the call")]
    Lane { buffer: u32 },
    #[error("no such product: {why}")]
    Geometry { why: String },
    #[error("the result overlaps an argument")]
    Overlap,
}

/// A kernel that holds what the verifier promises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verified(Kernel);

impl Verified {
    #[must_use]
    pub fn into_inner(self) -> Kernel {
        self.0
    }
}

impl std::ops::Deref for Verified {
    type Target = Kernel;

    fn deref(&self) -> &Kernel {
        &self.0
    }
}

/// Checks everything; the first violation is reported.
pub fn verify(kernel: Kernel) -> Result<Verified, KernelError> {
    sizes(&kernel)?;
    let mut state = State::new(&kernel);
    for (at, step) in kernel.steps.iter().enumerate() {
        match step {
            Step::Nest(nest) => state.nest(nest),
            Step::Call { primitive, lane, args, result } => state.call(primitive, *lane, args, result),
        }
        .map_err(|fault| KernelError::Step { step: at, fault })?;
    }
    for (buffer, b) in kernel.buffers.iter().enumerate() {
        if b.access == Access::Write
            && let Some(element) = state.stored[buffer].first_gap(b.len as u64)
        {
            return Err(KernelError::NeverStored { buffer, element });
        }
    }
    Ok(Verified(kernel))
}

fn limited(what: &'static str, found: u128, limit: u128) -> Result<(), KernelError> {
    if found <= limit { Ok(()) } else { Err(KernelError::TooLarge { what, found, limit }) }
}

fn sizes(kernel: &Kernel) -> Result<(), KernelError> {
    limited("buffers", kernel.buffers.len() as u128, MAX_BUFFERS as u128)?;
    let (mut all, mut scratch) = (0u128, 0u128);
    for (buffer, b) in kernel.buffers.iter().enumerate() {
        if b.len == 0 {
            return Err(KernelError::EmptyBuffer { buffer });
        }
        let bytes = b.len as u128 * b.lane.bytes() as u128;
        all += bytes;
        scratch += if b.access == Access::Scratch { bytes } else { 0 };
    }
    limited("bytes of buffers", all, MAX_BYTES)?;
    limited("bytes of scratch buffers", scratch, MAX_SCRATCH_BYTES)?;
    limited("table entries", kernel.tables.iter().map(|t| t.len() as u128).sum(), MAX_ENTRIES)?;
    limited("steps", kernel.steps.len() as u128, MAX_STEPS as u128)?;
    let count = |f: &dyn Fn(&Step) -> u128| kernel.steps.iter().map(f).fold(0, u128::saturating_add);
    let instructions = count(&|step| match step {
        Step::Nest(nest) => (nest.body.len() + nest.finish.len()) as u128,
        Step::Call { .. } => 1,
    });
    limited("instructions", instructions, MAX_INSTRUCTIONS)?;
    let product = |extents: &[u32]| extents.iter().fold(1u128, |n, &e| n.saturating_mul(e.into()));
    let work = count(&|step| match step {
        Step::Nest(nest) => product(&nest.loops).saturating_mul(product(&nest.reduce)),
        Step::Call { primitive, .. } => shapes(primitive).map_or(0, |s| s.work),
    });
    limited("points and multiply-adds", work, MAX_WORK)
}

/// Elements of a call's operands.
struct Shapes {
    args: [u128; 2],
    result: u128,
    work: u128,
}

/// Sizes of a product whose geometry makes sense.
fn shapes(primitive: &Primitive) -> Result<Shapes, Fault> {
    let refused = |e: crate::ty::TypeError| Fault::Geometry { why: e.0 };
    let len =
        |shape: &[usize]| checked(shape).map(|s| s.iter().map(|&d| d as u128).product::<u128>()).map_err(refused);
    match primitive {
        Primitive::Conv(g) => {
            let per_group = g.c_in.checked_div(g.groups).unwrap_or(0);
            let (x, w) = ([g.n, g.c_in, g.h, g.w], [g.c_out, per_group, g.kh, g.kw]);
            let args = [len(&x)?, len(&w)?];
            let derived = Conv::of(g).geom(&x, &w).map_err(refused)?;
            let [oh, ow] = derived.out_hw();
            let result = len(&[g.n, g.c_out, oh, ow])?;
            Ok(Shapes { args, result, work: result.saturating_mul(g.fan_in() as u128) })
        }
        Primitive::MatMul(g) => {
            let args = [len(&[g.batch, g.rows, g.inner])?, len(&[g.batch, g.inner, g.cols])?];
            let result = len(&[g.batch, g.rows, g.cols])?;
            Ok(Shapes { args, result, work: result.saturating_mul(g.inner as u128) })
        }
    }
}

/// What is known after some steps.
struct State<'a> {
    kernel: &'a Kernel,
    /// Elements of each buffer that earlier steps stored.
    stored: Vec<cover::Cover>,
    /// What is left of [`MAX_TRIED`].
    budget: u64,
}

impl<'a> State<'a> {
    fn new(kernel: &'a Kernel) -> State<'a> {
        let stored = kernel.buffers.iter().map(|_| cover::Cover::default()).collect();
        State { kernel, stored, budget: MAX_TRIED }
    }

    fn buffer(&self, buffer: u32) -> Result<&'a super::Buffer, Fault> {
        self.kernel.buffers.get(buffer as usize).ok_or(Fault::NoBuffer { buffer })
    }

    /// Elements `lo..=hi` hold something.
    fn loadable(&mut self, buffer: u32, lo: u64, hi: u64) -> Result<(), Fault> {
        let caller = self.buffer(buffer)?.access == Access::Read;
        if caller || self.stored[buffer as usize].contains(lo, hi) {
            Ok(())
        } else {
            Err(Fault::Uninitialised { buffer, lo, hi })
        }
    }

    fn call(
        &mut self,
        primitive: &Primitive,
        lane: super::Lane,
        args: &[View; 2],
        result: &View,
    ) -> Result<(), Fault> {
        let shapes = shapes(primitive)?;
        let range = |view: &View, len: u128| -> Result<(u64, u64), Fault> {
            let buffer = self.buffer(view.buffer)?;
            let (lo, hi) = (view.offset as u128, view.offset as u128 + len - 1);
            if hi >= buffer.len as u128 {
                let (lo, hi) = (lo as i128, hi as i128);
                return Err(Fault::OutOfBounds { buffer: view.buffer, lo, hi, len: buffer.len });
            }
            if buffer.lane != lane {
                return Err(Fault::Lane { buffer: view.buffer });
            }
            Ok((lo as u64, hi as u64))
        };
        let read = [range(&args[0], shapes.args[0])?, range(&args[1], shapes.args[1])?];
        let written = range(result, shapes.result)?;
        if self.buffer(result.buffer)?.access == Access::Read {
            return Err(Fault::ReadOnly { buffer: result.buffer });
        }
        for (view, (lo, hi)) in args.iter().zip(read) {
            if view.buffer == result.buffer && lo <= written.1 && written.0 <= hi {
                return Err(Fault::Overlap);
            }
            self.loadable(view.buffer, lo, hi)?;
        }
        self.stored[result.buffer as usize].add(written.0, written.1 + 1);
        Ok(())
    }
}

//! Kernel IR: what one party computes between two messages, as typed loops over ring elements.
//!
//! ```text
//! Kernel   buffers (lane width, length, access), public tables of indices, steps in order
//!   Nest   outer loops x reduction loops, affine loads and stores, wrapping lane arithmetic
//!   Call   a named primitive of the runtime: a product in the ring
//! ```
//! There is no data-dependent branch and no data-dependent address: what is loaded never reaches an index, so emitted
//! code takes the same path whatever the secrets are. Extents, strides and tables are constants of the kernel; every
//! access is proven inside its buffer before code is made of it: [`verify::verify`] makes a [`Verified`] kernel, which
//! is what interpreters and code generators take.
//!
//! Kernels do not travel. A program carries only its segmentation, lists of node ids; each party builds the kernels
//! from the verified graph itself ([`construct`]), so that a stranger's program cannot make a kernel compute anything
//! but its nodes.

pub mod construct;
pub mod interp;
pub mod stats;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod verify;

pub use verify::{KernelError, Verified};

use crate::geom::{ConvGeom, MatMulGeom};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Machine word that holds one ring element: arithmetic wraps mod `2^bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    U16,
    U32,
    U64,
}

impl Lane {
    /// Width in bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Lane::U16 => 16,
            Lane::U32 => 32,
            Lane::U64 => 64,
        }
    }

    /// Width in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.bits() as usize / 8
    }

    /// All ones.
    #[must_use]
    pub fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// The narrowest lane that holds a ring of `ring_bits` bits (1..=64).
    #[must_use]
    pub fn of_ring(ring_bits: u8) -> Lane {
        match ring_bits {
            0..=16 => Lane::U16,
            17..=32 => Lane::U32,
            33.. => Lane::U64,
        }
    }
}

/// What a kernel may do with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Access {
    /// The caller's, only read.
    Read,
    /// The caller's, uninitialised at entry; every element is stored by the end, and before it is loaded.
    Write,
    /// The kernel's own, uninitialised at entry, gone at exit.
    Scratch,
}

/// Memory of `len` lanes. Distinct buffers never overlap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Buffer {
    pub name: String,
    pub lane: Lane,
    /// In elements.
    pub len: usize,
    pub access: Access,
}

/// `offset + sum over k of strides[k] * i[k]`, in elements. Missing strides are 0. The loop indices are those of the
/// nest's outer loops, outermost first, then (in a nest's body) those of its reduction loops.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Affine {
    pub offset: i64,
    pub strides: SmallVec<[i64; 6]>,
}

impl Affine {
    /// Trailing strides of 0 are left out.
    #[must_use]
    pub fn new(offset: i64, strides: &[i64]) -> Affine {
        let used = strides.iter().rposition(|&s| s != 0).map_or(0, |last| last + 1);
        Affine { offset, strides: SmallVec::from_slice(&strides[..used]) }
    }
}

/// Where a load or store goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Index {
    Affine(Affine),
    /// `base` + entry `at` of a public table.
    Table {
        table: u32,
        at: Affine,
        base: Affine,
    },
}

/// Result of an earlier instruction of the same block: its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reg(pub u32);

/// Lane arithmetic, wrapping; both operands and the result have the same lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
}

/// Shifts by a constant number of bits, below the lane's width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ShiftOp {
    Left,
    /// Zeros come in.
    Logical,
    /// Copies of the top bit come in.
    Arithmetic,
}

/// Comparison of two lanes; the result is a mask of the same lane: all ones or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CompareOp {
    Equal,
    LessUnsigned,
    LessSigned,
}

/// One instruction; those that give a value define the register of their position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Inst {
    Const {
        lane: Lane,
        /// Below `2^lane`.
        value: u64,
    },
    Load {
        buffer: u32,
        index: Index,
    },
    Binary {
        op: BinaryOp,
        a: Reg,
        b: Reg,
    },
    Shift {
        op: ShiftOp,
        a: Reg,
        bits: u8,
    },
    Compare {
        op: CompareOp,
        a: Reg,
        b: Reg,
    },
    /// `(mask & a) | (!mask & b)`, bit by bit.
    Select {
        mask: Reg,
        a: Reg,
        b: Reg,
    },
    /// To another lane: truncated, or extended with zeros or with copies of the top bit.
    Convert {
        lane: Lane,
        signed: bool,
        a: Reg,
    },
    /// Value of an accumulator; in `finish` only.
    Total {
        acc: u32,
    },
    /// Gives no value; in `finish` only.
    Store {
        buffer: u32,
        index: Index,
        a: Reg,
    },
    /// `acc = acc op a`. Gives no value; in `body` only.
    Accumulate {
        acc: u32,
        a: Reg,
    },
}

/// A sum (or another fold, in any order) over the reduction loops; `op` is not `Sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Accumulator {
    pub lane: Lane,
    pub op: BinaryOp,
    pub start: u64,
}

/// For each point of the outer loops, in row-major order: set the accumulators to their starts, run `body` for each
/// point of the reduction loops, run `finish`.
///
/// A buffer that is stored is loaded in the same nest only at the index at which it is stored, so that points of the
/// outer loops are independent of each other and may run side by side; stores of different points go to different
/// elements. Where a nest stores one buffer several times, the rule holds for all of its stores together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nest {
    /// Extents of the outer loops, outermost first; all at least 1.
    pub loops: SmallVec<[u32; 6]>,
    /// Extents of the reduction loops, outermost first, all at least 1; empty: there is no body and there are no
    /// accumulators.
    pub reduce: SmallVec<[u32; 4]>,
    pub accs: Vec<Accumulator>,
    pub body: Vec<Inst>,
    pub finish: Vec<Inst>,
}

/// A product in the ring that emitted code leaves to hand-written micro-kernels, mod `2^lane`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Primitive {
    /// Arguments: x `[n, c_in, h, w]`, w `[c_out, c_in / groups, kh, kw]`, result `[n, c_out, oh, ow]`.
    Conv(ConvGeom),
    /// Arguments: a `[batch, rows, inner]`, b `[batch, inner, cols]`, result `[batch, rows, cols]`.
    MatMul(MatMulGeom),
}

/// Part of a buffer that begins at element `offset` and is as long as its use says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct View {
    pub buffer: u32,
    pub offset: usize,
}

/// One step of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    Nest(Nest),
    Call {
        primitive: Primitive,
        lane: Lane,
        /// Read.
        args: [View; 2],
        /// Overwritten.
        result: View,
    },
}

/// A stretch of local work of one party.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kernel {
    pub buffers: Vec<Buffer>,
    /// Public indices, in elements of the buffer that they are used for.
    pub tables: Vec<Vec<u32>>,
    pub steps: Vec<Step>,
}

impl Kernel {
    /// The same kernel without the names of its buffers, which mean nothing to it: equal layers have equal ones.
    #[must_use]
    pub fn anonymous(&self) -> Kernel {
        let mut kernel = self.clone();
        kernel.buffers.iter_mut().for_each(|b| b.name.clear());
        kernel
    }
}

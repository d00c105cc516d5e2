//! Text form of kernels; printer and parser round-trip (strides of 0 at the end of an index are not printed).
//!
//! ```text
//! kernel {
//!   b0: u64[64] read "x"
//!   b1: u32[16] write "y"
//!   t0: [0, 0, 1, 1]
//!   nest [1, 4, 4] reduce [2, 2] {
//!     a0: u64 add 0
//!     body {
//!       r0 = load b0[16*i1 + 2*i2 + 8*i3 + i4]
//!       accumulate a0 r0
//!     }
//!     finish {
//!       r0 = total a0
//!       r1 = convert u32 r0
//!       store b1[4*i1 + i2] r1
//!     }
//!   }
//!   call matmul {"batch":1,"rows":1,"inner":4,"cols":4} u32 b2+0 b3+0 -> b1+0
//! }
//! ```
//! `i0, i1, ..` are the outer loops, then the reduction loops; registers are numbered by position.

use super::{
    Access, Accumulator, Affine, BinaryOp, Buffer, CompareOp, Index, Inst, Kernel, Lane, Nest, Primitive, Reg,
    ShiftOp, Step, View,
};
use crate::text::TextError;
use std::fmt;

mod parse;

pub use parse::parse;

impl std::str::FromStr for Kernel {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Kernel, TextError> {
        parse(text)
    }
}

/// A type whose values have names in the text.
trait Named: Copy + PartialEq + 'static {
    const NAMES: &'static [(&'static str, Self)];

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, v)| *v == self).map_or("?", |(name, _)| name)
    }
}

impl Named for Lane {
    const NAMES: &'static [(&'static str, Lane)] = &[("u16", Lane::U16), ("u32", Lane::U32), ("u64", Lane::U64)];
}

impl Named for Access {
    const NAMES: &'static [(&'static str, Access)] =
        &[("read", Access::Read), ("write", Access::Write), ("scratch", Access::Scratch)];
}

impl Named for BinaryOp {
    const NAMES: &'static [(&'static str, BinaryOp)] = &[
        ("add", BinaryOp::Add),
        ("sub", BinaryOp::Sub),
        ("mul", BinaryOp::Mul),
        ("and", BinaryOp::And),
        ("or", BinaryOp::Or),
        ("xor", BinaryOp::Xor),
    ];
}

impl Named for ShiftOp {
    const NAMES: &'static [(&'static str, ShiftOp)] =
        &[("shl", ShiftOp::Left), ("shr", ShiftOp::Logical), ("sar", ShiftOp::Arithmetic)];
}

impl Named for CompareOp {
    const NAMES: &'static [(&'static str, CompareOp)] =
        &[("eq", CompareOp::Equal), ("ltu", CompareOp::LessUnsigned), ("lts", CompareOp::LessSigned)];
}

/// The text form.
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel {{")?;
        for (i, Buffer { name, lane, len, access }) in self.buffers.iter().enumerate() {
            let name = serde_json::Value::from(name.as_str());
            writeln!(f, "  b{i}: {}[{len}] {} {name}", lane.name(), access.name())?;
        }
        for (i, table) in self.tables.iter().enumerate() {
            writeln!(f, "  t{i}: [{}]", list(table))?;
        }
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))?;
        writeln!(f, "}}")
    }
}

fn list(values: &[u32]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Nest(nest) => write!(f, "{nest}"),
            Step::Call { primitive, lane, args: [a, b], result } => {
                writeln!(f, "  call {primitive} {} {a} {b} -> {result}", lane.name())
            }
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, geom) = match self {
            Primitive::Conv(geom) => ("conv", serde_json::to_string(geom)),
            Primitive::MatMul(geom) => ("matmul", serde_json::to_string(geom)),
        };
        write!(f, "{name} {}", geom.map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}+{}", self.buffer, self.offset)
    }
}

impl fmt::Display for Nest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  nest [{}]", list(&self.loops))?;
        if !self.reduce.is_empty() {
            write!(f, " reduce [{}]", list(&self.reduce))?;
        }
        writeln!(f, " {{")?;
        for (i, Accumulator { lane, op, start }) in self.accs.iter().enumerate() {
            writeln!(f, "    a{i}: {} {} {start}", lane.name(), op.name())?;
        }
        for (name, block) in [("body", &self.body), ("finish", &self.finish)] {
            if block.is_empty() {
                continue;
            }
            writeln!(f, "    {name} {{")?;
            for (at, inst) in block.iter().enumerate() {
                match inst {
                    Inst::Store { .. } | Inst::Accumulate { .. } => writeln!(f, "      {inst}")?,
                    Inst::Const { .. }
                    | Inst::Load { .. }
                    | Inst::Binary { .. }
                    | Inst::Shift { .. }
                    | Inst::Compare { .. }
                    | Inst::Select { .. }
                    | Inst::Convert { .. }
                    | Inst::Total { .. } => writeln!(f, "      r{at} = {inst}")?,
                }
            }
            writeln!(f, "    }}")?;
        }
        writeln!(f, "  }}")
    }
}

/// Without the register that it defines.
impl fmt::Display for Inst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inst::Const { lane, value } => write!(f, "const {} {value}", lane.name()),
            Inst::Load { buffer, index } => write!(f, "load b{buffer}[{index}]"),
            Inst::Binary { op, a, b } => write!(f, "{} {a} {b}", op.name()),
            Inst::Shift { op, a, bits } => write!(f, "{} {a} {bits}", op.name()),
            Inst::Compare { op, a, b } => write!(f, "{} {a} {b}", op.name()),
            Inst::Select { mask, a, b } => write!(f, "select {mask} {a} {b}"),
            Inst::Convert { lane, signed, a } => {
                write!(f, "convert {}{} {a}", if *signed { "signed " } else { "" }, lane.name())
            }
            Inst::Total { acc } => write!(f, "total a{acc}"),
            Inst::Store { buffer, index, a } => write!(f, "store b{buffer}[{index}] {a}"),
            Inst::Accumulate { acc, a } => write!(f, "accumulate a{acc} {a}"),
        }
    }
}

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Index::Affine(at) => write!(f, "{at}"),
            Index::Table { table, at, base } => write!(f, "t{table}[{at}] + {base}"),
        }
    }
}

/// `4 + 16*i1 - 2*i2 + i3`
impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strides = self.strides.iter().enumerate().filter(|(_, s)| **s != 0);
        let mut first = true;
        if self.offset != 0 || strides.clone().next().is_none() {
            write!(f, "{}", self.offset)?;
            first = false;
        }
        for (k, &s) in strides {
            match (first, s < 0) {
                (true, true) => write!(f, "-")?,
                (true, false) => (),
                (false, true) => write!(f, " - ")?,
                (false, false) => write!(f, " + ")?,
            }
            first = false;
            match s.unsigned_abs() {
                1 => write!(f, "i{k}")?,
                n => write!(f, "{n}*i{k}")?,
            }
        }
        Ok(())
    }
}

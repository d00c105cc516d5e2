//! Products in rings of up to 16, 32, 52 and 64 bits, by hand-written inner loops.
//!
//! Constant time: which loop runs, and what it reads and writes, follows from types and shapes alone.

mod arith;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod choose;
mod conv;
mod element;
mod engine;
mod isa;
mod layout;
mod matmul;
mod panel;
mod portable;
mod select;
mod tile;

pub use arith::Scheme;
pub use choose::{Known, choose};
pub use conv::{PackedConv, ShapeError, conv_u16, conv_u32, conv_u32_narrow, conv_u64, conv_u64_narrow};
pub use element::Element;
pub use isa::Isa;
pub(crate) use isa::vectorized;
pub use matmul::{PackedRight, matmul, matmul_on_threads, matmul_u16, matmul_u32, matmul_u64};

#[cfg(test)]
mod tests;

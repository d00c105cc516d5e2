//! Products in rings of up to 16, 32, 52 and 64 bits, by hand-written inner loops.
//!
//! Decided by measurement: `cargo run --release --manifest-path tests/products/Cargo.toml`, GMAC/s of one run on a core of
//! an AMD EPYC with AVX2 (Zen 3), otherwise idle, 2026-11-30; windows are unfolded within the time:
//!
//! | | 3x3, 64 to 64, 56x56, u64 | the same, u32 | 1x1, 256 to 64, 56x56, u64 | the same, u32 |
//! |---|---|---|---|---|
//! | reference interpreter | 2.1 | 2.4 | 2.1 | 1.5 |
//! | plain Rust, autovectorized (baseline x86-64) | 2.1 | 4.2 | 1.9 | 4.4 |
//! | `ndarray`, wrapping integers | 0.6 | 1.1 | 0.7 | 1.1 |
//! | `gemm`, f64, a product for each limb: 3 or 2 | 4.2 | 6.2 | 3.8 | 5.0 |
//! | micro-kernel | 6.2 | 23.6 | 5.9 | 17.2 |
//! | micro-kernel, 16-bit weights | 7.3 | 27.8 | 7.5 | 14.4 |
//! | micro-kernel, 16-bit weights and values |  | 52.4 |  | 26.5 |
//! | micro-kernel, f64, sums below 2^53 | 9.2 |  | 6.7 |  |
//! | for comparison: `gemm`, one f64 product, sums below 2^53 | 13.7 | 13.4 | 14.9 | 13.4 |
//! | for comparison: the same of windows unfolded before | 16.7 | 17.2 | 17.3 | 17.5 |
//!
//! Emitted code calls these.
//! A product mod 2^64 is 1.5 to 2 times as fast as the best other way to the same result, and 0.4 to 0.54 of a single f64
//! product, which is another result: AVX2 multiplies 32 bits at a time, three times for 8 lanes even if weights are
//! narrow, on two ports, 5.3 products a cycle; f64 does 8. Where ranges show that sums stay below 2^53, f64 lanes give the
//! same result; they reach 0.45 to 0.67 of `gemm`, with conversions from and to integers that its time does not hold.
//! Mod 2^32 it is 1.1 to 2.1 times the single f64 product.
//!
//! Constant time: which loop runs, and what it reads and writes, follows from types and shapes alone.

mod ahead;
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
mod limbs;
mod matmul;
mod panel;
mod portable;
mod runs;
mod select;
mod source;
mod space;
mod sums;
mod tile;

pub use arith::Scheme;
pub use choose::{Known, choose};
pub use conv::{PackedConv, ShapeError};
pub use element::Element;
pub use isa::Isa;
pub(crate) use isa::{Loops, vectorized};
pub use limbs::Limbs;
pub use matmul::{PackedRight, matmul, matmul_on_threads};

#[cfg(test)]
mod tests;

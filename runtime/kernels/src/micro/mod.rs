//! Products in rings of up to 16, 32, 52 and 64 bits, by hand-written inner loops.
//!
//! Decided by measurement: `cargo run --release --manifest-path tests/products/Cargo.toml`, GMAC/s of one run on a core of
//! an AMD EPYC with AVX2 (Zen 3), which other programs shared, 2026-11-30; windows are unfolded within the time:
//!
//! | | 3x3, 64 to 64, 56x56, u64 | the same, u32 | 1x1, 256 to 64, 56x56, u64 | the same, u32 |
//! |---|---|---|---|---|
//! | reference interpreter | 1.6 | 1.8 | 1.3 | 1.3 |
//! | plain Rust, autovectorized (baseline x86-64) | 1.9 | 4.0 | 1.7 | 4.4 |
//! | `ndarray`, wrapping integers | 0.5 | 1.0 | 0.6 | 1.1 |
//! | `gemm`, f64, a product for each limb: 3 or 2 | 3.5 | 5.6 | 3.2 | 5.1 |
//! | micro-kernel | 6.0 | 23.4 | 6.2 | 19.9 |
//! | micro-kernel, 16-bit weights | 6.9 | 26.7 | 6.0 | 16.6 |
//! | micro-kernel, 16-bit weights and values | | 51.6 | | 27.8 |
//! | for comparison: `gemm`, one f64 product, sums below 2^53 | 11.0 | 11.8 | 13.6 | 12.8 |
//! | for comparison: the same of windows unfolded before | 15.1 | 15.6 | 17.0 | 15.7 |
//!
//! Emitted code calls these.
//! A product mod 2^64 is 1.8 to 2 times as fast as the best other way to the same result, and 0.4 to 0.6 of a single f64
//! product, which is another result: AVX2 multiplies 32 bits at a time, three times for 8 lanes even if weights are
//! narrow, on two ports, 5.3 products a cycle; f64 does 8. Mod 2^32 it is 1.3 to 2 times the single f64 product.
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

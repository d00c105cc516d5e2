//! Products in rings of any number of bits, by hand-written inner loops.
//!
//! Decided by measurement: `cargo run --release --manifest-path tests/products/Cargo.toml`, GMAC/s of one run on an
//! otherwise idle core of an Intel Xeon with AVX-512 IFMA and VNNI (family 6, model 207), 2026-11-30; windows are
//! unfolded, and values cut into limbs, within the time:
//!
//! | | 3x3, 64 to 64, 56x56, u64 | the same, u32 | 1x1, 256 to 64, 56x56, u64 | the same, u32 |
//! |---|---|---|---|---|
//! | reference interpreter | 2.9 | 2.9 | 2.0 | 1.6 |
//! | plain Rust, autovectorized (baseline x86-64) | 1.8 | 3.7 | 1.7 | 3.5 |
//! | `ndarray`, wrapping integers | 0.6 | 0.8 | 0.6 | 0.8 |
//! | `gemm`, f64, a product for each limb: 3 or 2 | 6.8 | 10.0 | 5.5 | 7.3 |
//! | micro-kernel, any weights | 11.5 | 28.5 | 10.0 | 24.7 |
//! | 16-bit weights | 24.3 | 76.0 | 16.1 | 50.1 |
//! | 12-bit weights | 28.2 | | 18.9 | |
//! | 8-bit weights | 35.4 | | 23.4 | |
//! | 12-bit weights, mod 2^48 | 40.5 | | 26.3 | |
//! | 16-bit weights, mod 2^37 | 47.7 | | 29.2 | |
//! | any weights, mod 2^52 | 37.0 | | 27.0 | |
//! | 16-bit weights and values | | 143.7 | | 77.2 |
//! | f64, values and sums below 2^51 | 37.3 | | 28.6 | |
//! | for comparison: `gemm`, one f64 product, sums below 2^53 | 23.4 | 22.4 | 24.3 | 24.8 |
//! | for comparison: the same of windows unfolded before | 25.3 | 28.1 | | |
//! | AVX2 tiles: any weights | 5.4 | 19.1 | 5.0 | 16.9 |
//! | AVX2 tiles: 16-bit weights | 9.2 | 29.5 | 7.6 | 23.6 |
//! | AVX2 tiles: 16-bit weights, mod 2^37 | 18.5 | | 14.3 | |
//! | AVX2 tiles: f64, values and sums below 2^51 | 19.7 | | 16.3 | |
//! | for comparison: `matrixmultiply`, AVX2, one f64 product | 16.4 | 14.3 | 19.3 | 18.3 |
//!
//! Emitted code and protocols call these. Programs of picc multiply values of 32 to 45 bits by weights of 11 to 16
//! bits: the rows of 2^37, 2^48 and 2^52, of which the fastest runs, 1.1 to 2.0 times one f64 product of the same
//! shape, which is right below 2^53 only, and 5 to 7 times the best other way to the same result. A full product mod
//! 2^64 is 1.7 to 1.8 times as fast as the best other way to it, but cannot reach one f64 product: of 8 lanes, AVX-512
//! does two f64 products a cycle, and two of 52 bits, but a product of 64 bits takes three such and a sum, or four of
//! 52 bits: 4 a cycle against
//! 16. Narrow weights change the count: with values in five limbs, 64 / 5 products a cycle.
//!
//! A 1x1 product reads each value for 64 products only; copying it into a panel, out of memory in this run, is a third
//! of the time. What did not help: more or fewer strips at once, taps in shorter runs, a panel strip by strip, no panel
//! where values are lanes already, fetching ahead by instruction.
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

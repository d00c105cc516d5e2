//! Products in rings of any number of bits, by hand-written inner loops.
//!
//! Decided by measurement: `cargo run --release --manifest-path tests/products/Cargo.toml`, GMAC/s of one run on an otherwise
//! idle core of an Intel Xeon with AVX-512 IFMA and VNNI (family 6, model 207), 2026-11-30; windows are unfolded, and
//! values cut into limbs, within the time:
//!
//! | | 3x3, 64 to 64, 56x56, u64 | the same, u32 | 1x1, 256 to 64, 56x56, u64 | the same, u32 |
//! |---|---|---|---|---|
//! | reference interpreter | 2.9 | 2.9 | 1.6 | 2.0 |
//! | plain Rust, autovectorized (baseline x86-64) | 1.8 | 3.7 | 1.7 | 3.5 |
//! | `ndarray`, wrapping integers | 0.6 | 0.8 | 0.6 | 0.8 |
//! | `gemm`, f64, a product for each limb: 3 or 2 | 6.9 | 10.4 | 5.4 | 7.3 |
//! | micro-kernel, any weights | 11.3 | 28.5 | 9.7 | 24.2 |
//! | 16-bit weights | 23.4 | 75.5 | 15.1 | 46.2 |
//! | 12-bit weights | 27.7 | | 18.5 | |
//! | 8-bit weights | 35.6 | | 21.7 | |
//! | 12-bit weights, mod 2^48 | 40.9 | | 24.2 | |
//! | 16-bit weights, mod 2^37 | 47.0 | | 26.3 | |
//! | any weights, mod 2^52 | 35.9 | | 24.3 | |
//! | 16-bit weights and values | | 140.6 | | 72.0 |
//! | f64, values and sums below 2^51 | 37.2 | | 24.5 | |
//! | for comparison: `gemm`, one f64 product, sums below 2^53 | 23.7 | 22.6 | 25.4 | 23.8 |
//! | for comparison: the same of windows unfolded before | 25.2 | 28.4 | | |
//! | AVX2 tiles: any weights | 5.4 | 19.3 | 4.1 | 13.7 |
//! | AVX2 tiles: 16-bit weights | 9.2 | 29.2 | 6.9 | 18.7 |
//! | AVX2 tiles: 16-bit weights, mod 2^37 | 18.5 | | 13.1 | |
//! | AVX2 tiles: f64, values and sums below 2^51 | 19.7 | | 11.0 | |
//! | for comparison: `matrixmultiply`, AVX2, one f64 product | 16.6 | 13.5 | 19.8 | 18.1 |
//!
//! Emitted code and protocols call these. Programs of picc multiply values of 32 to 45 bits by weights of 11 to 16 bits:
//! the rows of 2^37 and 2^48, 0.95 to 2 times one f64 product of the same shape, which is right below 2^53 only, and 4 to 7
//! times the best other way to the same result. A full product mod 2^64 is 1.6 to 1.8 times as fast as the best other way
//! to it, but cannot reach one f64 product: of 8 lanes, AVX-512 does two f64 products a cycle, and two of 52 bits, but a
//! product of 64 bits takes three such and a sum, or four of 52 bits: 4 a cycle against 16. Narrow weights change the
//! count: with values in five limbs, 64 / 5 products a cycle.
//!
//! A 1x1 product reads each value for 64 products only; copying it into a panel, out of memory in this run, is two fifths
//! of the time. What did not help: more or fewer strips at once, taps in shorter runs, no panel where values are lanes
//! already, fetching ahead by instruction.
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

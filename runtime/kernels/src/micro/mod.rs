//! Products in rings of any number of bits, by hand-written inner loops.
//!
//! Decided by measurement: `cargo run --release --manifest-path tests/products/Cargo.toml`, GMAC/s of one run on an otherwise
//! idle core of an Intel Xeon with AVX-512 IFMA and VNNI (family 6, model 207), 2026-11-30; windows are unfolded, and
//! values cut into limbs, within the time:
//!
//! | | 3x3, 64 to 64, 56x56, u64 | the same, u32 | 1x1, 256 to 64, 56x56, u64 | the same, u32 |
//! |---|---|---|---|---|
//! | reference interpreter | 2.9 | 2.9 | 2.0 | 1.6 |
//! | plain Rust, autovectorized (baseline x86-64) | 1.8 | 3.7 | 1.7 | 3.5 |
//! | `ndarray`, wrapping integers | 0.6 | 0.8 | 0.6 | 0.8 |
//! | `gemm`, f64, a product for each limb: 3 or 2 | 7.0 | 10.1 | 5.6 | 7.2 |
//! | micro-kernel, any weights | 11.5 | 28.4 | 10.2 | 25.5 |
//! | 16-bit weights | 24.5 | 76.1 | 16.0 | 51.2 |
//! | 12-bit weights | 28.3 | | 18.3 | |
//! | 8-bit weights | 35.5 | | 22.4 | |
//! | 12-bit weights, mod 2^48 | 41.0 | | 24.0 | |
//! | 16-bit weights, mod 2^37 | 47.5 | | 26.1 | |
//! | any weights, mod 2^52 | 36.8 | | 27.0 | |
//! | 16-bit weights and values | | 143.9 | | 78.7 |
//! | f64, values and sums below 2^51 | 37.8 | | 29.2 | |
//! | for comparison: `gemm`, one f64 product, sums below 2^53 | 24.4 | 22.4 | 26.2 | 25.6 |
//! | for comparison: the same of windows unfolded before | 25.0 | 27.5 | | |
//! | AVX2 tiles: any weights | 5.4 | 19.2 | 5.0 | 17.2 |
//! | AVX2 tiles: 16-bit weights | 9.1 | 29.5 | 7.6 | 23.5 |
//! | AVX2 tiles: 16-bit weights, mod 2^37 | 18.5 | | 13.5 | |
//! | AVX2 tiles: f64, values and sums below 2^51 | 19.8 | | 16.8 | |
//! | for comparison: `matrixmultiply`, AVX2, one f64 product | 16.4 | 14.4 | 19.4 | 18.3 |
//!
//! Emitted code and protocols call these. Programs of picc multiply values of 32 to 45 bits by weights of 11 to 16 bits:
//! the rows of 2^37, 2^48 and 2^52, of which the fastest runs, 1.0 to 1.9 times one f64 product of the same shape, which is
//! right below 2^53 only, and 5 to 7 times the best other way to the same result. A full product mod 2^64 is 1.6 to 1.8
//! times as fast as the best other way to it, but cannot reach one f64 product: of 8 lanes, AVX-512 does two f64 products a
//! cycle, and two of 52 bits, but a product of 64 bits takes three such and a sum, or four of 52 bits: 4 a cycle against
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

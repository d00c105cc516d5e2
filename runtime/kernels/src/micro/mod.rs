//! Products in rings of any number of bits, by hand-written inner loops.
//!
//! Decided by measurement: `cargo run --release --manifest-path tests/products/Cargo.toml`, GMAC/s of one run on an otherwise
//! idle core of an Intel Xeon with AVX-512 IFMA and VNNI (family 6, model 207), 2026-11-30; windows are unfolded, and
//! values cut into limbs, within the time:
//!
//! | | 3x3, 64 to 64, 56x56, u64 | the same, u32 | 1x1, 256 to 64, 56x56, u64 | the same, u32 |
//! |---|---|---|---|---|
//! | reference interpreter | 2.9 | 2.9 | 1.9 | 2.0 |
//! | plain Rust, autovectorized (baseline x86-64) | 1.9 | 3.7 | 1.7 | 3.4 |
//! | `ndarray`, wrapping integers | 0.6 | 0.8 | 0.6 | 0.8 |
//! | `gemm`, f64, a product for each limb: 3 or 2 | 6.8 | 10.5 | 4.6 | 6.3 |
//! | micro-kernel, any weights | 11.1 | 27.9 | 9.6 | 23.8 |
//! | 16-bit weights | 22.7 | 74.7 | 15.4 | 45.2 |
//! | 12-bit weights | 27.4 | | 17.3 | |
//! | 8-bit weights | 35.0 | | 21.5 | |
//! | 12-bit weights, mod 2^48 | 38.9 | | 23.1 | |
//! | 16-bit weights, mod 2^37 | 46.5 | | 25.5 | |
//! | any weights, mod 2^52 | 35.0 | | 22.6 | |
//! | 16-bit weights and values | | 139.7 | | 70.2 |
//! | f64, values and sums below 2^51 | 36.4 | | 23.0 | |
//! | for comparison: `gemm`, one f64 product, sums below 2^53 | 23.9 | 22.6 | 19.9 | 18.6 |
//! | for comparison: the same of windows unfolded before | 24.8 | 27.1 | 27.4 | 27.3 |
//! | AVX2 tiles: any weights | 5.3 | 19.0 | 5.0 | 15.1 |
//! | AVX2 tiles: 16-bit weights | 8.9 | 29.0 | 6.6 | 18.3 |
//! | AVX2 tiles: 16-bit weights, mod 2^37 | 18.3 | | 13.1 | |
//! | AVX2 tiles: f64, values and sums below 2^51 | 19.1 | | 10.9 | |
//! | for comparison: `matrixmultiply`, AVX2, one f64 product | 16.5 | 13.2 | 13.6 | 12.7 |
//!
//! Emitted code and protocols call these. Programs of picc multiply values of 32 to 45 bits by weights of 11 to 16 bits:
//! the rows of 2^37 and 2^48, 1.2 to 1.9 times one f64 product of the same shape, which is right below 2^53 only, and 5
//! to 7 times the best other way to the same result. A full product mod 2^64 is 2 to 3 times as fast as the best other way
//! to it, but cannot reach one f64 product: of 8 lanes, AVX-512 does two f64 products a cycle, and two of 52 bits, but a
//! product of 64 bits takes three such and a sum, or four of 52 bits: 4 a cycle against 16. Narrow weights change the
//! count: 64 bits of value in five limbs of 16-bit weights are 64 / 5 products a cycle.
//!
//! A 1x1 product reads each value for 64 products only: copying it into a panel, and fetching it, are a third of the time.
//! What did not help: more or fewer strips at once, taps in shorter runs, no panel where values are lanes already.
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

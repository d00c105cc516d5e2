//! Machine code for kernels: Cranelift lowering of the kernel IR, executable memory, a cache on disk, and hand-written
//! micro-kernels for products in rings.
//!
//! The one room outside the cryptography's SIMD folder in which there is unsafe code; it knows no protocol, no channel
//! and no ONNX, so that compiler and runtime both may use it.

pub mod cache;
mod call;
pub mod fast;
pub mod isa;
pub mod jit;
pub mod lower;
pub mod micro;

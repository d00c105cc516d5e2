//! Primitives. Nothing here knows a protocol or a socket.

pub mod block;
pub mod ct;
pub mod hash;
pub mod prg;
pub mod rlwe;
pub mod rng;
mod simd;
pub(crate) mod streams;
pub(crate) mod transpose;
pub(crate) mod xof;

pub use block::Block;
pub use hash::CrHash;
pub use prg::Prg;
pub use rng::Rng;

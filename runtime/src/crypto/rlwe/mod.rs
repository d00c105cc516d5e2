//! Ring LWE over `Z_q[X]/(X^N + 1)`, q a product of NTT primes: rings, sampling, ciphertexts.
//!
//! ```text
//!   Modulus (one prime) ─> NttTable ─> Ring (set of primes) ─> Poly<Coeff> <─ ntt ─> Poly<Ntt>
//!                          simd/ or portable                     SecretKey, PublicKey, Response
//! ```
//!
//! Nothing here knows a layer or a channel. Parameters and their security: [`picc_ir::mpc::rlwe::params`].

mod bits;
mod cipher;
mod encode;
mod mask;
mod modulus;
mod ntt;
mod ring;
mod sample;
mod simd;

pub use bits::{BitReader, BitWriter};
pub use cipher::{Protection, PublicKey, SecretKey, add_error};
pub use encode::Encoder;
pub use mask::{Mask, MaskSampler};
pub use modulus::{Factor, Modulus};
pub use ntt::NttTable;
pub use ring::{Accumulator, Coeff, Multiplier, Ntt, Poly, Ring, Term};
pub use sample::{Csprng, uniform};

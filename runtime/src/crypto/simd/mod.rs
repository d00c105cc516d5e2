//! Vector instructions, chosen at run time. The only unsafe code of `crypto` outside `rlwe`.
//!
//! [`Wide`], [`Vaes`], [`AesNi`] and [`Avx2`] are proofs that the processor has their instructions, so their methods
//! are safe. Each has a portable twin beside its caller, and a test there that all agree. All instructions used have
//! timing independent of data.

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(target_arch = "x86_64")]
mod aes;
#[cfg(target_arch = "x86_64")]
mod aes128;
#[cfg(target_arch = "x86_64")]
mod aes256;
#[cfg(target_arch = "x86_64")]
mod aes512;
#[cfg(target_arch = "x86_64")]
mod blake3;
#[cfg(target_arch = "x86_64")]
mod round_keys;
#[cfg(target_arch = "x86_64")]
mod transpose256;
#[cfg(target_arch = "x86_64")]
mod transpose512;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use absent::{Cipher, OutputBlocks, Root, RoundKeys, Turner};
#[cfg(target_arch = "x86_64")]
pub(crate) use blake3::Root;
#[cfg(target_arch = "x86_64")]
pub(crate) use round_keys::RoundKeys;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Cipher, OutputBlocks, Turner};

//! Vector instructions, chosen at run time. The only unsafe code of `crypto`.
//!
//! A [`Wide`] is the proof that the processor has the instructions, so its methods are safe. Each has a portable twin
//! beside its caller, and a test there that both agree. All instructions used have timing independent of data.

#[cfg(target_arch = "x86_64")]
mod aes512;
#[cfg(target_arch = "x86_64")]
mod transpose512;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use absent::RoundKeys;
#[cfg(target_arch = "x86_64")]
pub(crate) use aes512::RoundKeys;

/// Proof of AVX-512 (F, BW), VAES and GFNI.
#[derive(Clone, Copy)]
pub(crate) struct Wide(Proof);

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct Proof;

#[cfg(target_arch = "x86_64")]
impl Wide {
    pub(crate) fn detect() -> Option<Wide> {
        let present = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("gfni");
        present.then_some(Wide(Proof))
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(not(target_arch = "x86_64"))]
use absent::Proof;

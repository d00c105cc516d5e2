//! Instruction sets, chosen at run time.

use std::sync::OnceLock;

/// What the micro-kernels are written for, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain Rust.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ, VL.
    Avx512,
    /// AVX-512 with IFMA (52-bit products) and VNNI (16-bit products, added in pairs).
    Avx512Vnni,
}

impl Isa {
    pub const ALL: [Isa; 4] = [Isa::Portable, Isa::Avx2, Isa::Avx512, Isa::Avx512Vnni];

    /// The best that this processor has.
    #[must_use]
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| if portable_is_requested() { Isa::Portable } else { detect() })
    }

    #[must_use]
    pub fn is_available(self) -> bool {
        self <= Isa::best()
    }

    /// All that this processor has, for tests and measurements.
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }
}

/// In the constant-time test only.
fn portable_is_requested() -> bool {
    cfg!(feature = "portable-by-request") && std::env::var_os("PICC_TAINT_PORTABLE").is_some()
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    use std::arch::is_x86_feature_detected as has;
    if !(has!("avx2") && has!("fma")) {
        Isa::Portable
    } else if !(has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl")) {
        Isa::Avx2
    } else if !(has!("avx512ifma") && has!("avx512vnni")) {
        Isa::Avx512
    } else {
        Isa::Avx512Vnni
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::Portable
}

/// Loops that are compiled for each instruction set. A trait and no closure, because only what is inlined uses the
/// vectors: compilers leave long closures outside, but not methods with `#[inline(always)]`.
pub(crate) trait Loops {
    type Out;
    /// `#[inline(always)]`, as all that it calls in loops.
    fn run(self) -> Self::Out;
}

/// Runs loops compiled for the best instruction set.
#[inline]
pub(crate) fn vectorized<W: Loops>(work: W) -> W::Out {
    #[cfg(target_arch = "x86_64")]
    match Isa::best() {
        // SAFETY: the processor has these features.
        Isa::Avx512 | Isa::Avx512Vnni => return unsafe { on_avx512(work) },
        // SAFETY: as above.
        Isa::Avx2 => return unsafe { on_avx2(work) },
        Isa::Portable => {}
    }
    work.run()
}

/// # Safety
/// The processor has the features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn on_avx2<W: Loops>(work: W) -> W::Out {
    work.run()
}

/// # Safety
/// The processor has the features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn on_avx512<W: Loops>(work: W) -> W::Out {
    work.run()
}

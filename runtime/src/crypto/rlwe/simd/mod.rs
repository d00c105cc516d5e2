//! Vector instructions, chosen at run time. The only unsafe code of `rlwe`.
//!
//! [`Ifma`] and [`Fma`] are proofs that the processor has their instructions, so their methods are safe. Each has a
//! portable twin beside its caller, and a test there that all agree. All instructions used have timing independent of
//! data.

#[cfg(not(target_arch = "x86_64"))]
mod absent;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod fma;
#[cfg(target_arch = "x86_64")]
mod fma_ntt;
#[cfg(target_arch = "x86_64")]
mod fma_sums;

#[cfg(not(target_arch = "x86_64"))]
pub(super) use absent::Vector;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::Vector;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::ntt::NttTable;
    use super::super::ring::{Multiplier, Term};
    use super::avx512::Ifma;
    use super::fma::Fma;
    use crate::crypto::ct;

    /// Instructions for arithmetic modulo primes of up to 51 bits.
    #[derive(Clone, Copy)]
    pub(in super::super) enum Vector {
        /// AVX-512 IFMA.
        Ifma(Ifma),
        /// AVX2 and FMA.
        Fma(Fma),
    }

    impl Vector {
        /// Those that this processor has, the fastest first.
        pub(in super::super) fn available() -> impl Iterator<Item = Vector> {
            let all = Ifma::detect().map(Vector::Ifma).into_iter().chain(Fma::detect().map(Vector::Fma));
            all.filter(|_| !ct::portable())
        }

        /// The fastest that this processor has.
        pub(in super::super) fn detect() -> Option<Vector> {
            Vector::available().next()
        }

        /// Forward transform of `table.degree` reduced values.
        pub(in super::super) fn forward(self, table: &NttTable, a: &mut [u64]) {
            match self {
                Vector::Ifma(ifma) => ifma.forward(table, a),
                Vector::Fma(fma) => fma.forward(table, a),
            }
        }

        /// Inverse transform of `table.degree` reduced values.
        pub(in super::super) fn inverse(self, table: &NttTable, a: &mut [u64]) {
            match self {
                Vector::Ifma(ifma) => ifma.inverse(table, a),
                Vector::Fma(fma) => fma.inverse(table, a),
            }
        }

        /// Adds the two parts of the products of every term's halves to `(low, high)` of each half; all slices of one
        /// length, a multiple of eight.
        pub(in super::super) fn accumulate(self, sums: [(&mut [u64], &mut [u64]); 2], terms: &[Term<'_>]) {
            match self {
                Vector::Ifma(ifma) => {
                    for ((low, high), half) in sums.into_iter().zip(0..) {
                        for Term { halves, weight } in terms {
                            match weight {
                                Multiplier::Each(w) => ifma.accumulate(low, high, halves[half], w),
                                Multiplier::All(w) => ifma.accumulate_scalar(low, high, halves[half], *w),
                            }
                        }
                    }
                }
                Vector::Fma(fma) => fma.accumulate(sums, terms),
            }
        }

        /// `out + sum mod p` into `out`, of what [`Vector::accumulate`] made; false: as the portable code does it.
        pub(in super::super) fn finish(self, table: &NttTable, low: &[u64], high: &[u64], out: &mut [u64]) -> bool {
            match self {
                // The two parts are those of the portable code.
                Vector::Ifma(_) => return false,
                Vector::Fma(fma) => fma.finish(table, low, high, out),
            }
            true
        }
    }
}

//! What this machine takes for one unit of each kind of work that a deployment profile prices.
//!
//! ```text
//!   kind           what is timed, on data of the size that a layer has
//!   cot            16384 of each source: sender and receiver apart, the slower counts
//!   hash           a ReLU of 32768 elements of 32 bits, without the extension, by the OT hashes in it
//!   rlwe product   both halves of a ciphertext times a weight polynomial, one prime, 4096 coefficients
//!   ntt            a layer under ring LWE, without its products, by the transforms in it
//!   ring op        one element of an addition of shares
//! ```
//! Hashes and transforms stand for what goes with them: leaves, packing and messages; encoding, encryption, masks and
//! flooding. They are taken from whole protocols, both parties in this process, by the processor time of the busier
//! one where the system tells it.
//! The primitives are the runtime's own, with the vector code that this processor has. As many threads as a party has
//! do the same at once, since they share caches and memory in a run too. A measurement repeats a batch for its time
//! and takes the median: interruptions make few batches slow.

mod network;
mod protocols;
mod units;

pub use network::{Link, answer, measure_link};

use picc_ir::cost::profile::{CotCosts, UnitCosts};
use std::time::Duration;

/// Picoseconds of one thread for one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub kind: String,
    pub median: u64,
    /// Tenth and ninetieth percentile.
    pub spread: [u64; 2],
}

impl Measured {
    fn new(kind: &str, mut samples: Vec<u64>) -> Measured {
        samples.sort_unstable();
        let at = |percent: usize| samples.get(samples.len() * percent / 100).copied().unwrap_or(0).max(1);
        Measured { kind: kind.to_owned(), median: at(50), spread: [at(10), at(90)] }
    }
}

/// Measures every kind of work, each for `time`, on `threads` threads.
///
/// # Errors
/// If a thread cannot be started.
pub fn measure_units(threads: usize, time: Duration) -> crate::Result<(UnitCosts, Vec<Measured>)> {
    let mut table = Vec::new();
    let cot_ps = CotCosts::measured(|source| -> crate::Result<u64> {
        let slower = units::cot(source, threads, time)?;
        let median = slower.median;
        table.push(Measured { kind: format!("COT, {}", source.parameters()), ..slower });
        Ok(median)
    })?;
    let product = units::rlwe_product(threads, time)?;
    let product_ps = product.median;
    let mut of = |measured: Measured| {
        table.push(measured.clone());
        measured.median
    };
    let unit = UnitCosts {
        hash_ps: of(protocols::hash(time)?),
        rlwe_product_ps: of(product),
        ntt_ps: of(protocols::ntt(time, product_ps)?),
        ring_op_ps: of(units::ring_op(threads, time)?),
        cot_ps,
    };
    Ok((unit, table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_work_takes_time() {
        let (unit, table) = measure_units(1, Duration::from_millis(10)).unwrap();
        assert_eq!(table.len(), 8);
        for m in &table {
            assert!(m.median > 0 && m.spread[0] <= m.median && m.median <= m.spread[1], "{m:?}");
        }
        assert!(unit.rlwe_product_ps > unit.hash_ps && unit.rlwe_product_ps > unit.ring_op_ps, "{unit:?}");
    }
}

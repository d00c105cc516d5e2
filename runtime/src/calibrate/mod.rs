//! What this machine takes for one unit of each kind of work that a deployment profile prices.
//!
//! ```text
//!   kind           what is timed, on data of the size that a layer has
//!   cot, k         SoftSpoken extension by 65536 COTs: sender and receiver apart, the slower counts
//!   hash           the OT hash of 4096 blocks
//!   rlwe product   both halves of a ciphertext times a weight polynomial, one prime, 4096 coefficients
//!   ntt            4096 coefficients, one prime
//!   ring op        one element of an addition of shares
//! ```
//! The primitives are the runtime's own, with the vector code that this processor has. As many threads as a party has
//! do the same at once, since they share caches and memory in a run too. A measurement repeats a batch for its time
//! and takes the median: interruptions make few batches slow.

mod network;
mod units;

pub use network::{Link, answer, measure_link};

use picc_ir::cost::profile::{CotCosts, UnitCosts};
use picc_ir::mpc::cot;
use std::time::Duration;

/// Picoseconds of one thread for one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    pub kind: String,
    pub median: u64,
    /// Tenth and ninetieth percentile.
    pub spread: [u64; 2],
}

/// Measures every kind of work, each for `time`, on `threads` threads.
///
/// # Errors
/// If a thread cannot be started.
pub fn measure_units(threads: usize, time: Duration) -> crate::Result<(UnitCosts, Vec<Measured>)> {
    let mut table = Vec::new();
    let mut cots = Vec::new();
    for k in cot::FIELD_BITS {
        let sender = units::cot_sender(k, threads, time / 2)?;
        let receiver = units::cot_receiver(k, threads, time / 2)?;
        let slower = if sender.median > receiver.median { sender } else { receiver };
        cots.push(slower.median);
        table.push(Measured { kind: format!("COT, k = {k}"), ..slower });
    }
    let [k1, k2, k4, k8] = cots[..] else {
        return Err(crate::Error::Bug("a field of the OT extension without a price".into()));
    };
    let mut of = |measured: Measured| {
        table.push(measured.clone());
        measured.median
    };
    let unit = UnitCosts {
        hash_ps: of(units::hash(threads, time)?),
        rlwe_product_ps: of(units::rlwe_product(threads, time)?),
        ntt_ps: of(units::ntt(threads, time)?),
        ring_op_ps: of(units::ring_op(threads, time)?),
        cot_ps: CotCosts { k1, k2, k4, k8 },
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
        // A transform has twelve passes over what a product reads once.
        assert!(unit.ntt_ps > unit.rlwe_product_ps && unit.rlwe_product_ps > unit.hash_ps, "{unit:?}");
    }
}

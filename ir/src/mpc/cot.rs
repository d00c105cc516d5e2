//! What correlated OTs cost: the setup of a session and the extension by SoftSpokenOT with fields of 2^k elements.
//!
//! ```text
//!   setup      base OTs in both directions   exchange   8224 B each way
//!              puncturing corrections        exchange   4096 (k - 1) / k B each way (none at k = 1)
//!   reserve    one direction, n COTs         messages   16 (128/k - 1) ceil(n/128) B, from the OT receiver
//! ```

use crate::Party;
use crate::cost::{CotDemand, Traffic};

/// Length of delta, hence the number of base OTs and of columns of the extension.
pub const COT_BITS: u64 = 128;
/// An extension makes a multiple of so many COTs; what exceeds the demand is thrown away.
pub const COT_MULTIPLE: u64 = 128;
/// Most COTs that one extension message carries; a larger demand is sent in several messages of one flight, so that
/// the sender works while the receiver does, on buffers that fit the caches.
pub const COTS_PER_MESSAGE: u64 = 1 << 18;
/// Field sizes (log 2) that the extension offers.
pub const FIELD_BITS: [u32; 4] = [1, 2, 4, 8];
/// The field size used unless something else is asked for.
pub const DEFAULT_FIELD_BITS: u32 = 4;

/// Base OTs, both directions in one message: two points for each OT as the receiver, one point as the sender.
pub const BASE_OT_PAYLOAD: u64 = COT_BITS * 64 + 32;

/// Corrections of the punctured trees, per direction: two blocks for each level of each tree but the first level.
#[must_use]
pub fn puncture_payload(k: u32) -> u64 {
    let k = u64::from(k);
    COT_BITS / k * (k - 1) * 32
}

/// Bytes of the one message that extends by `n` COTs (`n` rounded up to [`COT_MULTIPLE`]).
#[must_use]
pub fn extension_payload(n: u64, k: u32) -> u64 {
    (COT_BITS / u64::from(k) - 1) * n.div_ceil(COT_MULTIPLE) * (COT_MULTIPLE / 8)
}

/// The sizes of the extensions that serve a demand of `n` COTs in one direction, in order.
pub fn extension_batches(n: u64) -> impl Iterator<Item = u64> {
    (0..n.div_ceil(COTS_PER_MESSAGE)).map(move |i| COTS_PER_MESSAGE.min(n - i * COTS_PER_MESSAGE))
}

/// Traffic of setting up a session: base OTs and puncturing, both directions.
#[must_use]
pub fn setup_traffic(k: u32) -> Traffic {
    let base = Traffic::exchange(BASE_OT_PAYLOAD, BASE_OT_PAYLOAD);
    match puncture_payload(k) {
        0 => base,
        p => base + Traffic::exchange(p, p),
    }
}

/// Traffic of making the correlated OTs of `demand`: one flight, nothing in a direction without demand.
#[must_use]
pub fn reserve_traffic(demand: CotDemand, k: u32) -> Traffic {
    let direction = |receiver, n| {
        extension_batches(n)
            .map(|batch| Traffic::message(receiver, extension_payload(batch, k)))
            .fold(Traffic::default(), Traffic::alongside)
    };
    direction(Party::Server, demand.client_sends).alongside(direction(Party::Client, demand.server_sends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_costs_one_bit_less_than_the_number_of_columns() {
        assert_eq!(extension_payload(128, 4), 31 * 16);
        assert_eq!(extension_payload(1, 8), 15 * 16);
        assert_eq!(extension_payload(129, 1), 127 * 32);
        assert_eq!(extension_payload(0, 2), 0);
    }

    #[test]
    fn large_demands_are_split_and_stay_one_round() {
        let n = 2 * COTS_PER_MESSAGE + 5;
        let sizes: Vec<u64> = extension_batches(n).collect();
        assert_eq!(sizes, [COTS_PER_MESSAGE, COTS_PER_MESSAGE, 5]);
        let t = reserve_traffic(CotDemand { client_sends: n, server_sends: 0 }, 4);
        assert_eq!(t.client_to_server, 0);
        assert_eq!(t.server_to_client, 2 * COTS_PER_MESSAGE / 8 * 31 + 31 * 16 + 3 * 8);
        assert_eq!(t.rounds, 1);
    }

    #[test]
    fn no_demand_costs_nothing() {
        assert_eq!(reserve_traffic(CotDemand::default(), 4), Traffic::default());
    }
}

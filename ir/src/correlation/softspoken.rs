//! What correlated OTs by SoftSpokenOT cost: the setup of a session and the extension over fields of 2^k elements.
//!
//! A correlated OT of width w is one word of a code of `256 - 256 / 2^w` columns, k of them for each coordinate of the
//! code; the code and why it hides the other keys: `ot::code` of the runtime.
//!
//! ```text
//!   setup      128 base OTs, both directions exchange   8224 B each way
//!              puncturing, 120 COTs          exchange   4096 (k - 1) / k + 16 (128 / k - 1) + 15 B each way
//!              puncturing with them          exchange   3840 (k - 1) / k B each way (none at k = 1)
//!   reserve    one direction, n COTs         messages   16 (columns / k - w) ceil(n/128) B, from the OT receiver
//!
//!   bits of extension for each     k = 1     2     4     8
//!   width 1     128 columns          127    63    31    15
//!   width 2     192                  190    94    46    22
//!   width 3     224                  221   109    53    25
//!   width 4     240                  236   116    56    26
//!   width 5     248                  243   119    57    26
//! ```

use crate::Party;
use crate::traffic::{CotCounts, CotDemand, Traffic};
use std::fmt;

/// Columns of a correlated OT of width 1: bits of its delta.
pub const COT_COLUMNS: u64 = 128;
/// Columns of the widest correlated OT. Those that a COT has not come from COTs instead of base OTs.
pub const COLUMNS: u64 = 248;
const WIDE_COLUMNS: u64 = COLUMNS - COT_COLUMNS;
/// An extension makes a multiple of so many COTs; what exceeds the demand is thrown away.
pub const COT_MULTIPLE: u64 = 128;
/// Most COTs that one extension message carries; a larger demand is sent in several messages of one flight, so that
/// the sender works while the receiver does, on buffers that fit the caches.
pub const COTS_PER_MESSAGE: u64 = 1 << 18;

/// The logarithm of the size of the extension's field: `2^k` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldBits {
    K1 = 1,
    K2 = 2,
    K4 = 4,
    K8 = 8,
}

impl FieldBits {
    /// All of them.
    pub const ALL: [FieldBits; 4] = [FieldBits::K1, FieldBits::K2, FieldBits::K4, FieldBits::K8];

    /// k.
    #[must_use]
    pub const fn get(self) -> u64 {
        self as u64
    }
}

impl fmt::Display for FieldBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Base OTs, both directions in one message: two points for each OT as the receiver, one point as the sender.
pub const BASE_OT_PAYLOAD: u64 = COT_COLUMNS * 64 + 32;

/// Corrections of the punctured trees of so many columns: two blocks for each level of each tree but the first level.
#[must_use]
pub fn puncture_payload(columns: u64, k: FieldBits) -> u64 {
    let k = k.get();
    columns / k * (k - 1) * 32
}

/// What makes the trees of the columns that a COT has not: the extension by as many COTs, and their masked choices.
#[must_use]
pub fn bootstrap_payload(k: FieldBits) -> u64 {
    extension_payload(WIDE_COLUMNS, 1, k) + WIDE_COLUMNS.div_ceil(8)
}

/// Columns of a correlated OT of this width.
#[must_use]
pub fn width_columns(width: u32) -> u64 {
    256 - (256 >> width)
}

/// Picoseconds of the extension by these correlated OTs, `ps` for one of width 1: it is proportional to the columns.
#[must_use]
pub fn work(counts: CotCounts, ps: u64) -> u128 {
    let columns: u64 = counts.by_width().map(|(width, n)| n * width_columns(width)).sum();
    u128::from(columns) * u128::from(ps) / u128::from(COT_COLUMNS)
}

/// Bytes that the sender and the receiver of these correlated OTs keep: a block each, the receiver its choices too, bit
/// by bit in words.
#[must_use]
pub fn stored(counts: CotCounts) -> [u64; 2] {
    let blocks = 16 * counts.total();
    let choices: u64 = counts.by_width().map(|(width, n)| u64::from(width) * n.div_ceil(64) * 8).sum();
    [blocks, blocks + choices]
}

/// Bits that extend by one correlated OT of this width: one for each coordinate of the code but the w systematic ones.
#[must_use]
pub fn correction_bits(width: u32, k: FieldBits) -> u64 {
    width_columns(width) / k.get() - u64::from(width)
}

/// Bits that extend by these correlated OTs, without headers and without what a message rounds up.
#[must_use]
pub fn extension_bits(counts: CotCounts, k: FieldBits) -> u64 {
    counts.by_width().map(|(width, n)| n * correction_bits(width, k)).sum()
}

/// Bytes of the one message that extends by `n` COTs of this width (`n` rounded up to [`COT_MULTIPLE`]).
#[must_use]
pub fn extension_payload(n: u64, width: u32, k: FieldBits) -> u64 {
    correction_bits(width, k) * n.div_ceil(COT_MULTIPLE) * (COT_MULTIPLE / 8)
}

/// The extensions that serve a demand in one direction, in order: width and size of each.
pub fn extension_batches(counts: CotCounts) -> impl Iterator<Item = (u32, u64)> {
    counts.by_width().flat_map(|(width, n)| {
        (0..n.div_ceil(COTS_PER_MESSAGE)).map(move |i| (width, COTS_PER_MESSAGE.min(n - i * COTS_PER_MESSAGE)))
    })
}

/// Traffic of setting up a session: base OTs and puncturing, both directions.
#[must_use]
pub fn setup_traffic(k: FieldBits) -> Traffic {
    let both = |payload| Traffic::exchange(payload, payload);
    let first = both(BASE_OT_PAYLOAD) + both(puncture_payload(COT_COLUMNS, k) + bootstrap_payload(k));
    match puncture_payload(WIDE_COLUMNS, k) {
        0 => first,
        p => first + both(p),
    }
}

/// Traffic of making the correlated OTs of `demand`: one flight, nothing in a direction without demand.
#[must_use]
pub fn reserve_traffic(demand: CotDemand, k: FieldBits) -> Traffic {
    let direction = |receiver, counts| {
        extension_batches(counts)
            .map(|(width, n)| Traffic::message(receiver, extension_payload(n, width, k)))
            .fold(Traffic::default(), Traffic::alongside)
    };
    direction(Party::Server, demand.client_sends).alongside(direction(Party::Client, demand.server_sends))
}

#[cfg(test)]
mod tests {
    use super::FieldBits::{K1, K2, K4, K8};
    use super::*;

    #[test]
    fn extension_costs_a_bit_for_each_coordinate_that_is_not_systematic() {
        assert_eq!(extension_payload(128, 1, K4), 31 * 16);
        assert_eq!(extension_payload(1, 1, K8), 15 * 16);
        assert_eq!(extension_payload(129, 1, K1), 127 * 32);
        assert_eq!(extension_payload(0, 1, K2), 0);
        let bits = |k| [1, 2, 3, 4, 5].map(|width| correction_bits(width, k));
        assert_eq!(bits(K1), [127, 190, 221, 236, 243]);
        assert_eq!(bits(K2), [63, 94, 109, 116, 119]);
        assert_eq!(bits(K4), [31, 46, 53, 56, 57]);
        assert_eq!(bits(K8), [15, 22, 25, 26, 26]);
    }

    #[test]
    fn large_demands_are_split_and_stay_one_round() {
        let n = 2 * COTS_PER_MESSAGE + 5;
        let counts = CotCounts::of(1, n) + CotCounts::of(4, 7);
        let sizes: Vec<(u32, u64)> = extension_batches(counts).collect();
        assert_eq!(sizes, [(1, COTS_PER_MESSAGE), (1, COTS_PER_MESSAGE), (1, 5), (4, 7)]);
        let t = reserve_traffic(CotDemand { client_sends: counts, ..CotDemand::default() }, K4);
        assert_eq!(t.client_to_server, 0);
        assert_eq!(t.server_to_client, 2 * COTS_PER_MESSAGE / 8 * 31 + 31 * 16 + 56 * 16 + 4 * 8);
        assert_eq!(t.rounds, 1);
    }

    #[test]
    fn no_demand_costs_nothing() {
        assert_eq!(reserve_traffic(CotDemand::default(), K4), Traffic::default());
    }
}

//! Exact cost of the OT protocols, as pure functions of public shapes.
//!
//! Each function plays the message pattern of its protocol on a [`Transcript`], which keeps the same clocks as the
//! transport's meter: bytes, rounds and COTs come out exactly, also where the flights of one step overlap with those
//! of the next. One call prices **one batch**; a node that runs in several batches costs the sum ([`batched`]).
//!
//! The layouts that both the price and the protocol depend on (leaves and tree of a comparison, the plan of a pooling
//! window, the rows of an OT product) are defined here once and used by the runtime.

mod compare;
mod pool;
mod preprocessed;
mod product;
mod rescale;
mod ring;
mod select;

pub use compare::{Comparison, TreeNode, drelu, greater};
pub use pool::{AxisWindows, LinePlan, PoolPlan, argmax, max_pool, max_pool_window, reduce_max};
pub use preprocessed::{GC_EVALUATOR_BYTES, GC_GARBLER_BYTES, conv_pre, linear_pre, matmul_pre, relu_gc};
pub use product::{ProductShape, RowRun, conv_ot, conv_shape, matmul_ot, matmul_shape, mul, mul_server, product};
pub use rescale::relu_rescale;
pub use ring::{extend, reveal, trunc_faithful, trunc_local};
pub use select::{b2a, max, mux, relu, relu_window};

use crate::Party;
use crate::cost::{Cost, CotCounts, CotDemand, HEADER_BYTES};

/// Elements of one batch of an elementwise protocol; the executor splits larger nodes, so that memory stays bounded.
pub const BATCH: u64 = 1 << 18;

/// Sizes of the batches in which `n` elements run.
pub fn batches(n: u64) -> impl Iterator<Item = u64> {
    let whole = n / BATCH;
    (0..whole).map(|_| BATCH).chain((!n.is_multiple_of(BATCH)).then_some(n % BATCH))
}

/// Cost of `n` elements run batch after batch, each from a common start.
#[must_use]
pub fn batched(n: u64, cost: impl Fn(u64) -> Cost) -> Cost {
    batches(n).map(cost).sum()
}

/// Bytes of `n` values of `bits` bits, packed without gaps.
#[must_use]
pub fn packed(n: u64, bits: u64) -> u64 {
    (n * bits).div_ceil(8)
}

/// The messages of a protocol in order, with the clocks of both parties.
///
/// A message leaves with its sender's clock plus one and sets its receiver's clock to at least that; rounds are the
/// latest flight. So a party that is already ahead (it had the last word of the step before) overlaps its next
/// message with its last one, exactly as on the wire.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    clock: [u64; 2],
    cost: Cost,
}

impl Transcript {
    #[must_use]
    pub fn new() -> Transcript {
        Transcript::default()
    }

    /// One message.
    pub fn message(&mut self, from: Party, payload: u64) {
        let flight = self.clock[from as usize] + 1;
        self.deliver(from, payload, flight);
    }

    /// Both send, then both receive.
    pub fn exchange(&mut self, client_payload: u64, server_payload: u64) {
        self.exchange_all(&[client_payload], &[server_payload]);
    }

    /// Both send several messages, then both receive them.
    pub fn exchange_all(&mut self, client_payloads: &[u64], server_payloads: &[u64]) {
        let [client, server] = self.clock;
        client_payloads.iter().for_each(|&p| self.deliver(Party::Client, p, client + 1));
        server_payloads.iter().for_each(|&p| self.deliver(Party::Server, p, server + 1));
    }

    fn deliver(&mut self, from: Party, payload: u64, flight: u64) {
        let bytes = payload + HEADER_BYTES;
        let traffic = &mut self.cost.online;
        match from {
            Party::Client => traffic.client_to_server += bytes,
            Party::Server => traffic.server_to_client += bytes,
        }
        traffic.rounds = traffic.rounds.max(flight);
        let to = from.other() as usize;
        self.clock[to] = self.clock[to].max(flight);
    }

    /// COTs of width 1 consumed in which `sender` holds the delta.
    pub fn cots(&mut self, sender: Party, n: u64) {
        self.wide_cots(sender, CotCounts::of(1, n));
    }

    /// COTs of any width consumed in which `sender` holds the delta.
    pub fn wide_cots(&mut self, sender: Party, counts: CotCounts) {
        let demand = match sender {
            Party::Client => CotDemand { client_sends: counts, ..CotDemand::default() },
            Party::Server => CotDemand { server_sends: counts, ..CotDemand::default() },
        };
        self.cost.cots = self.cost.cots + demand;
    }

    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }
}

/// The cost of one script, from a common start.
fn script(run: impl FnOnce(&mut Transcript)) -> Cost {
    let mut t = Transcript::new();
    run(&mut t);
    t.cost()
}

/// Nothing is sent.
fn free() -> Cost {
    Cost::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_that_is_ahead_overlaps_its_messages() {
        let cost = script(|t| {
            t.message(Party::Client, 1);
            t.message(Party::Server, 1);
            t.exchange(1, 1);
        });
        assert_eq!(cost.online.rounds, 3);
        assert_eq!(cost.online.client_to_server, 18);
    }

    #[test]
    fn batches_cover() {
        assert_eq!(batches(0).count(), 0);
        assert_eq!(batches(5).collect::<Vec<_>>(), [5]);
        assert_eq!(batches(2 * BATCH + 1).collect::<Vec<_>>(), [BATCH, BATCH, 1]);
    }
}

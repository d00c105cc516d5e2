//! Exact counts of what went over the wire.

use picc_ir::{Party, cost::Traffic};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes each way and rounds, in total and since the last `start_node`.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    node: Traffic,
    before: Traffic,
}

impl Meter {
    pub(super) fn start_node(&mut self) -> Traffic {
        let node = std::mem::take(&mut self.node);
        self.before = self.before + node;
        node
    }

    pub(super) fn sent(&mut self, from: Party, bytes: u64, flight: u32) {
        self.count(from, bytes, flight);
    }

    pub(super) fn received(&mut self, from: Party, bytes: u64, flight: u32) {
        self.count(from, bytes, flight);
    }

    fn count(&mut self, from: Party, bytes: u64, flight: u32) {
        match from {
            Party::Client => self.node.client_to_server += bytes,
            Party::Server => self.node.server_to_client += bytes,
        }
        self.node.rounds = self.node.rounds.max(u64::from(flight));
    }

    /// Traffic since the last node began.
    #[must_use]
    pub fn node(&self) -> Traffic {
        self.node
    }

    /// All traffic; rounds are summed over nodes.
    #[must_use]
    pub fn total(&self) -> Traffic {
        self.before + self.node
    }

    /// What was added to an earlier [`Meter::total`], at the beginning of a node.
    #[must_use]
    pub fn since(&self, before: Traffic) -> Traffic {
        let total = self.total();
        Traffic {
            client_to_server: total.client_to_server - before.client_to_server,
            server_to_client: total.server_to_client - before.server_to_client,
            rounds: total.rounds - before.rounds,
        }
    }
}

/// Bytes of one party's socket, each way: what the meter counts, and what TLS adds to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireBytes {
    pub sent: u64,
    pub received: u64,
}

impl WireBytes {
    /// What a party's TLS added to the `payload` that its meter counted.
    #[must_use]
    pub fn overhead(self, party: Party, payload: Traffic) -> WireBytes {
        let [sent, received] = match party {
            Party::Client => [payload.client_to_server, payload.server_to_client],
            Party::Server => [payload.server_to_client, payload.client_to_server],
        };
        WireBytes { sent: self.sent.saturating_sub(sent), received: self.received.saturating_sub(received) }
    }
}

/// Counts a socket's bytes where they are read and written.
#[derive(Clone, Debug, Default)]
pub struct WireMeter(Arc<[AtomicU64; 2]>);

impl WireMeter {
    pub(crate) fn sent(&self, bytes: usize) {
        self.0[0].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.0[1].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// So far. All of a session's once its channel was dropped.
    #[must_use]
    pub fn read(&self) -> WireBytes {
        let [sent, received] = [0, 1].map(|i| self.0[i].load(Ordering::Relaxed));
        WireBytes { sent, received }
    }
}

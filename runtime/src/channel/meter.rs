//! Exact counts of what went over the wire.

use picc_ir::{Party, cost::Traffic};

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

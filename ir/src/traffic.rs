//! What messages, correlated OTs and stored material amount to: the numbers that costs are made of.

use serde::{Deserialize, Serialize};

/// Header of one message on the wire: length (4 bytes), kind (1), flight number (3).
pub const HEADER_BYTES: u64 = 8;

/// First message of a session, each way: version, program digest and security parameters.
pub const HELLO_BYTES: u64 = 256;

/// With this the client asks for one more inference in the session, or ends it.
pub const CONTROL_BYTES: u64 = 1;

/// Correlated OTs of one direction, by width: in one of width w the receiver chooses among `2^w` keys. Width 1 is the
/// COT of the literature. Each is one block of memory at each party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CotCounts([u64; CotCounts::WIDEST as usize]);

impl CotCounts {
    pub const WIDEST: u32 = 5;

    /// `n` correlated OTs of one width, 1 to [`CotCounts::WIDEST`].
    #[must_use]
    pub fn of(width: u32, n: u64) -> CotCounts {
        let mut counts = [0; CotCounts::WIDEST as usize];
        counts[width as usize - 1] = n;
        CotCounts(counts)
    }

    /// How many there are of `width`.
    #[must_use]
    pub fn width(self, width: u32) -> u64 {
        self.0[width as usize - 1]
    }

    /// Every width with its count, narrowest first.
    pub fn by_width(self) -> impl Iterator<Item = (u32, u64)> {
        (1..).zip(self.0)
    }

    /// All widths together: blocks of memory.
    #[must_use]
    pub fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// Keys that the senders hash: `2^w` for each of width w.
    #[must_use]
    pub fn keys(self) -> u64 {
        self.by_width().map(|(width, n)| n << width).sum()
    }

    /// `n` times as many.
    #[must_use]
    pub fn times(self, n: u64) -> CotCounts {
        CotCounts(self.0.map(|count| count * n))
    }
}

impl std::ops::Add for CotCounts {
    type Output = CotCounts;
    fn add(self, o: CotCounts) -> CotCounts {
        CotCounts(std::array::from_fn(|i| self.0[i] + o.0[i]))
    }
}

/// Correlated OTs that a protocol consumes, by the party that acts as OT sender (and holds the delta).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CotDemand {
    pub client_sends: CotCounts,
    pub server_sends: CotCounts,
}

impl CotDemand {
    /// Blocks of memory of the fuller direction.
    #[must_use]
    pub fn blocks(self) -> u64 {
        self.client_sends.total().max(self.server_sends.total())
    }
}

impl std::ops::Add for CotDemand {
    type Output = CotDemand;
    fn add(self, o: CotDemand) -> CotDemand {
        CotDemand {
            client_sends: self.client_sends + o.client_sends,
            server_sends: self.server_sends + o.server_sends,
        }
    }
}

/// Traffic of a protocol: bytes each way (headers included) and rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub client_to_server: u64,
    pub server_to_client: u64,
    pub rounds: u64,
}

impl Traffic {
    /// One message with `payload` bytes, as a flight of its own.
    #[must_use]
    pub fn message(from: crate::Party, payload: u64) -> Traffic {
        let bytes = payload + HEADER_BYTES;
        match from {
            crate::Party::Client => Traffic { client_to_server: bytes, server_to_client: 0, rounds: 1 },
            crate::Party::Server => Traffic { client_to_server: 0, server_to_client: bytes, rounds: 1 },
        }
    }

    /// Both parties send at the same time: one flight.
    #[must_use]
    pub fn exchange(client_payload: u64, server_payload: u64) -> Traffic {
        Traffic {
            client_to_server: client_payload + HEADER_BYTES,
            server_to_client: server_payload + HEADER_BYTES,
            rounds: 1,
        }
    }

    /// Another message in the same flight: its bytes, no further round.
    #[must_use]
    pub fn alongside(self, other: Traffic) -> Traffic {
        Traffic {
            client_to_server: self.client_to_server + other.client_to_server,
            server_to_client: self.server_to_client + other.server_to_client,
            rounds: self.rounds.max(other.rounds),
        }
    }

    #[must_use]
    pub fn total(self) -> u64 {
        self.client_to_server + self.server_to_client
    }
}

/// One after the other.
impl std::ops::Add for Traffic {
    type Output = Traffic;
    fn add(self, o: Traffic) -> Traffic {
        Traffic {
            client_to_server: self.client_to_server + o.client_to_server,
            server_to_client: self.server_to_client + o.server_to_client,
            rounds: self.rounds + o.rounds,
        }
    }
}

impl std::iter::Sum for Traffic {
    fn sum<I: Iterator<Item = Traffic>>(iter: I) -> Traffic {
        iter.fold(Traffic::default(), |a, b| a + b)
    }
}

/// Bytes that the parties keep from the offline phase of an inference until its online phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub client: u64,
    pub server: u64,
}

impl std::ops::Add for Stored {
    type Output = Stored;
    fn add(self, o: Stored) -> Stored {
        Stored { client: self.client + o.client, server: self.server + o.server }
    }
}

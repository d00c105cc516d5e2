//! What a protocol costs: exact bytes, messages, rounds and correlations.
//!
//! Bytes and rounds are claims. A test runs every protocol and compares them with the transport's meter, exactly.
//!
//! *Bytes* are what goes over the wire: payloads and the fixed header of each message. A *round* is one flight of
//! messages: the longest chain of messages in which each one waits for the one before. Each program node is counted
//! from a common start, so the rounds of a program are the sum over its nodes.

pub mod baseline;
pub mod phases;
pub mod profile;

pub use crate::traffic::{CONTROL_BYTES, CotCounts, CotDemand, HEADER_BYTES, HELLO_BYTES, Stored, Traffic};

use serde::{Deserialize, Serialize};

/// Correlated OTs of all widths per direction that are reserved at once: 256 MiB of memory at each party and direction.
/// Less would cost rounds (SqueezeNet: 1214 with 2^22, 577 with 2^24), more is not reached by parts of
/// [`crate::mpc::cost::BATCH`] elements.
pub const COT_BUDGET: u64 = 1 << 24;

/// Cost of one mpc node: its own messages by phase, and the correlated OTs that it consumes (their extension is charged
/// where it happens, see [`crate::mpc`]). Setup, once a session, belongs to programs and not to nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// From the input to the answer.
    pub online: Traffic,
    pub cots: CotDemand,
    /// Once an inference, before its input is known.
    pub offline: Traffic,
    /// Kept from offline to online.
    pub stored: Stored,
}

impl From<Traffic> for Cost {
    /// Messages of the online phase alone.
    fn from(online: Traffic) -> Cost {
        Cost { online, ..Cost::default() }
    }
}

impl std::ops::Add for Cost {
    type Output = Cost;
    fn add(self, o: Cost) -> Cost {
        Cost {
            online: self.online + o.online,
            cots: self.cots + o.cots,
            offline: self.offline + o.offline,
            stored: self.stored + o.stored,
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(iter: I) -> Cost {
        iter.fold(Cost::default(), |a, b| a + b)
    }
}

//! Oblivious transfer: base OTs, extension, and the pools that protocols draw correlations from.
//!
//! ```text
//!   base        128 random OTs over Ristretto, roles as in the puncturing that follows
//!     |
//!   puncture    128/k trees of 2^k leaves: one party has all leaves, the other all but leaf delta_j
//!     |         (then 120/k more, their base OTs being COTs of the first)
//!   softspoken  leaves -> small-field VOLE -> words of a code -> q_i = t_i xor offset(c_i), any number of them
//!     |                                       (code)
//!     |         (bootstrap: all of this in both directions, as a [`CotSource`])
//!   pool        correlations waiting for a protocol, each taken once
//! ```
//!
//! Protocols see the pools alone. Behind them stands a [`CotSource`], which makes correlations when a session reserves
//! them: that of the program's [`Source`], or in tests the ideal functionality.
//!
//! The *sender* of a correlated OT of width w holds `offset`, a linear function of its delta, and `q_i`; the *receiver* a
//! random choice `c_i` of w bits and `t_i`. At width 1 `offset(1)` is a delta of 128 bits. In the base OTs and the
//! puncturing the roles are reversed.

pub mod base;
mod bootstrap;
pub mod code;
#[cfg(test)]
pub(crate) mod ideal;
pub mod pool;
pub mod puncture;
pub mod softspoken;

pub use pool::{CotReceiver, CotSender, Taken};

use crate::channel::Channel;
use crate::crypto::{Block, CrHash, Rng};
use crate::error::Result;
use crate::session::SessionId;
use bootstrap::SoftSpoken;
use code::MAX_KEYS;
use picc_ir::correlation::Source;
use picc_ir::cost::CotCounts;
use zeroize::Zeroizing;

/// One party's end of a source of correlated OTs in both directions, after its setup. It owns the secrets behind them,
/// wipes them when it is dropped, and never makes a correlation twice.
pub trait CotSource: Send {
    /// By what key `v` of an OT that this party sends differs from key 0: a linear function of `v`, fixed for the
    /// session.
    fn offsets(&self) -> Zeroizing<[Block; MAX_KEYS]>;

    /// Makes so many correlations more for this party to send and to receive, into the pools. Both parties call it with
    /// the same numbers. Traffic: [`Source::reserve_traffic`].
    fn make(
        &mut self,
        channel: &mut Channel,
        wanted: [CotCounts; 2],
        sent: &mut CotSender,
        received: &mut CotReceiver,
    ) -> Result<()>;
}

/// One party's end of a source after its setup, and the hash that goes with it.
pub struct Endpoint {
    pub source: Box<dyn CotSource>,
    /// The hash of OT messages; both parties have the same key, which nobody knew before the session.
    pub hash: CrHash,
}

/// Sets a source up with the other party. Traffic: [`Source::setup_traffic`].
pub fn set_up(source: Source, channel: &mut Channel, id: &SessionId, rng: &mut Rng) -> Result<Endpoint> {
    match source {
        Source::SoftSpoken { k } => SoftSpoken::set_up(k, channel, id, rng),
    }
}

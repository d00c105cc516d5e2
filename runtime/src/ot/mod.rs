//! Oblivious transfer: base OTs, extension, and the pools that protocols draw correlations from.
//!
//! ```text
//!   base        128 random OTs over Ristretto, roles as in the puncturing that follows
//!     |
//!   puncture    128/k trees of 2^k leaves: one party has all leaves, the other all but leaf delta_j
//!     |
//!   softspoken  leaves -> small-field VOLE -> q_i = t_i xor c_i delta, any number of them
//!     |
//!   pool        correlations waiting for a protocol, each taken once
//! ```
//!
//! The *sender* of a correlated OT holds delta and `q_i`, the *receiver* a random choice bit `c_i` and `t_i`. In the
//! base OTs and the puncturing the roles are reversed.

pub mod base;
pub mod pool;
pub mod puncture;
pub mod softspoken;

pub use pool::{CotReceiver, CotSender};

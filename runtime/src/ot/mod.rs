//! Oblivious transfer: base OTs, extension, and the pools that protocols draw correlations from.
//!
//! ```text
//!   base        128 random OTs over Ristretto, roles as in the puncturing that follows
//!     |
//!   puncture    128/k trees of 2^k leaves: one party has all leaves, the other all but leaf delta_j
//!     |         (then 120/k more, their base OTs being COTs of the first)
//!   softspoken  leaves -> small-field VOLE -> words of a code -> q_i = t_i xor offset(c_i), any number of them
//!     |                                       (code)
//!   pool        correlations waiting for a protocol, each taken once
//! ```
//!
//! The *sender* of a correlated OT of width w holds `offset`, a linear function of its delta, and `q_i`; the *receiver* a
//! random choice `c_i` of w bits and `t_i`. At width 1 `offset(1)` is a delta of 128 bits. In the base OTs and the
//! puncturing the roles are reversed.

pub mod base;
pub mod code;
pub mod pool;
pub mod puncture;
pub mod softspoken;

pub use pool::{CotReceiver, CotSender, Taken};

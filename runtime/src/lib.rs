//! The two-party runtime: crypto, correlations, protocols, transport and the executor.

pub mod bits;
pub mod calibrate;
pub mod channel;
pub mod crypto;
pub mod error;
pub mod exec;
pub mod handshake;
pub mod inputs;
pub mod ot;
pub mod phases;
pub mod protocol;
pub mod report;
pub mod session;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tls;
#[cfg(test)]
mod wire_vectors;

pub use error::{Error, Result};

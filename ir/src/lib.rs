//! What a picc program is: types, operators, graph, text form, verifier, reference semantics, cost and the artefact.
//!
//! This crate is pure: no I/O beyond byte slices, no unsafe code, no cryptography.
#![forbid(unsafe_code)]

pub mod cost;
pub mod geom;
pub mod mpc;
mod party;

pub use party::Party;

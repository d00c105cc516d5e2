//! What a picc program is: types, operators, graph, text form, verifier, reference semantics, cost and the artefact.
//!
//! This crate is pure: no I/O beyond byte slices, no unsafe code, no cryptography.
#![forbid(unsafe_code)]

pub mod correlation;
pub mod cost;
pub mod eval;
pub mod facts;
pub mod geom;
pub mod graph;
pub mod kernel;
pub mod labels;
mod locality;
pub mod mpc;
pub mod npy;
pub mod op;
pub mod ops;
mod party;
pub mod preprocess;
pub mod program;
pub mod samples;
pub mod segment;
mod semantics;
pub mod tensor;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
mod traffic;
pub mod ty;
pub mod verify;
pub mod weights;

pub use graph::{Graph, Id, Node};
pub use op::Op;
pub use party::Party;
pub use program::Program;
pub use segment::Segment;
pub use tensor::Tensor;
pub use ty::{Elem, Fixed, Owner, Shape, Ty, TypeError};
pub use verify::{Stage, verify};

//! The optimizer: a real-valued graph becomes a program that two parties run.
//!
//! ```text
//! real graph -> canonicalize -> compose -> split off the client's part -> ranges -> quantize -> ring graph
//! ring graph -> egraph -> program
//! ```
//! Each pass is a pure function from graph to graph. Two invariants hold on the way: over the reals every pass up to
//! quantization computes the same function (approximations are noted), and the mpc graph's meaning over the ring equals
//! the ring graph's bit for bit.
#![forbid(unsafe_code)]

pub mod accuracy;
pub mod bounds;
mod canonicalize;
mod choose;
mod compile;
mod compose;
mod depthwise;
pub mod egraph;
mod eligible;
mod equalize;
mod erase;
mod error;
mod error_bound;
#[cfg(test)]
mod filetests;
mod graph_edit;
mod inputs;
mod lrn;
mod masks;
mod predict;
mod prepared;
mod quantize;
mod ranges;
mod report;
pub mod retrain;
mod reveal;
mod segment;
mod sets;
mod tail;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use canonicalize::canonicalize;
pub use choose::{NO_PASSES, family_names};
pub use compile::{Compiled, Linear, Options, compile};
pub use erase::erase_protocols;
pub use error::CompileError;
pub use predict::{Prediction, predict};
pub use quantize::Fractions;
pub use ranges::{Bound, Source};
pub use report::{Report, Row, decimal};
pub use reveal::{ParseRevealError, Reveal};
pub use segment::segments;
pub use tail::{hidden_functions, learns};

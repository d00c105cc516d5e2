//! Bodies of the fuzz targets: bytes that may come from anybody, one function for each door they come through.
//!
//! Every function returns for every input: an error of the code under test is an answer, a panic is a bug. What is
//! accepted (`true`) must also mean something: it survives a round trip, has a price, and the interpreter can evaluate
//! it. `tests/fuzz_short.rs` runs them on seeded mutations, `tests/fuzz` gives them to libFuzzer.

mod artefacts;
mod graphs;
mod handshake;
mod image;
mod messages;
mod small;
mod wire;

pub use artefacts::{model, model_seeds, npy, program, sealed, weights};
pub use graphs::{onnx, text};
pub use handshake::{hello, hello_seeds};
pub use image::image;
pub use messages::{message, message_seeds};
pub use small::{MODEL, Small, small};
pub use wire::{WireSeed, wire, wire_seeds};

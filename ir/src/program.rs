//! The program artefact `model.pi`: everything that both parties must agree on, and nothing that is secret.

use crate::graph::Graph;
use crate::op::F32;
use crate::ty::Shape;
use serde::{Deserialize, Serialize};

/// How a client turns an image into the model's input: recorded by picc, so that a client needs only the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Per channel: `(pixel / divisor - mean) / std`, pixels 0..=255.
    pub divisor: F32,
    pub mean: Vec<F32>,
    pub std: Vec<F32>,
    pub layout: Layout,
    /// Channels in the order blue, green, red.
    pub bgr: bool,
}

/// Order of the axes of an image input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layout {
    Nchw,
    Nhwc,
}

/// One input that the client brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputSpec {
    pub name: String,
    pub shape: Shape,
    /// The client rounds `x * 2^frac_bits` to the nearest integer.
    pub frac_bits: u8,
    pub preprocess: Option<Preprocess>,
}

/// Everything public about a compiled model.
///
/// `graph` is in the mpc dialect: its sources are `input`, `weight` and `const`, its outputs are revealed to the
/// client (and possibly post-processed by it over the reals).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Name of the model, for people.
    pub model: String,
    pub inputs: Vec<InputSpec>,
    pub graph: Graph,
    /// Names of the classes, if known.
    pub labels: Vec<String>,
    /// Bound on the difference from the reference interpreter, in units of the last place of each output
    /// (rounded up to a power of two); 0 for a program compiled with `--exact`.
    pub error_ulps: Vec<u64>,
    /// Field size `2^k` of the SoftSpoken OT extension.
    pub softspoken_k: u8,
    /// Remarks for both parties: approximations, what the client computes itself, public constants.
    pub notes: Vec<String>,
}

//! Why a model does not compile, and what to do about it.

use picc_ir::TypeError;

/// Why a model does not compile. Every variant names the ONNX node and, where there is one, the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// An operator cannot be applied to its arguments.
    #[error("node `{node}` ({op}): {source}")]
    Type { node: String, op: &'static str, source: TypeError },

    /// Nothing in the program can compute this operator at this place.
    #[error("node `{node}` ({op}): {why}; {way_out}")]
    Unsupported { node: String, op: &'static str, why: String, way_out: String },

    /// The client would have to compute with the server's weights.
    #[error(
        "node `{node}` ({op}) uses secret values after node `{after}` ({after_op}), which only the client can \
         compute, on what it has learned; end the model before `{after}`, or replace {after_op} by relu or max"
    )]
    WeightsAfterReveal { node: String, op: &'static str, after: String, after_op: String },

    /// A value does not fit the ring that was asked for.
    #[error("node `{node}`: values need a ring of {needed} bits, there are {ring}; {way_out}")]
    RingTooSmall { node: String, needed: u32, ring: u8, way_out: String },

    /// A weight node without values, or with values of another shape.
    #[error("weight `{name}`: {why}")]
    Weight { name: String, why: String },

    /// A calibration sample that does not fit the model's inputs.
    #[error("calibration sample {sample}: {why}")]
    Calibration { sample: usize, why: String },

    /// An option outside its domain.
    #[error("option `{option}`: {why}")]
    Options { option: &'static str, why: String },

    /// A bug in this crate: the compiled program was refused by the verifier.
    #[error("internal error, please report it: {0}")]
    Internal(String),
}

pub type Result<T> = std::result::Result<T, CompileError>;

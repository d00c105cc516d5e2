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
        "node `{after}` ({after_op}) has no protocol, and node `{node}` ({op}) needs the server's weights after it; \
         {way_out}"
    )]
    WeightsAfterReveal { node: String, op: &'static str, after: String, after_op: String, way_out: &'static str },

    /// The client would learn values that the declared outputs do not give.
    #[error(
        "node `{node}` ({op}): the client would learn {learned}, hidden values: more than the declared outputs, as it \
         computes `{user}` on them, and {function_op} of node `{function}` has no protocol; {way_out}, or end the \
         model before `{function}`, so that they are its outputs, or accept it with --reveal-hidden"
    )]
    RevealsHidden {
        node: String,
        op: &'static str,
        learned: Box<str>,
        user: Box<str>,
        function: Box<str>,
        function_op: Box<str>,
        way_out: &'static str,
    },

    /// Several of these.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<CompileError>),

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

impl CompileError {
    /// Each problem by itself.
    #[must_use]
    pub fn problems(&self) -> Vec<&CompileError> {
        match self {
            CompileError::Several(all) => all.iter().flat_map(CompileError::problems).collect(),
            one => vec![one],
        }
    }

    /// All of them as one error; nothing if there are none.
    pub(crate) fn all(mut problems: Vec<CompileError>) -> Result<()> {
        match problems.len() {
            0 => Ok(()),
            1 => Err(problems.swap_remove(0)),
            _ => Err(CompileError::Several(problems)),
        }
    }
}

pub type Result<T> = std::result::Result<T, CompileError>;

//! Why a model, or a part of it, cannot be imported; every error says what to do about it.

use picc_ir::TypeError;
use std::fmt;

/// Everything that kept a model from being imported, in the order of the model's nodes. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportErrors(pub Vec<ImportError>);

impl fmt::Display for ImportErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
            if let Some(way_out) = error.way_out() {
                write!(f, "\n    {way_out}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ImportErrors {}

impl From<ImportError> for ImportErrors {
    fn from(error: ImportError) -> ImportErrors {
        ImportErrors(vec![error])
    }
}

/// One reason why a model cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("not a readable ONNX file: {0}")]
    Parse(String),
    #[error("not an ONNX model, but {what}")]
    Foreign { what: &'static str, way_out: &'static str },
    #[error("{0}")]
    Read(String),
    #[error("opset {found} of the model; opsets {least} to {newest} are supported")]
    Opset { found: i64, least: i64, newest: i64 },
    #[error("the model has {found} {what}, at most {limit} are allowed")]
    Limit { what: &'static str, found: usize, limit: usize },
    #[error("tensor `{name}`: {problem}")]
    Tensor { name: String, problem: String, way_out: &'static str },
    #[error("input `{name}`: {problem}")]
    Input { name: String, problem: String, way_out: &'static str },
    #[error("output `{name}`: {problem}")]
    Output { name: String, problem: String },
    #[error("node `{node}` ({operator}): {cause}")]
    Node { node: String, operator: String, cause: Cause },
}

impl ImportError {
    /// What the user can do about it.
    #[must_use]
    pub fn way_out(&self) -> Option<&str> {
        match self {
            ImportError::Opset { .. } => Some("convert it: onnx.version_converter.convert_version(model, 17)"),
            ImportError::Input { way_out, .. }
            | ImportError::Foreign { way_out, .. }
            | ImportError::Tensor { way_out, .. } => (!way_out.is_empty()).then_some(way_out),
            ImportError::Node { cause, .. } => cause.way_out(),
            ImportError::Parse(_) => Some("it may not be whole: export or copy it again"),
            ImportError::Read(_) | ImportError::Limit { .. } | ImportError::Output { .. } => None,
        }
    }
}

/// Why one node cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("the operator `{domain}{separator}{name}` is not supported", separator = if .domain.is_empty() { "" } else { "." })]
    UnknownOperator { domain: String, name: String },
    #[error("not supported: {why}")]
    Refused { why: &'static str, way_out: &'static str },
    #[error("this operator is defined for opsets {since} to {until}, the model has opset {found}")]
    Opset { since: i64, until: i64, found: i64 },
    #[error("input {0} is missing")]
    MissingInput(usize),
    #[error("input {index} ({what}) is computed from the model's input; only a constant is supported")]
    NotConstant { index: usize, what: &'static str },
    #[error("attribute `{name}`: {problem}")]
    Attribute { name: String, problem: String },
    #[error("{what}")]
    Unsupported { what: String, way_out: &'static str },
    #[error("{0}")]
    Malformed(String),
    #[error(transparent)]
    Type(#[from] TypeError),
    #[error("a value of {found} elements, at most {limit} are allowed")]
    TooLarge { found: usize, limit: usize },
}

impl Cause {
    pub(crate) fn malformed(problem: impl Into<String>) -> Cause {
        Cause::Malformed(problem.into())
    }

    pub(crate) fn attribute(name: &str, problem: impl Into<String>) -> Cause {
        Cause::Attribute { name: name.to_owned(), problem: problem.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>, way_out: &'static str) -> Cause {
        Cause::Unsupported { what: what.into(), way_out }
    }

    /// The same for a node inside the network: what the client computes comes after everything else, so nothing there
    /// can be left to it.
    pub(crate) fn inside(self) -> Cause {
        const INSIDE: &str = "inside the network only piecewise linear functions have a protocol: use Relu, Clip or \
                              HardSigmoid in its place and fine-tune the model";
        let to_the_client = |way_out: &str| way_out.contains("let the client");
        match self {
            Cause::Refused { why, way_out } if to_the_client(way_out) => Cause::Refused { why, way_out: INSIDE },
            Cause::Unsupported { what, way_out } if to_the_client(way_out) => {
                Cause::Unsupported { what, way_out: INSIDE }
            }
            Cause::UnknownOperator { domain, name } => {
                let separator = if domain.is_empty() { "" } else { "." };
                Cause::Unsupported {
                    what: format!("the operator `{domain}{separator}{name}` is not supported"),
                    way_out: "export the model with standard ONNX operators",
                }
            }
            other => other,
        }
    }

    fn way_out(&self) -> Option<&str> {
        match self {
            Cause::UnknownOperator { .. } => {
                Some("export the model with standard ONNX operators, or cut the node off and run it on the answer")
            }
            Cause::Refused { way_out, .. } | Cause::Unsupported { way_out, .. } => {
                (!way_out.is_empty()).then_some(way_out)
            }
            Cause::Opset { .. } => Some("convert it: onnx.version_converter.convert_version(model, 17)"),
            Cause::NotConstant { .. } => {
                Some("fix the model's free dimensions with --input-shape, or simplify it (onnxsim) first")
            }
            Cause::MissingInput(_)
            | Cause::Attribute { .. }
            | Cause::Malformed(_)
            | Cause::Type(_)
            | Cause::TooLarge { .. } => None,
        }
    }
}

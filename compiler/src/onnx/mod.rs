//! ONNX to picc: a model file becomes a real-valued graph and the server's weights.
//!
//! ```text
//! bytes -> proto -> for each node: inputs resolved -> its row of the table -> IR nodes
//!                                  |                                         ^
//!                                  +-- all known? ---- computed now, in the clear
//! ```
//!
//! During import a value is either *known* (initializers, constants, shapes and what is computed from them) or a
//! node of the graph. A known float tensor that meets a graph value becomes a weight, owned by the server; what is
//! public instead (attributes, bounds of a clip, literals of one element) is listed in the notes.

mod arithmetic;
mod driver;
pub mod error;
mod evaluate;
pub mod export;
mod foreign;
mod importer;
mod inputs;
mod known;
mod needed;
mod node;
mod ops;
mod table;
mod tensor;

pub use error::{Cause, ImportError, ImportErrors};
pub use inputs::{InputShape, ParseInputShapeError};
pub use table::{is_supported, refusal, supported_operators};
pub use tensor::ExternalData;

use onnx_protobuf::{Message, ModelProto};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Shape};
use std::path::Path;

/// First opset that can be imported: since then, elementwise operators broadcast as numpy does.
pub const LEAST_OPSET: i64 = 7;
/// Newest opset whose operators were reviewed; later ones are tried.
pub const NEWEST_OPSET: i64 = 28;

/// What a model may make the importer do. The defaults hold the largest published CNNs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the model file.
    pub model_bytes: usize,
    /// Nodes of the ONNX graph, subgraphs and functions included.
    pub nodes: usize,
    /// Elements of one tensor.
    pub tensor_elements: usize,
    /// Elements (and multiplications) of everything that is computed during import.
    pub folded_elements: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { model_bytes: 1 << 31, nodes: 1 << 17, tensor_elements: 1 << 28, folded_elements: 1 << 30 }
    }
}

/// How to read a model.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub limits: Limits,
    /// Shapes of inputs that the model leaves open, or that shall differ from the model's.
    pub input_shapes: Vec<InputShape>,
    /// Keeps one-element `Constant` nodes secret too. They are literals of the model's code in all known exporters,
    /// and multiplying by a public number costs nothing.
    pub secret_literals: bool,
}

/// One input that the client brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedInput {
    pub name: String,
    pub shape: Shape,
}

/// A model as picc sees it: over the reals, nothing optimized.
#[derive(Clone, Debug)]
pub struct Imported {
    pub graph: Graph,
    pub weights: RealWeights,
    pub inputs: Vec<ImportedInput>,
    /// Name of the model's graph, for people.
    pub model: String,
    pub opset: i64,
    /// What the user should know: what is public, what was read in a particular way.
    pub notes: Vec<String>,
}

/// Imports the model at `path`, with tensors that are stored beside it.
pub fn import_file(path: &Path, options: &Options) -> Result<Imported, ImportErrors> {
    let (imported, errors) = import_file_parts(path, options)?;
    if errors.is_empty() { Ok(imported) } else { Err(ImportErrors(errors)) }
}

/// As far as the model at `path` can be imported, with all that is wrong with it. With errors, the graph is good for
/// finding further problems only.
pub fn import_file_parts(path: &Path, options: &Options) -> Result<(Imported, Vec<ImportError>), ImportErrors> {
    let failed = |e: std::io::Error| ImportError::Read(e.to_string());
    let size = std::fs::metadata(path).map_err(failed)?.len();
    let found = usize::try_from(size).unwrap_or(usize::MAX);
    let limit = options.limits.model_bytes;
    if found > limit {
        return Err(ImportError::Limit { what: "bytes", found, limit }.into());
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let folder = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let external = ExternalData { folder: folder.map(Path::to_owned) };
    driver::import_parts(&parsed(&bytes, options)?, &external, options)
}

/// Imports a model. Every construct that cannot be imported is reported, not only the first.
pub fn import(bytes: &[u8], external: &ExternalData, options: &Options) -> Result<Imported, ImportErrors> {
    driver::import_model(&parsed(bytes, options)?, external, options)
}

fn parsed(bytes: &[u8], options: &Options) -> Result<ModelProto, ImportErrors> {
    let limit = options.limits.model_bytes;
    if bytes.len() > limit {
        return Err(ImportError::Limit { what: "bytes", found: bytes.len(), limit }.into());
    }
    if let Some(error) = foreign::foreign(bytes) {
        return Err(error.into());
    }
    ModelProto::parse_from_bytes(bytes).map_err(|e| ImportError::Parse(e.to_string()).into())
}

//! What can go wrong, by who can do something about it.

use picc_compiler::onnx::ImportErrors;
use picc_ir::labels::LabelsError;
use picc_ir::npy::NpyError;
use picc_ir::samples::SamplesError;
use picc_ir::weights::WeightsError;
use picc_passes::CompileError;
use std::path::PathBuf;

/// Why something could not be done. Its text names the ONNX node, the file or the input, and the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The ONNX model cannot be imported: everything that is wrong with it.
    #[error(transparent)]
    Import(#[from] ImportErrors),
    /// The model cannot be compiled, or an option is outside its domain.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Bytes that are no `.npy` array of numbers.
    #[error(transparent)]
    Array(#[from] NpyError),
    /// Calibration samples that do not fit the model's inputs.
    #[error("{0}")]
    Samples(String),
    /// Names of classes that do not fit the model's first output.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// Weights that are damaged, or another program's.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A key, a certificate or a list of clients that cannot be used; or the system gives no randomness.
    #[error(transparent)]
    Identity(#[from] picc_identity::IdentityError),
    /// A session failed, or a program or an input was refused: the variants say by whose fault.
    #[error(transparent)]
    Run(#[from] picc_runtime::Error),
}

impl From<SamplesError> for Error {
    fn from(error: SamplesError) -> Error {
        Error::Samples(error.to_string())
    }
}

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

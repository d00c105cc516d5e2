//! What this party was given: a program, inputs, a machine.

use picc_identity::{IdentityError, SignatureError};
use picc_ir::eval::EvalError;
use picc_ir::kernel::construct::BuildError;
use picc_ir::npy::NpyError;
use picc_ir::preprocess::{PixelsError, PreprocessError};
use picc_ir::program::ProgramError;
use picc_ir::samples::SamplesError;
use picc_ir::segment::SegmentError;
use picc_ir::ty::TypeError;
use picc_ir::weights::WeightsError;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Why a program or its weights cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadProgram {
    /// Bytes that are no program of this version.
    #[error(transparent)]
    Artefact(#[from] ProgramError),
    /// The verifier refuses it.
    #[error("program refused: {0}")]
    Refused(ProgramError),
    #[error("program refused: {0}")]
    Unpriced(TypeError),
    #[error("program refused: {0}")]
    Segments(SegmentError),
    #[error(
        "node `{node}` is {op}, which has a price and no implementation yet: the program is for study and cannot be \
         run; compile it without `--linear preprocessed`"
    )]
    ForStudy { node: String, op: &'static str },
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("no weights `{name}`")]
    NoWeights { name: String },
    #[error("{got} weights for a layer of {expected}")]
    WeightCount { expected: usize, got: usize },
    #[error("a weight does not fit {bits} bits")]
    WeightRange { bits: u32 },
    #[error("share of {got} elements for a layer of {expected}")]
    ShareLength { expected: usize, got: usize },
    #[error("no ring LWE key was set up for {set}")]
    NoKey { set: &'static str },
    #[error("input `{input}` is not quantized")]
    RealInput { input: String },
    #[error("max_pool: a window consists of padding only")]
    EmptyWindow,
    /// A node whose attributes do not fit its arguments.
    #[error(transparent)]
    Type(#[from] TypeError),
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error("no kernel: {0}")]
    Kernel(#[from] BuildError),
    #[error("message of {bytes} bytes exceeds the frame limit")]
    MessageTooLarge { bytes: usize },
    #[error("the security parameters do not fit the handshake")]
    LongParameters,
    /// Not signed by whom it must be.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The file that it came from.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: Box<BadProgram> },
}

/// Why what the user gave does not fit the program.
#[derive(Debug, thiserror::Error)]
pub enum BadInput {
    #[error("input `{input}` is missing")]
    Missing { input: String },
    #[error("input `{input}` has shape {got:?}, the program needs {needs:?}")]
    Shape { input: String, got: Box<[usize]>, needs: Box<[usize]> },
    #[error("input `{input}` holds {value} at index {index}")]
    NotFinite { input: String, index: usize, value: f32 },
    /// `index` is that of the first value outside; the range is the program's.
    #[error(
        "input `{input}`: {outside} of {values} values lie outside the program's range {} to {} ({}): prepare inputs as \
         those of the calibration, or calibrate with inputs like these; --clip moves them to the ends of the range",
        range[0], range[1], span(*worst)
    )]
    OutOfRange { input: String, index: usize, outside: usize, values: usize, worst: [f32; 2], range: [f64; 2] },
    #[error("inputs are .npy or .npz (numpy.save writes one), .png or .jpg")]
    Extension,
    #[error("the program has {} inputs ({}): give an .npz with an array for each", inputs.len(), inputs.join(", "))]
    SeveralInputs { inputs: Vec<String> },
    #[error("no array called `{input}` ({}): numpy.savez(FILE, **{{'{input}': x}}) names it", held(arrays))]
    NoArray { input: String, arrays: Vec<String> },
    #[error("`{input}` holds {samples} samples, the inputs before it {before}")]
    SampleCount { input: String, samples: usize, before: usize },
    #[error(
        "an array of shape {shape:?} for input `{input}`, which takes {rows} rows at a time: {left} are left over"
    )]
    RowsLeft { input: String, shape: Box<[usize]>, rows: usize, left: usize },
    #[error(transparent)]
    Array(#[from] NpyError),
    #[error(transparent)]
    Samples(#[from] SamplesError),
    #[error("not a readable .npz: {why}")]
    Archive { why: String },
    #[error("an .npz of {arrays} arrays")]
    ArchiveSize { arrays: usize },
    #[error("`{array}`: {source}")]
    ArchiveMember { array: String, source: io::Error },
    /// Not an image that can be decoded.
    #[error("{why}")]
    Image { why: String },
    #[error("the image is {} x {}, the program needs {} x {} (--resize scales it)", got[0], got[1], needs[0], needs[1])]
    ImageExtent { got: [usize; 2], needs: [usize; 2] },
    #[error("an image of {} x {} is too large to be scaled here", extent[0], extent[1])]
    ImageSize { extent: [usize; 2] },
    #[error("this program was built without the feature `images`: give an .npy of the image's pixels")]
    NoImages,
    #[error("the program does not say how pixels become its input: give --divisor, --mean, --std, --layout")]
    NoPreprocess,
    #[error("input `{input}`: {source}")]
    Pixels { input: String, source: PixelsError },
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    #[error(
        "options for images, and the array for input `{input}` holds values that are ready for the model (pixels are \
         uint8): leave the options away, or give pixels"
    )]
    ImageOptions { input: String },
    #[error(
        "the array for input `{input}` holds whole numbers from 0 to 255, as pixels are, in another type: pixels are \
         uint8, and are prepared then: x.astype('uint8')"
    )]
    PixelType { input: String },
    /// A file that cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// A file that is no input, and does not fit.
    #[error("{}: {why}", path.display())]
    Content { path: PathBuf, why: String },
    /// A file that cannot be written.
    #[error("{why}")]
    Output { why: String },
    /// A file without samples.
    #[error("{}: no sample", path.display())]
    NoSample { path: PathBuf },
    #[error(
        "plain TCP with other machines ({address}): whoever sits on the wire reads and changes everything; give \
         --identity and the other side's key (--server-key, --client-key), or accept that with --insecure"
    )]
    Exposed { address: IpAddr },
    #[error("--identity without --client-key, --clients or --ca lets nobody in: name the clients")]
    NoClients,
    #[error("--identity needs --server-key sha256:... (or --ca): the server's operator knows it")]
    NoServerKey,
    /// A key, a certificate or a list of clients.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The file that it came from.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: Box<BadInput> },
    /// Which sample of the file.
    #[error("sample {sample}: {source}")]
    Sample { sample: usize, source: Box<BadInput> },
}

/// The values that lie furthest outside.
fn span([least, most]: [f32; 2]) -> String {
    if least == most { format!("{least}") } else { format!("{least} to {most}") }
}

fn held(arrays: &[String]) -> String {
    if arrays.is_empty() { "there is none".to_owned() } else { format!("there are: {}", arrays.join(", ")) }
}

/// What was promised of the program, and does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error(
        "private answers differ from the reference by {found} ulps, and {promised} are promised{}",
        if *outside { ": values leave the ranges that the promise rests on (see the warnings)" } else { "" }
    )]
    Answers { found: u64, promised: u64, outside: bool },
    #[error("{outside} of {inputs} inputs leave ranges that the program was compiled for")]
    Ranges { outside: u64, inputs: u64 },
}

/// What this machine lacks.
#[derive(Debug, thiserror::Error)]
pub enum Local {
    #[error("no threads: {why}")]
    Threads { why: String },
    #[error("the system gives no randomness: {0}")]
    Randomness(io::Error),
    /// A socket, a poller or a signal handler.
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
}

impl super::Error {
    /// Names the file that a program, weights or an input came from.
    #[must_use]
    pub fn in_file(self, path: &Path) -> super::Error {
        let path = path.to_owned();
        match self {
            super::Error::Program(source) => BadProgram::File { path, source }.into(),
            super::Error::Input(source) => BadInput::File { path, source }.into(),
            other => other,
        }
    }

    /// Names the sample of an input.
    #[must_use]
    pub fn in_sample(self, sample: usize) -> super::Error {
        match self {
            super::Error::Input(source) => BadInput::Sample { sample, source }.into(),
            other => other,
        }
    }
}

impl Local {
    /// No threads, for what the pool's builder says.
    pub fn threads(why: impl std::fmt::Display) -> super::Error {
        Local::Threads { why: why.to_string() }.into()
    }

    /// A call of the system failed.
    pub fn system(what: &'static str) -> impl Fn(io::Error) -> super::Error {
        move |source| Local::System { what, source }.into()
    }
}

//! Programs to copy. Each is a binary of this crate and ends in an assertion:
//!
//! * `xray`: compiles a trained network and runs it privately between two parties in this process;
//! * `embed`: both parties inside one program, connected by memory, with several inferences in one session;
//! * `serve`: a server and two clients over TCP, from the files that each of them holds;
//! * `budget`: gives accuracy away for bytes, by a measured and bounded amount;
//! * `explain`: compiles for two networks, and says what was chosen and why.
#![forbid(unsafe_code)]

use picc::{Model, Sample};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the examples' folder.
#[must_use]
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The trained network of this repository, which tells chest X-rays with a pneumonia from others, and sixteen inputs.
///
/// # Errors
/// If the repository is not whole.
pub fn xrays() -> Result<(Model, Vec<Sample>), Box<dyn Error>> {
    let model = Model::from_onnx_file(file("models/pneumonia_vggsmall.onnx"))?;
    let images = model.samples(&fs::read(file("data/xray_calibration.npy"))?)?;
    Ok((model, images))
}

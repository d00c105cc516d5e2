//! How both command lines write files: nothing is overwritten that the command reads or that is of another kind, and a
//! file is there whole or not at all.
//!
//! ```text
//! Outputs::reading(inputs)                    what the command reads
//!   .open(path, kind, readers)  -> Output     before the work: refused, or a part file beside the destination
//!      .stage(bytes)                          the part file holds everything, on the disk
//!      .commit()                              it takes the destination's name
//! ```
//! A part file that was not committed is removed: when its [`Output`] is dropped, and on Ctrl-C after
//! [`remove_parts_on_interrupt`].
//!
//! `picc` and `pirun` never see each other's crates, and `picc-ir` does no I/O; so this is a crate of its own.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod identity;
mod kind;
mod output;
mod parts;

pub use kind::Kind;
pub use output::{Output, Outputs, Readers};
pub use parts::remove_parts_on_interrupt;

use std::path::PathBuf;

/// Why a file is not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Refused {
    /// The file.
    pub path: PathBuf,
    /// The reason, and what to do about it.
    pub why: String,
}

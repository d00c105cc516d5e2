//! Kinds of files, by name and by content.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What an output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `.pi`
    Program,
    /// `.piw`
    Weights,
    /// `.onnx`, as picc writes it
    Model,
    /// `.npy`
    Array,
    /// `.npz`
    Archive,
    /// `.html`
    Page,
    /// `.txt`: the report as text
    Text,
    /// `.json`: what `picc explain` reads
    Record,
    /// `.toml`
    Profile,
}

/// Bytes at the start of a file that tell its kind.
const HEAD: u64 = 64 << 10;
/// The same of weights, whose header lists every tensor.
const WEIGHTS_HEAD: u64 = 16 << 20;

/// Endings of files that neither program writes: under such a name an array or a program would be taken for something
/// else.
const FOREIGN: [(&str, &str); 12] = [
    ("csv", "a table of text"),
    ("tsv", "a table of text"),
    ("xlsx", "a table"),
    ("parquet", "a table"),
    ("mat", "a MATLAB file"),
    ("h5", "an HDF5 file"),
    ("pt", "a PyTorch file"),
    ("pth", "a PyTorch file"),
    ("safetensors", "a file of weights"),
    ("png", "an image"),
    ("jpg", "an image"),
    ("jpeg", "an image"),
];

/// What a name promises that is of none of the [`Kind`]s.
pub(crate) fn foreign(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?;
    FOREIGN.iter().find(|(e, _)| e.eq_ignore_ascii_case(ending)).map(|(_, name)| *name)
}

impl Kind {
    const ALL: [Kind; 9] = [
        Kind::Program,
        Kind::Weights,
        Kind::Model,
        Kind::Array,
        Kind::Archive,
        Kind::Page,
        Kind::Text,
        Kind::Record,
        Kind::Profile,
    ];

    /// For messages, with its article.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Program => "a program",
            Kind::Weights => "a weights file of picc",
            Kind::Model => "a model that picc wrote",
            Kind::Array => "a .npy array",
            Kind::Archive => "an .npz archive",
            Kind::Page => "an HTML page",
            Kind::Text => "a report of picc",
            Kind::Record => "a record of picc",
            Kind::Profile => "a profile",
        }
    }

    /// Its ending.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Kind::Program => "pi",
            Kind::Weights => "piw",
            Kind::Model => "onnx",
            Kind::Array => "npy",
            Kind::Archive => "npz",
            Kind::Page => "html",
            Kind::Text => "txt",
            Kind::Record => "json",
            Kind::Profile => "toml",
        }
    }

    /// The kind that a name promises, if its ending is one of them.
    #[must_use]
    pub fn of_name(path: &Path) -> Option<Kind> {
        let ending = path.extension()?.to_str()?;
        Kind::ALL.into_iter().find(|k| k.ending().eq_ignore_ascii_case(ending))
    }

    /// Whether a file's content is of this kind.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn is_that_of(self, file: File) -> io::Result<bool> {
        let mut head = Vec::new();
        file.take(if self == Kind::Weights { WEIGHTS_HEAD } else { HEAD }).read_to_end(&mut head)?;
        Ok(self.begins(&head))
    }

    fn begins(self, head: &[u8]) -> bool {
        let has = |head: &[u8], what: &[u8]| head.windows(what.len()).any(|w| w == what);
        let first = |n: usize| &head[..n.min(head.len())];
        match self {
            Kind::Program => head.starts_with(b"PICC"),
            // safetensors: the header's length, then the header, whose metadata name the program.
            Kind::Weights => head.get(8) == Some(&b'{') && has(head, b"\"picc.program\""),
            // Version of the format, then the producer.
            Kind::Model => head.first() == Some(&8) && has(first(64), b"\x12\x04picc"),
            Kind::Array => head.starts_with(b"\x93NUMPY"),
            Kind::Archive => head.starts_with(b"PK\x03\x04"),
            Kind::Page => first(16).to_ascii_lowercase().starts_with(b"<!doctype html"),
            Kind::Text => head.split(|&b| b == b'\n').next().is_some_and(|line| has(line, b", program ")),
            Kind::Record => head.starts_with(b"{\"program\":\""),
            Kind::Profile => has(head, b"up_bits_per_s"),
        }
    }
}

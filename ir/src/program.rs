//! The program artefact `model.pi`: everything that both parties must agree on, and nothing that is secret.
//!
//! ```text
//! PICC | version u32 | bytes of the body u64 | body (postcard) | BLAKE3 of everything before
//!      | who signed it: key 32 | signature 64      (or nothing)
//! ```
//! Integers are little endian. The digest does not cover the signature, so that a program stays the same, and keeps
//! its weights, whoever signs it. Signatures are made and checked elsewhere; here they are bytes.

use crate::correlation::Source;
use crate::graph::{Graph, Id};
use crate::op::Op;
use crate::ops::Input;
use crate::segment::{self, Segment, SegmentError};
use crate::ty::Shape;
use crate::verify::{Stage, Violation, verify};
use serde::{Deserialize, Serialize};

pub use crate::preprocess::{Layout, Preprocess};

/// First bytes of a program.
pub const MAGIC: [u8; 4] = *b"PICC";

/// Version of the format; a reader takes no other.
pub const VERSION: u32 = 4;

/// Largest program that is read.
pub const MAX_BYTES: usize = 256 << 20;

const HEADER: usize = 16;
const DIGEST: usize = 32;

/// An Ed25519 signature of a program's digest, at the end of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signer's public key.
    pub key: [u8; 32],
    pub signature: [u8; 64],
}

impl Signature {
    const BYTES: usize = 96;

    fn read(bytes: &[u8]) -> Result<Option<Signature>, ProgramError> {
        match bytes.split_first_chunk() {
            None if bytes.is_empty() => Ok(None),
            Some((key, signature)) if bytes.len() == Signature::BYTES => {
                let signature = *signature.first_chunk().ok_or(ProgramError::Truncated)?;
                Ok(Some(Signature { key: *key, signature }))
            }
            _ => Err(ProgramError::Truncated),
        }
    }
}

/// Why bytes are not a program that may be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    #[error("a program of {size} bytes is larger than {MAX_BYTES}")]
    TooLarge { size: usize },
    #[error("not a picc program (it does not start with PICC): give the .pi file that picc wrote")]
    Magic,
    #[error("format version {found}, this picc reads version {VERSION}: {}", other_version(*found))]
    Version { found: u32 },
    #[error("the program is cut short")]
    Truncated,
    #[error("the program is damaged: its digest does not match")]
    Digest,
    #[error("malformed program: {0}")]
    Malformed(String),
    #[error("{}", lines("the program must not be run", .0))]
    Refused(Vec<Violation>),
    #[error("the program's segments: {0}")]
    Segments(#[from] SegmentError),
    #[error("{}", lines("the program contradicts its graph", .0))]
    Interface(Vec<String>),
}

/// What to do about a program of another version than [`VERSION`].
fn other_version(found: u32) -> &'static str {
    if found > VERSION {
        "it comes from a newer picc; upgrade this one"
    } else {
        "it comes from an older picc; compile the model again with this one"
    }
}

fn lines(title: &str, items: &[impl std::fmt::Display]) -> String {
    items.iter().fold(format!("{title}:"), |text, item| format!("{text}\n  {item}"))
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
    /// Which local nodes each party runs together, as one kernel, in order. See [`crate::segment`].
    pub segments: Vec<Segment>,
    /// Names of the classes, if known.
    pub labels: Vec<String>,
    /// Bound on the difference from the reference interpreter, in units of the last place of each output
    /// (rounded up to a power of two); 0 for a program compiled with `--exact`.
    pub error_ulps: Vec<u64>,
    /// Where correlated OTs come from.
    pub source: Source,
    /// Remarks for both parties: approximations, what the client computes itself, public constants.
    pub notes: Vec<String>,
}

impl InputSpec {
    /// What values of this input the program takes: real numbers, from and to. `None` if it is not in the graph.
    #[must_use]
    pub fn range(&self, graph: &Graph) -> Option<(f64, f64)> {
        let node = graph.nodes.iter().find(|n| matches!(&n.op, Op::Input(i) if i.name == self.name))?;
        let f = node.ty.as_fixed()?;
        let scale = f64::from(f.frac_bits).exp2();
        Some((f.lo as f64 / scale, f.hi as f64 / scale))
    }
}

impl Program {
    /// The artefact's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.undigested();
        let digest = blake3::hash(&bytes);
        bytes.extend(digest.as_bytes());
        bytes
    }

    /// The same with a signature of [`Program::digest`].
    #[must_use]
    pub fn to_signed_bytes(&self, Signature { key, signature }: &Signature) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        bytes.extend(key);
        bytes.extend(signature);
        bytes
    }

    /// Digest of the artefact without its signature; the weights file names it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.undigested()).as_bytes()
    }

    fn undigested(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend([0; size_of::<u64>()]);
        // Fails for sequences of unknown length and for a full disk; there is neither.
        let mut bytes = postcard::to_extend(self, bytes).expect("every field has a postcard form");
        let length = (bytes.len() - HEADER) as u64;
        bytes[HEADER - size_of::<u64>()..HEADER].copy_from_slice(&length.to_le_bytes());
        bytes
    }

    /// Reads and verifies a program. It may come from anybody.
    pub fn from_bytes(bytes: &[u8]) -> Result<Program, ProgramError> {
        Program::read(bytes).map(|(program, _)| program)
    }

    /// [`Program::from_bytes`], and the signature that ends the file. Whether it is a good one is not looked at.
    pub fn read(bytes: &[u8]) -> Result<(Program, Option<Signature>), ProgramError> {
        if bytes.len() > MAX_BYTES {
            return Err(ProgramError::TooLarge { size: bytes.len() });
        }
        if !bytes.starts_with(&MAGIC) {
            return Err(if MAGIC.starts_with(bytes) { ProgramError::Truncated } else { ProgramError::Magic });
        }
        let version = bytes.get(MAGIC.len()..).and_then(<[u8]>::first_chunk).ok_or(ProgramError::Truncated)?;
        let found = u32::from_le_bytes(*version);
        if found != VERSION {
            return Err(ProgramError::Version { found });
        }
        let length = bytes.get(HEADER - size_of::<u64>()..).and_then(<[u8]>::first_chunk);
        let length = length.map(|b| u64::from_le_bytes(*b)).ok_or(ProgramError::Truncated)?;
        let end = usize::try_from(length).ok().and_then(|length| length.checked_add(HEADER));
        let (digested, rest) = end.and_then(|end| bytes.split_at_checked(end)).ok_or(ProgramError::Truncated)?;
        let (digest, rest) = rest.split_first_chunk::<DIGEST>().ok_or(ProgramError::Truncated)?;
        let body = digested.get(HEADER..).ok_or(ProgramError::Truncated)?;
        if blake3::hash(digested) != *digest {
            return Err(ProgramError::Digest);
        }
        let signature = Signature::read(rest)?;
        let program: Program = postcard::from_bytes(body).map_err(|e| ProgramError::Malformed(e.to_string()))?;
        program.check()?;
        // Two byte strings for one program would give it two digests.
        if program.undigested() != digested {
            return Err(ProgramError::Malformed("not in canonical form".to_owned()));
        }
        Ok((program, signature))
    }

    /// The first node that has a price and that no party can run: such a program is for study only.
    #[must_use]
    pub fn priced_only(&self) -> Option<Id> {
        self.graph.iter().find(|(_, node)| node.op.is_priced_only()).map(|(id, _)| id)
    }

    /// Verifies the graph, its segments, and that the interface describes it.
    pub fn check(&self) -> Result<(), ProgramError> {
        verify(&self.graph, Stage::Mpc).map_err(ProgramError::Refused)?;
        segment::check(&self.graph, &self.segments)?;
        let mut wrong = Vec::new();
        let nodes: Vec<&Input> = self
            .graph
            .nodes
            .iter()
            .filter_map(|node| if let Op::Input(input) = &node.op { Some(input) } else { None })
            .collect();
        for spec in &self.inputs {
            let fits = |input: &&&Input| {
                let frac_bits = input.ty.as_fixed().map(|f| f.frac_bits);
                input.name == spec.name && input.ty.shape == spec.shape && frac_bits == Some(spec.frac_bits)
            };
            if !nodes.iter().any(|input| fits(&input)) {
                wrong.push(format!("input `{}` is not in the graph in this form", spec.name));
            }
            if let Some(p) = &spec.preprocess
                && (p.mean.len() != p.std.len() || p.mean.is_empty() || !p.is_finite())
            {
                wrong.push(format!("input `{}`: one mean and one deviation for each channel", spec.name));
            }
        }
        for (i, spec) in self.inputs.iter().enumerate() {
            if self.inputs[..i].iter().any(|s| s.name == spec.name) {
                wrong.push(format!("input `{}` is described twice", spec.name));
            }
        }
        for input in nodes {
            if !self.inputs.iter().any(|s| s.name == input.name) {
                wrong.push(format!("input `{}` is not described", input.name));
            }
        }
        if self.error_ulps.len() != self.graph.outputs.len() {
            wrong.push(format!("{} error bounds for {} outputs", self.error_ulps.len(), self.graph.outputs.len()));
        }
        if wrong.is_empty() { Ok(()) } else { Err(ProgramError::Interface(wrong)) }
    }
}

//! The program artefact `model.pi`: everything that both parties must agree on, and nothing that is secret.
//!
//! ```text
//! PICC | version (u32, little endian) | body (postcard) | BLAKE3 of everything before
//! ```

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
pub const VERSION: u32 = 3;

/// Largest program that is read.
pub const MAX_BYTES: usize = 256 << 20;

const HEADER: usize = 8;
const DIGEST: usize = 32;

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

    /// Digest that ends the artefact; the weights file names it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.undigested()).as_bytes()
    }

    fn undigested(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        // Fails for sequences of unknown length and for a full disk; there is neither.
        postcard::to_extend(self, bytes).expect("every field has a postcard form")
    }

    /// Reads and verifies a program. It may come from anybody.
    pub fn from_bytes(bytes: &[u8]) -> Result<Program, ProgramError> {
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
        let (signed, digest) = bytes.split_last_chunk::<DIGEST>().ok_or(ProgramError::Truncated)?;
        let body = signed.get(HEADER..).ok_or(ProgramError::Truncated)?;
        if blake3::hash(signed) != *digest {
            return Err(ProgramError::Digest);
        }
        let program: Program = postcard::from_bytes(body).map_err(|e| ProgramError::Malformed(e.to_string()))?;
        program.check()?;
        // Two byte strings for one program would give it two digests.
        if program.undigested() != signed {
            return Err(ProgramError::Malformed("not in canonical form".to_owned()));
        }
        Ok(program)
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

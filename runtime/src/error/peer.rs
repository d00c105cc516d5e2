//! What the other party, or the way to it, did.

use crate::channel::Kind;
use picc_ir::Party;
use std::fmt;
use std::io;

/// What a peer sent that the protocol does not allow at this point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// Another message than the next one of the protocol.
    #[error("expected {expected:?} of {length}, got kind {kind} of {bytes} bytes")]
    Message { expected: Kind, length: Length, kind: u8, bytes: usize },
    /// A part of a message of another length than the parameters give.
    #[error("{part}: {got} bytes, {expected} expected")]
    Part { part: &'static str, expected: usize, got: usize },
    /// Not a point of the group of the base OTs.
    #[error("base OT: not a point of the group")]
    Point,
    /// A number that is not below its modulus.
    #[error("a {of} is not below its modulus")]
    Residue { of: &'static str },
    /// Bits that only fill up the last byte, and are not zero.
    #[error("padding of a {of} is not zero")]
    Padding { of: &'static str },
    /// A public key that would hide nothing.
    #[error("a public key is zero")]
    ZeroKey,
    /// A request whose first polynomial would be its public key's.
    #[error("a request repeats the seed of its public key")]
    RepeatedSeed,
    /// What a client asks for between inferences.
    #[error("unknown request {code}")]
    Request { code: u8 },
}

/// How long the message was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Exactly(usize),
    AtMost(usize),
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Length::Exactly(bytes) => write!(f, "{bytes} bytes"),
            Length::AtMost(bytes) => write!(f, "at most {bytes} bytes"),
        }
    }
}

/// In which field the hellos of two parties differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("the other side does not speak this protocol")]
    Protocol,
    #[error(
        "this is protocol version {ours}, the other side's is {theirs}: upgrade {}'s pirun",
        if theirs > ours { "this side" } else { "the other side" }
    )]
    Version { ours: u16, theirs: u16 },
    #[error("both sides are the {both}")]
    Role { both: Party },
    #[error(
        "the programs differ: this one is {}, the other side's is {} (both need the same model.pi)",
        short(ours),
        short(theirs)
    )]
    Program { ours: Box<[u8; 32]>, theirs: Box<[u8; 32]> },
    /// `theirs` is as they sent it, with escapes for what is not printable.
    #[error("the security parameters differ: this side's are `{ours}`, the other's `{theirs}`")]
    Parameters { ours: String, theirs: String },
}

fn short(digest: &[u8; 32]) -> String {
    digest[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// Why a server goes no further with a client that it agrees with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("busy, all {sessions} sessions are in use; try again later")]
    Busy { sessions: usize },
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error("the server stopped")]
    Stopped,
    #[error("a session takes {most} inferences at most; open another one")]
    Inferences { most: u64 },
    #[error("a session takes {seconds} s at most; open another one")]
    Time { seconds: u64 },
    #[error("no request for {seconds} s; open another session")]
    Idle { seconds: u64 },
    /// What the client was told, with escapes for what is not printable. It is for people.
    #[error("{0}")]
    Told(String),
}

/// A connection that failed or timed out: where, and what the system says.
#[derive(Debug, thiserror::Error)]
#[error("{}", link.says(source))]
pub struct Connection {
    pub link: Link,
    pub source: io::Error,
}

/// How far a connection had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Being made to, or offered at, an address.
    Opening {
        address: String,
    },
    /// Made, and the other side has not said its hello.
    Unknown,
    Open,
}

impl Link {
    fn says(&self, source: &io::Error) -> String {
        match self {
            Link::Opening { address } => format!("{address}: {source}"),
            Link::Unknown => format!("{source} before the handshake: is it a `pirun serve`?"),
            Link::Open => source.to_string(),
        }
    }
}

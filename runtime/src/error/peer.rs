//! What the other party, or the way to it, did.

use crate::channel::Kind;
use picc_identity::Fingerprint;
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
    #[error(
        "the two sides are not ends of one connection: somebody sits in between, or only one side was told which \
         connection this is"
    )]
    Binding,
    #[error(transparent)]
    Unproven(Box<Unproven>),
}

/// Why one party does not take the other for whom it must be. `whose` is the party that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    #[error(
        "the server's key is {came}, and {expected} is expected: somebody else answers there, or the server has a new \
         key; ask its operator for the fingerprint, and give it as --server-key"
    )]
    Server { expected: Fingerprint, came: Fingerprint },
    #[error(
        "the {whose}'s key is {came}, which is none of the {known} that this side knows: --client-key and --clients \
         let a client in"
    )]
    Unknown { whose: Party, came: Fingerprint, known: usize },
    #[error(
        "the {whose}'s certificate expired on {on} (key {key}): its owner makes a new one for the same key, `pirun \
         keygen --renew OLD.key --out NEW.key`"
    )]
    Expired { whose: Party, key: Fingerprint, on: String },
    #[error("the {whose}'s certificate is good from {on} on (key {key}): is a clock wrong?")]
    Early { whose: Party, key: Fingerprint, on: String },
    #[error("no CA of the bundle vouches for the {whose} (key {key}): {why}")]
    Authority { whose: Party, key: Fingerprint, why: String },
    #[error("the {whose} shows no certificate: start it with --identity")]
    Nobody { whose: Party },
    /// The other party's alert, which says no more.
    #[error(
        "the {} does not accept this {whose}'s certificate (key {ours}): the key is none that it knows, or the \
         certificate is not within its dates; its operator's log says which{}",
        whose.other(),
        if *whose == Party::Client { ", and --client-key or --clients there lets a client in" } else { "" }
    )]
    Told { whose: Party, ours: Fingerprint },
    #[error("the {whose} does not speak TLS: {}", way_to_tls(*whose))]
    NoTls { whose: Party },
    #[error("the {whose} closed the connection instead of speaking TLS: {}", way_to_tls(*whose))]
    Silent { whose: Party },
    #[error(
        "the client speaks TLS, and this server does not: start it with --identity and --client-key, or the client \
         without --identity and --server-key"
    )]
    Encrypted,
    /// Anything else that TLS refuses.
    #[error("TLS: {why}")]
    Tls { why: String },
}

fn way_to_tls(whose: Party) -> &'static str {
    match whose {
        Party::Client => "it needs --identity and --server-key",
        Party::Server => {
            "is it a `pirun serve` with --identity? Without one, a client on the same machine gives neither --identity \
             nor --server-key"
        }
    }
}

impl From<Unproven> for super::Error {
    fn from(why: Unproven) -> super::Error {
        Mismatch::Unproven(Box::new(why)).into()
    }
}

fn short(digest: &[u8; 32]) -> String {
    digest[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// Why a server goes no further with a client that it agrees with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("busy, all {sessions} sessions are in use; try again later")]
    Busy { sessions: usize },
    #[error("it speaks TLS: give --identity and --server-key")]
    NeedsTls,
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
    /// Being made to an address.
    Opening {
        address: String,
    },
    /// Being offered at an address.
    Listening {
        address: String,
    },
    /// Made, and the other side has not said its hello.
    Unknown,
    Open,
}

impl Link {
    fn says(&self, source: &io::Error) -> String {
        match self {
            Link::Opening { address } => {
                let way_out = match source.kind() {
                    io::ErrorKind::ConnectionRefused => {
                        ": nobody listens there: start `pirun serve`, or check the port"
                    }
                    io::ErrorKind::TimedOut => {
                        ": nobody answers there: check the address, and that no firewall drops the port"
                    }
                    _ => "",
                };
                format!("{address}: {source}{way_out}")
            }
            Link::Listening { address } => {
                let way_out = match source.kind() {
                    io::ErrorKind::AddrInUse => {
                        ": another program listens there: end it, or give --listen another port"
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        ": this machine has no such address: --listen 0.0.0.0:PORT takes all that it has"
                    }
                    io::ErrorKind::PermissionDenied => {
                        ": ports below 1024 are the administrator's: give --listen another port"
                    }
                    _ => "",
                };
                format!("{address}: {source}{way_out}")
            }
            Link::Unknown => format!("{source} before the handshake: is it a `pirun serve`?"),
            Link::Open => source.to_string(),
        }
    }
}

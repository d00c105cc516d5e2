//! Errors of a run: each a named cause with what is known of it as fields. "The peer misbehaved", "the connection
//! failed" and "a bug" are three different things.
//!
//! ```text
//!   peer.rs    what the other party did:  Misbehaviour, Mismatch (of the handshake), Refusal, Connection
//!   given.rs   what this party was given: BadProgram, BadInput, Broken (a promise), Local (the machine)
//! ```
//! [`Error::fault`] says whose fault a failure is; exit codes and what logs say of a failure follow from that alone.

mod given;
mod peer;

pub use given::{BadInput, BadProgram, Broken, Local};
pub use peer::{Connection, Length, Link, Misbehaviour, Mismatch, Refusal, Unproven};

use picc_ir::Party;
use std::fmt;
use std::io;

/// Why a protocol stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer sent something that the protocol does not allow at this point.
    #[error("the peer broke the protocol: {0}")]
    Peer(#[from] Misbehaviour),
    /// The connection failed or timed out.
    #[error("connection: {0}")]
    Connection(#[from] Connection),
    /// The two parties do not agree on what to run.
    #[error("handshake: {0}")]
    Handshake(#[from] Mismatch),
    /// The server agrees, but takes no session, or no further inference, now: not a fault of either party.
    #[error("the server refuses: {0}")]
    Refused(#[from] Refusal),
    /// The program or the weights cannot be run.
    #[error(transparent)]
    Program(Box<BadProgram>),
    /// The user's input does not fit the program.
    #[error(transparent)]
    Input(Box<BadInput>),
    /// What was promised of the program does not hold for what was run.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// This machine lacks something that a run needs.
    #[error(transparent)]
    Local(#[from] Local),
    /// A mistake in this crate or in the program's cost: never the peer's or the user's.
    #[error("bug: {0}")]
    Bug(String),
    /// An error with the place in which it happened.
    #[error("{place} ({party}): {source}")]
    At { place: Place, party: Party, source: Box<Error> },
}

impl From<BadProgram> for Error {
    fn from(why: BadProgram) -> Error {
        Error::Program(Box::new(why))
    }
}

impl From<picc_identity::IdentityError> for Error {
    fn from(why: picc_identity::IdentityError) -> Error {
        BadInput::Identity(why).into()
    }
}

impl From<picc_identity::SignatureError> for Error {
    fn from(why: picc_identity::SignatureError) -> Error {
        BadProgram::Signature(why).into()
    }
}

impl From<BadInput> for Error {
    fn from(why: BadInput) -> Error {
        Error::Input(Box::new(why))
    }
}

/// How far a session had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Handshake,
    Setup,
    /// Between inferences.
    Request,
    /// A node of the program.
    Node(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Handshake => f.write_str("handshake"),
            Place::Setup => f.write_str("setup"),
            Place::Request => f.write_str("request"),
            Place::Node(node) => write!(f, "node {node}"),
        }
    }
}

/// By whose fault a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Peer,
    Connection,
    Handshake,
    /// Nobody's: the server takes no more now.
    Busy,
    Program,
    Input,
    Broken,
    Local,
    Bug,
}

impl Fault {
    /// What a log calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Fault::Peer => "peer",
            Fault::Connection => "connection",
            Fault::Handshake => "handshake",
            Fault::Busy => "busy",
            Fault::Program => "program",
            Fault::Input => "input",
            Fault::Broken => "broken promise",
            Fault::Local => "local",
            Fault::Bug => "bug",
        }
    }

    /// What a process exits with: 1 the run failed, 2 usage, 3 connection or peer, 4 handshake, 5 the server refuses
    /// for now.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Fault::Program | Fault::Broken | Fault::Local | Fault::Bug => 1,
            Fault::Input => 2,
            Fault::Peer | Fault::Connection => 3,
            Fault::Handshake => 4,
            Fault::Busy => 5,
        }
    }
}

impl Error {
    /// Whose fault it is, wherever it happened.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Error::Peer(_) => Fault::Peer,
            Error::Connection(_) => Fault::Connection,
            Error::Handshake(_) => Fault::Handshake,
            Error::Refused(_) => Fault::Busy,
            Error::Program(_) => Fault::Program,
            Error::Input(_) => Fault::Input,
            Error::Broken(_) => Fault::Broken,
            Error::Local(_) => Fault::Local,
            Error::Bug(_) => Fault::Bug,
            Error::At { source, .. } => source.fault(),
        }
    }

    /// The error without its place.
    #[must_use]
    pub fn cause(&self) -> &Error {
        match self {
            Error::At { source, .. } => source.cause(),
            other => other,
        }
    }

    /// Names the place in which the error happened (once: the innermost stays). A refusal happens between nodes,
    /// wherever the client hears of it.
    #[must_use]
    pub fn at(self, place: Place, party: Party) -> Error {
        match self {
            Error::At { .. } | Error::Refused(_) => self,
            other => Error::At { place, party, source: Box::new(other) },
        }
    }

    /// [`Error::at`] a program node.
    #[must_use]
    pub fn at_node(self, node: &str, party: Party) -> Error {
        self.at(Place::Node(node.to_owned()), party)
    }

    /// The connection to `address` failed.
    pub fn connecting(address: impl fmt::Display) -> impl Fn(io::Error) -> Error {
        let address = address.to_string();
        move |source| Connection { link: Link::Opening { address: address.clone() }, source }.into()
    }

    /// The offer to be reached at `address` failed.
    pub fn listening(address: impl fmt::Display) -> impl Fn(io::Error) -> Error {
        let address = address.to_string();
        move |source| Connection { link: Link::Listening { address: address.clone() }, source }.into()
    }

    /// An open connection failed; or TLS found something else out about it.
    #[must_use]
    pub fn connection(source: io::Error) -> Error {
        let source = match source.downcast::<Unproven>() {
            Ok(why) => return why.into(),
            Err(source) => source,
        };
        Connection { link: Link::Open, source }.into()
    }
}

pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_look_behind_the_place() {
        let code = |e: Error| e.at_node("conv", Party::Client).fault().exit_code();
        assert_eq!(code(Misbehaviour::Request { code: 7 }.into()), 3);
        assert_eq!(code(Error::connection(io::ErrorKind::TimedOut.into())), 3);
        assert_eq!(code(Error::Bug(String::new())), 1);
        assert_eq!(code(Mismatch::Protocol.into()), 4);
        assert_eq!(code(BadInput::Missing { input: "x".into() }.into()), 2);
        assert_eq!(code(BadProgram::LongParameters.into()), 1);
    }

    #[test]
    fn a_place_is_named_once_and_a_refusal_has_none() {
        let error = Error::Bug("b".into()).at_node("conv", Party::Server).at(Place::Setup, Party::Server);
        assert_eq!(error.to_string(), "node conv (server): bug: b");
        assert_eq!(Error::Bug("b".into()).at(Place::Setup, Party::Client).to_string(), "setup (client): bug: b");
        let busy = Error::from(Refusal::Busy { sessions: 3 }).at_node("conv", Party::Client);
        assert_eq!(busy.to_string(), "the server refuses: busy, all 3 sessions are in use; try again later");
        assert_eq!(busy.fault().exit_code(), 5);
    }
}

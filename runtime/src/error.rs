//! Errors of a run. "The peer misbehaved", "I/O failed" and "a bug" are three different things.

/// Why a protocol stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The peer sent something that the protocol does not allow at this point.
    #[error("the peer broke the protocol: {0}")]
    Peer(String),
    /// The connection failed or timed out.
    #[error("connection: {0}")]
    Io(#[from] std::io::Error),
    /// The two parties do not agree on what to run.
    #[error("handshake: {0}")]
    Handshake(String),
    /// The server agrees, but takes no session, or no further inference, now: not a fault of either party.
    #[error("the server refuses: {0}")]
    Refused(String),
    /// The program or the weights cannot be run.
    #[error("{0}")]
    Program(String),
    /// The user's input does not fit the program.
    #[error("{0}")]
    Input(String),
    /// A mistake in this crate or in the program's cost: never the peer's or the user's.
    #[error("bug: {0}")]
    Bug(String),
    /// An error with the program node in which it happened.
    #[error("node {node} ({party}): {source}")]
    AtNode { node: String, party: picc_ir::Party, source: Box<Error> },
}

impl Error {
    /// Names the program node in which the error happened (once: the innermost node stays). A refusal happens between
    /// nodes, wherever the client hears of it.
    #[must_use]
    pub fn at_node(self, node: &str, party: picc_ir::Party) -> Error {
        match self {
            Error::AtNode { .. } | Error::Refused(_) => self,
            other => Error::AtNode { node: node.to_owned(), party, source: Box::new(other) },
        }
    }
}

pub type Result<T> = std::result::Result<T, Error>;

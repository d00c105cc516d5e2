//! TLS 1.3 between the two parties: who is there, and nobody in between.
//!
//! ```text
//!   Identity, Trust ──> ClientTls, ServerTls     what a party shows, and whom it believes
//!     .begin()      ──> Handshake                bytes in, bytes out: no socket, no thread, no clock
//!     .finish()     ──> Authenticated            the peer, the exporter's value, the connection
//!     .channel()    ──> Channel                  over a socket
//! ```
//!
//! Both parties show a certificate, and each believes the other's if its key is one that it knows, or if a CA that it
//! trusts certified it ([`Trust`]). The certificate must be within its dates either way. The key exchange is
//! X25519MLKEM768 and nothing else, since both ends are this program's: who records a session today and has a quantum
//! computer later still needs to break X25519's partner. There is no resumption, no early data and no older version: a
//! recorded handshake is worth nothing. Everything that a session sends goes through this one connection.
//!
//! The exporter's value (RFC 8446 7.5, RFC 9266) stands in both hellos, so that base OTs and everything after them
//! belong to this connection alone.

mod config;
mod connect;
mod halves;
mod handshake;
mod trust;

pub use config::{ClientTls, ServerTls};
pub use connect::{accept, connect};
pub use handshake::{Authenticated, Handshake, Step, is_client_hello};
pub use trust::Trust;

use std::sync::Arc;

/// What the exporter's value is for.
const EXPORTER: &[u8] = b"EXPORTER-picc-session";

/// What both ends must say that they speak: a TLS server of another kind takes nothing of a client's.
const PROTOCOL: &[u8] = b"picc";

/// rustls with one key exchange.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    use rustls::crypto::aws_lc_rs::{default_provider, kx_group::X25519MLKEM768};
    Arc::new(rustls::crypto::CryptoProvider { kx_groups: vec![X25519MLKEM768], ..default_provider() })
}

#[cfg(test)]
mod tests;

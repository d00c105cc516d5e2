//! What a party shows and whom it believes, ready for any number of sessions.

use super::handshake::Handshake;
use super::trust::{Trust, Verifier};
use super::{PROTOCOL, provider};
use crate::error::{Error, Result};
use picc_identity::{Fingerprint, Identity, IdentityError};
use picc_ir::Party;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use std::sync::Arc;

/// A client's side of TLS.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    trust: Arc<Trust>,
    ours: Fingerprint,
    /// What a CA must have certified. Of a known key nobody asks for a name.
    name: ServerName<'static>,
}

/// A server's side of TLS.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    trust: Arc<Trust>,
    ours: Fingerprint,
}

fn shown(identity: &Identity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = identity.chain().iter().map(|der| CertificateDer::from(der.clone())).collect();
    (chain, PrivatePkcs8KeyDer::from(identity.secret_der().to_vec()).into())
}

fn unusable(e: rustls::Error) -> Error {
    IdentityError::Damaged { what: "key", why: format!("TLS cannot use it: {e}") }.into()
}

/// Versions are those of the provider's cipher suites.
fn no_version(e: rustls::Error) -> Error {
    Error::Bug(format!("no TLS 1.3: {e}"))
}

impl ClientTls {
    /// A client of `host`, which is a name or an address, without its port.
    ///
    /// # Errors
    /// If TLS cannot use the key.
    pub fn new(identity: &Identity, trust: Trust, host: &str) -> Result<ClientTls> {
        let (chain, key) = shown(identity);
        let trust = Arc::new(trust);
        let verifier = Verifier::new(Party::Server, Arc::clone(&trust))?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(no_version)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(chain, key);
        let mut config = config.map_err(unusable)?;
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // The name would go over the wire in clear, and one server has one identity.
        config.enable_sni = false;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        // A name that no certificate can have: only known keys are believed then.
        let name = ServerName::try_from(host).or_else(|_| ServerName::try_from("host.invalid"));
        let name = name.map_err(|e| Error::Bug(e.to_string()))?;
        Ok(ClientTls { config: Arc::new(config), trust, ours: identity.fingerprint(), name })
    }

    /// A handshake of one connection.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn begin(&self) -> Result<Handshake> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let connection = connection.map_err(|e| Error::Bug(format!("no TLS connection: {e}")))?;
        Ok(Handshake::new(Party::Client, connection.into(), Arc::clone(&self.trust), self.ours))
    }
}

impl ServerTls {
    /// The key that it shows.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.ours
    }

    /// A server that lets in whom it believes.
    ///
    /// # Errors
    /// If TLS cannot use the key.
    pub fn new(identity: &Identity, trust: Trust) -> Result<ServerTls> {
        let (chain, key) = shown(identity);
        let trust = Arc::new(trust);
        let verifier = Verifier::new(Party::Client, Arc::clone(&trust))?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(no_version)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key);
        let mut config = config.map_err(unusable)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(ServerTls { config: Arc::new(config), trust, ours: identity.fingerprint() })
    }

    /// A handshake of one connection.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn begin(&self) -> Result<Handshake> {
        let connection = ServerConnection::new(Arc::clone(&self.config));
        let connection = connection.map_err(|e| Error::Bug(format!("no TLS connection: {e}")))?;
        Ok(Handshake::new(Party::Server, connection.into(), Arc::clone(&self.trust), self.ours))
    }
}

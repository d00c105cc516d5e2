//! Whom a party believes.

use super::provider;
use crate::channel::Peer;
use crate::error::{Error, Result, Unproven};
use picc_identity::{Certificate, Clients, Fingerprint, date};
use picc_ir::Party;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, PeerIncompatible};
use rustls::{RootCertStore, SignatureScheme};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Keys that a party knows, and CAs whose word it takes for others.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    known: Clients,
    roots: Option<Arc<RootCertStore>>,
}

impl Trust {
    /// Nobody but the owner of this key: what a client says of its server.
    #[must_use]
    pub fn key(key: Fingerprint) -> Trust {
        Trust::keys(Clients::default().and([key]))
    }

    /// The owners of these keys, by their names.
    #[must_use]
    pub fn keys(known: Clients) -> Trust {
        Trust { known, roots: None }
    }

    /// Also whom one of these CAs certified: a PEM file's certificates.
    ///
    /// # Errors
    /// If there is none, or one is no CA's.
    pub fn and_authorities(self, pem: &[u8]) -> Result<Trust> {
        let certificates = picc_identity::read_certificates(pem)?;
        let damaged = |why: &dyn fmt::Display| picc_identity::IdentityError::Damaged {
            what: "bundle of CA certificates",
            why: why.to_string(),
        };
        if certificates.is_empty() {
            return Err(damaged(&"there is no certificate in it (PEM)").into());
        }
        let mut roots = RootCertStore::empty();
        for der in certificates {
            roots.add(der.into()).map_err(|e| damaged(&e))?;
        }
        Ok(Trust { roots: Some(Arc::new(roots)), ..self })
    }

    /// How a peer with this certificate is called. The name that it gives itself counts only if a CA vouches for it.
    pub(super) fn peer(&self, certificate: &[u8]) -> Result<Peer> {
        let Certificate { key, name, .. } = Certificate::read(certificate)?;
        Ok(match self.known.find(&key) {
            Some(client) => Peer { key, name: client.name.clone() },
            None => Peer { key, name },
        })
    }
}

/// Looks at the certificate of `whose` it is.
#[derive(Debug)]
pub(super) struct Verifier {
    whose: Party,
    trust: Arc<Trust>,
    authorities: Option<Authorities>,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Authorities {
    OfServers(Arc<WebPkiServerVerifier>),
    OfClients(Arc<dyn ClientCertVerifier>),
}

impl Verifier {
    pub(super) fn new(whose: Party, trust: Arc<Trust>) -> Result<Arc<Verifier>> {
        let bug = |e: &dyn fmt::Display| Error::Bug(format!("no verifier of CAs: {e}"));
        let authorities = match (whose, &trust.roots) {
            (_, None) => None,
            (Party::Server, Some(roots)) => {
                let builder = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), provider());
                Some(Authorities::OfServers(builder.build().map_err(|e| bug(&e))?))
            }
            (Party::Client, Some(roots)) => {
                let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider());
                Some(Authorities::OfClients(builder.build().map_err(|e| bug(&e))?))
            }
        };
        let algorithms = provider().signature_verification_algorithms;
        Ok(Arc::new(Verifier { whose, trust, authorities, algorithms }))
    }

    /// `None` if the key is none that is known, and a CA is to be asked.
    fn known(
        &self,
        certificate: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Option<std::result::Result<(), rustls::Error>> {
        let Ok(Certificate { key, validity, .. }) = Certificate::read(certificate) else {
            return Some(Err(CertificateError::BadEncoding.into()));
        };
        let (whose, now) = (self.whose, UNIX_EPOCH + Duration::from_secs(now.as_secs()));
        let is_known = self.trust.known.find(&key).is_some();
        let why = if !is_known && self.authorities.is_some() {
            return None;
        } else if !is_known {
            match (whose, self.trust.known.all()) {
                (Party::Server, [server]) => Unproven::Server { expected: server.key, came: key },
                (_, known) => Unproven::Unknown { whose, came: key, known: known.len() },
            }
        } else if now > validity.to {
            Unproven::Expired { whose, key, on: date(validity.to) }
        } else if now < validity.from {
            Unproven::Early { whose, key, on: date(validity.from) }
        } else {
            return Some(Ok(()));
        };
        Some(Err(refused(why)))
    }

    /// What an authority says, with the key of whom it says it.
    fn certified<T>(
        &self,
        certificate: &CertificateDer<'_>,
        said: std::result::Result<T, rustls::Error>,
    ) -> std::result::Result<T, rustls::Error> {
        said.map_err(|e| match Certificate::read(certificate) {
            Ok(Certificate { key, .. }) => {
                let why = match e {
                    rustls::Error::InvalidCertificate(why) => why.to_string(),
                    other => other.to_string(),
                };
                refused(Unproven::Authority { whose: self.whose, key, why })
            }
            Err(_) => e,
        })
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }
}

/// An error that this side finds again in what rustls returns; the other gets an alert.
fn refused(why: Unproven) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(why))).into()
}

/// TLS 1.2 is not compiled in.
fn old_version() -> rustls::Error {
    PeerIncompatible::Tls12NotOffered.into()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        match (self.known(end_entity, now), &self.authorities) {
            (Some(said), _) => said.map(|()| ServerCertVerified::assertion()),
            (None, Some(Authorities::OfServers(authorities))) => {
                let said = authorities.verify_server_cert(end_entity, intermediates, name, ocsp, now);
                self.certified(end_entity, said)
            }
            (None, _) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Err(old_version())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    /// A server does not tell strangers whom it believes.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> std::result::Result<ClientCertVerified, rustls::Error> {
        match (self.known(end_entity, now), &self.authorities) {
            (Some(said), _) => said.map(|()| ClientCertVerified::assertion()),
            (None, Some(Authorities::OfClients(authorities))) => {
                self.certified(end_entity, authorities.verify_client_cert(end_entity, intermediates, now))
            }
            (None, _) => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Err(old_version())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

//! What a party looks at in an X.509 certificate, and the one that an identity makes for itself.

use crate::{Fingerprint, IdentityError, Result};
use ed25519_dalek::SigningKey;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{GeneralizedTime, UtcTime};
use x509_cert::der::{DateTime, Decode, DecodePem, Encode};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{EncodePublicKey, SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::Time;

/// From when to when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first instant.
    pub from: SystemTime,
    /// The last.
    pub to: SystemTime,
}

impl Validity {
    /// From an hour ago, for clocks that differ, to so many days from now.
    #[must_use]
    pub fn days(days: u32) -> Validity {
        let now = SystemTime::now();
        Validity {
            from: now - Duration::from_secs(3600),
            to: now + Duration::from_secs(u64::from(days) * 24 * 3600),
        }
    }
}

/// What is read of a certificate. Nothing is verified by reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Of its public key.
    pub key: Fingerprint,
    /// The common name of its subject, without signs that move a terminal's cursor. Nothing but a CA vouches for it.
    pub name: Option<String>,
    /// When it is good.
    pub validity: Validity,
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// If it is no certificate.
    pub fn read(der: &[u8]) -> Result<Certificate> {
        let damaged = IdentityError::damaged("certificate");
        let certificate = x509_cert::Certificate::from_der(der).map_err(|e| damaged(&e))?;
        let tbs = certificate.tbs_certificate();
        let key = tbs.subject_public_key_info().to_der().map_err(|e| damaged(&e))?;
        let name = tbs.subject().common_name().ok().flatten();
        let validity = tbs.validity();
        Ok(Certificate {
            key: Fingerprint::of_spki(&key),
            name: name.map(|n| n.value().chars().filter(|c| !c.is_control()).take(100).collect()),
            validity: Validity { from: instant(validity.not_before), to: instant(validity.not_after) },
        })
    }
}

fn instant(time: Time) -> SystemTime {
    UNIX_EPOCH + time.to_unix_duration()
}

/// `2026-12-31` of an instant, for messages.
#[must_use]
pub fn date(instant: SystemTime) -> String {
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    DateTime::from_unix_duration(since)
        .map_or_else(|_| "a far day".to_owned(), |d| format!("{:04}-{:02}-{:02}", d.year(), d.month(), d.day()))
}

/// The certificates of a PEM file, in their order, as DER.
///
/// # Errors
/// If a block is damaged.
pub fn read_certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>> {
    let damaged = IdentityError::damaged("certificate");
    blocks(pem, "CERTIFICATE")
        .map(|block| x509_cert::Certificate::from_pem(block).and_then(|c| c.to_der()).map_err(|e| damaged(&e)))
        .collect()
}

/// The blocks of a PEM file with this label.
pub(crate) fn blocks<'a>(pem: &'a [u8], label: &str) -> impl Iterator<Item = &'a str> {
    let text = std::str::from_utf8(pem).unwrap_or_default();
    let [begin, end] = ["BEGIN", "END"].map(|word| format!("-----{word} {label}-----"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(&begin)?;
        let length = rest[start..].find(&end)? + end.len();
        let block = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(block)
    })
}

/// The profile of a certificate that is its own issuer and no CA.
struct Own(Name);

impl BuilderProfile for Own {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        _key: SubjectPublicKeyInfoRef<'_>,
        _issuer: SubjectPublicKeyInfoRef<'_>,
        tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let no_ca = BasicConstraints { ca: false, path_len_constraint: None };
        Ok(vec![no_ca.to_extension(tbs.subject(), &[])?])
    }
}

/// A certificate that a key signs for itself, as DER.
pub(crate) fn self_signed(key: &SigningKey, name: &str, validity: Validity, serial: [u8; 8]) -> Result<Vec<u8>> {
    let damaged = IdentityError::damaged("certificate");
    // Of a name only what needs no escapes.
    let plain: String = name.chars().filter(|c| c.is_alphanumeric() || " .-_".contains(*c)).take(60).collect();
    let plain = plain.trim();
    let subject = Name::from_str(&format!("CN={}", if plain.is_empty() { "picc" } else { plain }));
    let validity = x509_cert::time::Validity::new(time(validity.from)?, time(validity.to)?);
    let public = key.verifying_key().to_public_key_der().map_err(|e| damaged(&e))?;
    let public = SubjectPublicKeyInfoOwned::from_der(public.as_bytes()).map_err(|e| damaged(&e))?;
    let serial = SerialNumber::new(&serial).map_err(|e| damaged(&e))?;
    let profile = Own(subject.map_err(|e| damaged(&e))?);
    let builder = CertificateBuilder::new(profile, serial, validity, public).map_err(|e| damaged(&e))?;
    let certificate = builder.build::<_, ed25519_dalek::Signature>(key).map_err(|e| damaged(&e))?;
    certificate.to_der().map_err(|e| damaged(&e))
}

/// As RFC 5280 4.1.2.5 wants it: two digits of the year until 2049.
fn time(instant: SystemTime) -> Result<Time> {
    let damaged = IdentityError::damaged("date");
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = Duration::from_secs(since.as_secs());
    let date = DateTime::from_unix_duration(since).map_err(|e| damaged(&e))?;
    if date.year() < 2050 {
        return Ok(UtcTime::from_date_time(date).map_err(|e| damaged(&e))?.into());
    }
    Ok(GeneralizedTime::from_date_time(date).into())
}

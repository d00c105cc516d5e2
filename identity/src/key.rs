//! An identity: a private key, and the certificate that carries its public half through TLS.

use crate::certificate::{blocks, self_signed};
use crate::{Certificate, Fingerprint, IdentityError, Result, Validity, read_certificates};
use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::{Signer, SigningKey};
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use rand::rand_core::TryRng;
use rand::rngs::SysRng;
use x509_cert::der::Decode;
use x509_cert::spki::EncodePublicKey;
use zeroize::Zeroizing;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// A private key, and its certificate with those of its issuers. `keygen` makes Ed25519 keys; a key that a CA certified
/// may be of any kind that rustls takes, and signs no programs then. The key is wiped when dropped.
pub struct Identity {
    /// PKCS#8, DER.
    key: SecretDocument,
    /// DER, its own first.
    chain: Vec<Vec<u8>>,
    certificate: Certificate,
    /// If it is of this kind.
    ed25519: Option<SigningKey>,
}

impl Identity {
    /// A new key of the system's randomness, with a certificate of its own for `name`.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn generate(name: &str, validity: Validity) -> Result<Identity> {
        let seed = Zeroizing::new(random::<32>()?);
        Identity::of(SigningKey::from_bytes(&seed), name, validity)
    }

    /// The same key with a new certificate, and so the same fingerprint.
    ///
    /// # Errors
    /// If the key is none that this crate makes certificates for.
    pub fn renewed(&self, validity: Validity) -> Result<Identity> {
        let key = self.ed25519.clone().ok_or(IdentityError::NotEd25519)?;
        Identity::of(key, self.name().unwrap_or_default(), validity)
    }

    fn of(key: SigningKey, name: &str, validity: Validity) -> Result<Identity> {
        let damaged = IdentityError::damaged("key");
        let mut serial = random::<8>()?;
        // Positive, and not shortened by a leading zero.
        serial[0] = serial[0] & 0x7f | 0x40;
        let chain = vec![self_signed(&key, name, validity, serial)?];
        let certificate = Certificate::read(&chain[0])?;
        let document = key.to_pkcs8_der().map_err(|e| damaged(&e))?;
        Ok(Identity { key: document, chain, certificate, ed25519: Some(key) })
    }

    /// What the other party pins.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.key
    }

    /// The name in its certificate. Nothing vouches for it unless a CA does.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.certificate.name.as_deref()
    }

    /// When its certificate is good.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.certificate.validity
    }

    /// The certificates that it shows, as DER: its own, then its issuers'.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The private key: PKCS#8, DER. For whoever hands it to TLS.
    #[must_use]
    pub fn secret_der(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// An Ed25519 signature of these bytes, with its public key.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<([u8; 32], [u8; 64])> {
        let key = self.ed25519.as_ref().ok_or(IdentityError::NotEd25519)?;
        Ok((key.verifying_key().to_bytes(), key.sign(message).to_bytes()))
    }

    /// Reads a file as [`Identity::to_pem`] and `openssl` write it: one private key (PKCS#8, PEM) and certificates.
    ///
    /// # Errors
    /// If there is no key, or it is another one's than the certificate's, or needs another passphrase.
    pub fn from_pem(pem: &[u8], passphrase: Option<&[u8]>) -> Result<Identity> {
        let damaged = IdentityError::damaged("key");
        let key = match (blocks(pem, PLAIN).next(), blocks(pem, ENCRYPTED).next()) {
            (Some(block), _) => SecretDocument::from_pem(block).map_err(|e| damaged(&e))?.1,
            (None, Some(block)) => {
                let sealed = SecretDocument::from_pem(block).map_err(|e| damaged(&e))?.1;
                let sealed = EncryptedPrivateKeyInfoRef::from_der(sealed.as_bytes()).map_err(|e| damaged(&e))?;
                let passphrase = passphrase.ok_or(IdentityError::PassphraseNeeded)?;
                sealed.decrypt(passphrase).map_err(|_| IdentityError::WrongPassphrase)?
            }
            (None, None) => return Err(IdentityError::NoKey),
        };
        let info = PrivateKeyInfoRef::from_der(key.as_bytes()).map_err(|e| damaged(&e))?;
        let ed25519 = if info.algorithm.oid == ed25519_dalek::pkcs8::ALGORITHM_OID {
            Some(SigningKey::try_from(info).map_err(|e| damaged(&e))?)
        } else {
            None
        };
        let chain = read_certificates(pem)?;
        let certificate = Certificate::read(chain.first().ok_or(IdentityError::NoCertificate)?)?;
        // Keys of other kinds are compared by whoever hands them to TLS.
        if let Some(key) = &ed25519 {
            let public = key.verifying_key().to_public_key_der().map_err(|e| damaged(&e))?;
            let key = Fingerprint::of_spki(public.as_bytes());
            if key != certificate.key {
                return Err(IdentityError::OtherKey { certificate: certificate.key, key });
            }
        }
        Ok(Identity { key, chain, certificate, ed25519 })
    }

    /// The key file: PKCS#8, under the passphrase (PBES2: scrypt, AES-256) if there is one, and the certificates.
    ///
    /// # Errors
    /// If the system gives no randomness, or the passphrase is empty.
    pub fn to_pem(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<String>> {
        let damaged = IdentityError::damaged("key");
        let mut pem = match passphrase {
            None => self.key.to_pem(PLAIN, LineEnding::LF).map_err(|e| damaged(&e))?,
            Some([]) => return Err(IdentityError::EmptyPassphrase),
            Some(passphrase) => {
                let (salt, iv) = (random::<16>()?, random::<16>()?);
                // 2^14 blocks of 1 KiB for each guess: the most that openssl opens without being asked to.
                let cost = pkcs8::pkcs5::scrypt::Params::new(14, 8, 1).map_err(|e| damaged(&e))?;
                let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(cost, &salt, iv);
                let parameters = parameters.map_err(|e| damaged(&e))?;
                let info = PrivateKeyInfoRef::from_der(self.key.as_bytes()).map_err(|e| damaged(&e))?;
                let sealed = info.encrypt_with_params(parameters, passphrase).map_err(|e| damaged(&e))?;
                sealed.to_pem(ENCRYPTED, LineEnding::LF).map_err(|e| damaged(&e))?
            }
        };
        for der in &self.chain {
            let certificate = x509_cert::Certificate::from_der(der).map_err(|e| damaged(&e))?;
            let text = x509_cert::der::EncodePem::to_pem(&certificate, LineEnding::LF).map_err(|e| damaged(&e))?;
            pem.push_str(&text);
        }
        Ok(pem)
    }
}

/// Bytes of the system's randomness.
///
/// # Errors
/// If it gives none.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|e| IdentityError::Randomness { why: e.to_string() })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_key_file_holds_an_identity() {
        let identity = Identity::generate("St. Mary's, ward 3", Validity::days(30)).unwrap();
        let pem = identity.to_pem(None).unwrap();
        let again = Identity::from_pem(pem.as_bytes(), None).unwrap();
        assert_eq!(again.fingerprint(), identity.fingerprint());
        assert_eq!(again.name(), Some("St. Marys ward 3"));
        assert_eq!(again.secret_der(), identity.secret_der());
        assert_eq!(again.chain(), identity.chain());
        assert_ne!(Identity::generate("x", Validity::days(30)).unwrap().fingerprint(), identity.fingerprint());
    }

    #[test]
    fn a_passphrase_closes_it() {
        let identity = Identity::generate("clinic", Validity::days(30)).unwrap();
        let pem = identity.to_pem(Some(b"correct horse")).unwrap();
        assert!(pem.contains("ENCRYPTED PRIVATE KEY") && !pem.contains("BEGIN PRIVATE KEY"));
        let opened = Identity::from_pem(pem.as_bytes(), Some(b"correct horse")).unwrap();
        assert_eq!(opened.secret_der(), identity.secret_der());
        let failed = |passphrase: Option<&[u8]>| Identity::from_pem(pem.as_bytes(), passphrase).err();
        assert!(matches!(failed(None), Some(IdentityError::PassphraseNeeded)));
        assert!(matches!(failed(Some(b"wrong")), Some(IdentityError::WrongPassphrase)));
        assert!(matches!(identity.to_pem(Some(b"")), Err(IdentityError::EmptyPassphrase)));
    }

    #[test]
    fn a_renewed_certificate_is_of_the_same_key() {
        let long_ago = UNIX_EPOCH + Duration::from_secs(1_500_000_000);
        let old = Validity { from: long_ago, to: long_ago + Duration::from_secs(86_400) };
        let expired = Identity::generate("clinic", old).unwrap();
        assert_eq!(expired.validity(), old);
        assert_eq!(crate::date(old.to), "2017-07-15");
        // Beyond 2049 dates have another form.
        let renewed = expired.renewed(Validity::days(20_000)).unwrap();
        assert_eq!((renewed.fingerprint(), renewed.name()), (expired.fingerprint(), expired.name()));
        assert!(renewed.validity().to > std::time::SystemTime::now());
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        let [one, two] = [(); 2].map(|()| Identity::generate("x", Validity::days(1)).unwrap());
        let (one, two) = (one.to_pem(None).unwrap(), two.to_pem(None).unwrap());
        let cut = |pem: &str| pem.find("-----BEGIN CERTIFICATE").unwrap();
        let mixed = format!("{}{}", &one[..cut(&one)], &two[cut(&two)..]);
        let failed = |pem: &str| Identity::from_pem(pem.as_bytes(), None).err().unwrap();
        assert!(matches!(failed(&mixed), IdentityError::OtherKey { .. }));
        assert!(matches!(failed(&one[cut(&one)..]), IdentityError::NoKey));
        assert!(matches!(failed(&one[..cut(&one)]), IdentityError::NoCertificate));
        assert!(matches!(failed(""), IdentityError::NoKey));
        let damaged = one.replacen("KEY-----\nM", "KEY-----\nA", 1);
        assert!(matches!(failed(&damaged), IdentityError::Damaged { .. }));
    }
}

//! How keys are called.

use crate::IdentityError;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "sha256:";

/// SHA-256 of a public key in its X.509 form (SubjectPublicKeyInfo, DER). It is public, stays the same when the
/// certificate is renewed, and is written `sha256:` and 64 hexadecimal digits. `openssl pkey -in clinic.key -pubout
/// -outform DER | sha256sum` prints the same digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a SubjectPublicKeyInfo.
    #[must_use]
    pub fn of_spki(der: &[u8]) -> Fingerprint {
        Fingerprint(Sha256::digest(der).into())
    }

    /// The hash itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Fingerprint, IdentityError> {
        let wrong = || IdentityError::Fingerprint { text: text.to_owned() };
        let digits = text.strip_prefix(PREFIX).filter(|d| d.len() == 64 && d.is_ascii()).ok_or_else(wrong)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
            let digit = |c: u8| char::from(c).to_digit(16);
            let [Some(high), Some(low)] = pair.map(digit) else { return Err(wrong()) };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Fingerprint(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_written_as_they_are_read() {
        let one = Fingerprint::of_spki(b"a key");
        assert_eq!(one.to_string().parse::<Fingerprint>().unwrap(), one);
        let upper = format!("sha256:{}", one.to_string()[7..].to_uppercase());
        assert_eq!(upper.parse::<Fingerprint>().unwrap(), one);
        // SHA-256 of nothing, from FIPS 180-4's examples.
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Fingerprint::of_spki(b"").to_string(), empty);
        let cut = &empty[..empty.len() - 1];
        for wrong in ["", "sha256:", &empty[7..], cut, &format!("{cut}g"), &format!("sha256:{}", "é".repeat(32))] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}

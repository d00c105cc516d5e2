//! Signatures of programs: who compiled `model.pi`.

use crate::{Fingerprint, Identity, Result};
use ed25519_dalek::VerifyingKey;
use picc_ir::program::Signature;
use x509_cert::spki::EncodePublicKey;

/// What keeps a signature of a program from being taken for one of anything else.
const CONTEXT: &[u8] = b"picc program signature, version 1\0";

fn statement(digest: &[u8; 32]) -> Vec<u8> {
    [CONTEXT, digest].concat()
}

/// Why a program is not one that a key signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error(
        "the program is not signed, and must be by {expected}: its provider compiles it with `--sign PROVIDER.key`"
    )]
    Unsigned {
        /// Whose signature it must bear.
        expected: Fingerprint,
    },
    /// Another key's signature.
    #[error("the program is signed by {came}, and must be by {expected}: ask its provider for theirs")]
    OtherSigner {
        /// Whose signature it must bear.
        expected: Fingerprint,
        /// Whose it bears.
        came: Fingerprint,
    },
    /// A signature of something else, or of nobody.
    #[error("the program's signature does not fit it: the file was changed after it was signed")]
    Wrong,
}

impl Identity {
    /// Signs the program of this digest.
    ///
    /// # Errors
    /// If this is no Ed25519 key.
    pub fn sign_program(&self, digest: &[u8; 32]) -> Result<Signature> {
        let (key, signature) = self.sign(&statement(digest))?;
        Ok(Signature { key, signature })
    }
}

/// Whose signature a program bears, if it is a good one.
///
/// # Errors
/// [`SignatureError::Wrong`].
pub fn signer(digest: &[u8; 32], signature: &Signature) -> std::result::Result<Fingerprint, SignatureError> {
    let key = VerifyingKey::from_bytes(&signature.key).map_err(|_| SignatureError::Wrong)?;
    let bytes = ed25519_dalek::Signature::from_bytes(&signature.signature);
    // Strict: keys of small order fit every message.
    key.verify_strict(&statement(digest), &bytes).map_err(|_| SignatureError::Wrong)?;
    let public = key.to_public_key_der().map_err(|_| SignatureError::Wrong)?;
    Ok(Fingerprint::of_spki(public.as_bytes()))
}

/// That the program of this digest is signed, and by the key that is expected.
///
/// # Errors
/// If it is not.
pub fn check_signature(
    digest: &[u8; 32],
    signature: Option<&Signature>,
    expected: Fingerprint,
) -> std::result::Result<(), SignatureError> {
    let came = signer(digest, signature.ok_or(SignatureError::Unsigned { expected })?)?;
    if came == expected { Ok(()) } else { Err(SignatureError::OtherSigner { expected, came }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Validity;

    #[test]
    fn a_program_is_signed_by_whom_it_says() {
        let [provider, other] = [(); 2].map(|()| Identity::generate("x", Validity::days(1)).unwrap());
        let (expected, came) = (provider.fingerprint(), other.fingerprint());
        let signature = provider.sign_program(&[7; 32]).unwrap();
        assert_eq!(check_signature(&[7; 32], Some(&signature), expected), Ok(()));
        assert_eq!(check_signature(&[7; 32], None, expected), Err(SignatureError::Unsigned { expected }));
        assert_eq!(check_signature(&[8; 32], Some(&signature), expected), Err(SignatureError::Wrong));
        let again = other.sign_program(&[7; 32]).unwrap();
        let error = check_signature(&[7; 32], Some(&again), expected).unwrap_err();
        assert_eq!(error, SignatureError::OtherSigner { expected, came });
        assert!(error.to_string().contains(&came.to_string()) && error.to_string().contains(&expected.to_string()));
        for byte in 0..64 {
            let mut damaged = signature.clone();
            damaged.signature[byte] ^= 1;
            assert_eq!(check_signature(&[7; 32], Some(&damaged), expected), Err(SignatureError::Wrong), "{byte}");
        }
        // Claiming the provider's key over one's own signature does not help either.
        let claimed = Signature { key: signature.key, signature: again.signature };
        assert_eq!(check_signature(&[7; 32], Some(&claimed), expected), Err(SignatureError::Wrong));
    }

    /// A key of small order and a signature of zeros fit any message under lax verification.
    #[test]
    fn keys_of_small_order_sign_nothing() {
        let mut key = [0; 32];
        key[0] = 1;
        let forged = Signature { key, signature: std::array::from_fn(|i| u8::from(i == 0)) };
        assert_eq!(signer(&[7; 32], &forged), Err(SignatureError::Wrong));
    }
}

//! What can be wrong with keys, certificates and lists of clients.

use crate::Fingerprint;
use std::io;
use std::path::{Path, PathBuf};

/// Why a key, a certificate or a list of clients cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not `sha256:` and 64 hexadecimal digits.
    #[error("`{text}` is no fingerprint: it is sha256: and 64 hexadecimal digits, as `pirun keygen` prints it")]
    Fingerprint {
        /// What was given.
        text: String,
    },
    /// A file without a private key in PEM form.
    #[error("no private key (PEM, PKCS#8) in it: `pirun keygen --out NEW.key` makes one")]
    NoKey,
    /// A key file without a certificate.
    #[error("no certificate beside the key: append it in PEM form, the key's own first")]
    NoCertificate,
    /// Something in PEM or DER form that cannot be read.
    #[error("the {what} is damaged: {why}")]
    Damaged {
        /// Key, certificate.
        what: &'static str,
        /// What the reader says.
        why: String,
    },
    /// The certificate is another key's.
    #[error("the certificate is that of another key ({certificate}, the file's key is {key})")]
    OtherKey {
        /// Of the certificate.
        certificate: Fingerprint,
        /// Of the private key.
        key: Fingerprint,
    },
    /// An encrypted key and no passphrase.
    #[error("the key is under a passphrase: give --passphrase-file FILE, or set PICC_PASSPHRASE")]
    PassphraseNeeded,
    /// The passphrase does not open the key.
    #[error("the passphrase does not open the key")]
    WrongPassphrase,
    /// A passphrase of no letters.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// Programs are signed with Ed25519 alone.
    #[error("programs are signed with Ed25519 keys, as `pirun keygen` makes them; this key is of another kind")]
    NotEd25519,
    /// Other users may read a file that holds a secret.
    #[error(
        "may be read by others (mode {mode:o}), and who reads it can pose as its owner: chmod 600 it, and make a new \
         key if somebody may have"
    )]
    Readable {
        /// The file's permissions.
        mode: u32,
    },
    /// A key file is never written over.
    #[error("exists already, and a key that is overwritten is lost: give another name, or remove it first")]
    Exists,
    /// A list of clients that is not in its form.
    #[error("not a list of clients: {why}")]
    Clients {
        /// What is wrong.
        why: String,
    },
    /// Two clients of one name or one key.
    #[error("client `{name}` has {what} of another one in the list")]
    Twice {
        /// Of the second.
        name: String,
        /// The name, the key.
        what: &'static str,
    },
    /// A file that cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// No randomness from the system.
    #[error("the system gives no randomness: {why}")]
    Randomness {
        /// What the system says.
        why: String,
    },
    /// The file that it came from.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<IdentityError>,
    },
}

/// What the functions of this crate return.
pub type Result<T> = std::result::Result<T, IdentityError>;

impl IdentityError {
    pub(crate) fn in_file(self, path: &Path) -> IdentityError {
        IdentityError::File { path: path.to_owned(), source: Box::new(self) }
    }

    pub(crate) fn damaged(what: &'static str) -> impl Fn(&dyn std::fmt::Display) -> IdentityError {
        move |why| IdentityError::Damaged { what, why: why.to_string() }
    }
}

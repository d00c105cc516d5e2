//! Who a party is: a key, the name that follows from it, and what is signed with it.
//!
//! ```text
//!   Identity       an Ed25519 key and its certificate: file 0600, optionally under a passphrase
//!     .fingerprint()   sha256:... of the public key: what the other party pins
//!     .sign_program()  the signature that ends model.pi
//!   Clients        clients.toml: names of known fingerprints
//!   Certificate    what of an X.509 certificate a party looks at: key, name, dates
//! ```
//! The compiler signs and the runtime authenticates, and neither sees the other; so this is a crate of its own. It
//! opens no connection: TLS is the runtime's.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod certificate;
mod clients;
mod error;
mod file;
mod fingerprint;
mod key;
mod program;

pub use certificate::{Certificate, Validity, date, read_certificates};
pub use clients::{Client, Clients};
pub use error::{IdentityError, Result};
pub use file::{PASSPHRASE_VARIABLE, Passphrase, read_identity, write_new};
pub use fingerprint::Fingerprint;
pub use key::{Identity, random};
pub use program::{SignatureError, check_signature, signer};

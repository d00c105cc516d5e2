//! Machine code on disk, so that the second session starts at once.
//!
//! Files are code that will run, so they are only taken from a directory and files that belong to the current user and
//! that nobody else can write; a symbolic link in their place is refused. The digest in a file finds damage; it is not
//! keyed, because somebody who can write the user's files has the user's rights already. Whatever does not fit is made
//! anew.
//!
//! Files take 256 MiB at most: whoever adds one beyond that removes those that were used longest ago. The folder may be
//! removed at any time.

#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub use unix::Cache;

#[cfg(not(unix))]
mod none;
#[cfg(not(unix))]
pub use none::Cache;

use crate::lower::Code;

/// Sources of everything that shapes the code: whoever changes the code generator gets new keys.
const GENERATOR: [&str; 11] = [
    include_str!("../isa.rs"),
    include_str!("../call/mod.rs"),
    include_str!("../lower/mod.rs"),
    include_str!("../lower/access.rs"),
    include_str!("../lower/cost.rs"),
    include_str!("../lower/memory.rs"),
    include_str!("../lower/nest.rs"),
    include_str!("../lower/nest/flat.rs"),
    include_str!("../lower/plan.rs"),
    include_str!("../lower/together.rs"),
    include_str!("../lower/value.rs"),
];

/// Larger files are not read.
const MAX_CODE: usize = 16 << 20;

const MAGIC: &[u8; 16] = b"picc kernel 2\n\0\0";

/// Name of a cache entry: digest of kernel, target, features and code generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// For a kernel of the given structure and a target.
    #[must_use]
    pub fn new(fingerprint: &str, structure: &[u8; 32]) -> Key {
        static GENERATOR_DIGEST: std::sync::OnceLock<[u8; 32]> = std::sync::OnceLock::new();
        let generator = GENERATOR_DIGEST.get_or_init(|| {
            let mut h = blake3::Hasher::new();
            for part in [env!("CARGO_PKG_VERSION"), cranelift_codegen::VERSION].iter().chain(&GENERATOR) {
                h.update(blake3::hash(part.as_bytes()).as_bytes());
            }
            h.finalize().into()
        });
        let mut h = blake3::Hasher::new();
        h.update(generator).update(blake3::hash(fingerprint.as_bytes()).as_bytes()).update(structure);
        Key(h.finalize().into())
    }

    fn file_name(&self) -> String {
        blake3::Hash::from(self.0).to_hex().to_string()
    }
}

/// Contents of a cache file: magic, digest of key and code, code.
fn encode(key: &Key, code: &Code) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&digest(key, &code.bytes));
    out.extend_from_slice(&code.bytes);
    out
}

fn decode(key: &Key, file: &[u8]) -> Option<Code> {
    let (digest_of, bytes) = file.strip_prefix(MAGIC)?.split_at_checked(32)?;
    (!bytes.is_empty() && digest_of == digest(key, bytes)).then(|| Code { bytes: bytes.to_vec() })
}

fn digest(key: &Key, code: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new().update(&key.0).update(code).finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::GENERATOR;
    use std::path::Path;

    #[test]
    fn every_file_of_the_code_generator_is_part_of_the_key() {
        let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lower")];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path()));
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let tests = path.ends_with("constant_time.rs");
            assert!(tests || GENERATOR.contains(&text.as_str()), "{}", path.display());
        }
    }
}

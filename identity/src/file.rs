//! Key files and passphrases on disk.

use crate::{Identity, IdentityError, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The variable of the environment that holds a passphrase where no file does.
pub const PASSPHRASE_VARIABLE: &str = "PICC_PASSPHRASE";

/// No key file and no passphrase is longer.
const LONGEST: u64 = 1 << 20;

/// Where the passphrase of a key is.
#[derive(Clone, Debug, Default)]
pub struct Passphrase {
    /// Its first line; without it [`PASSPHRASE_VARIABLE`] is asked.
    pub file: Option<PathBuf>,
}

impl Passphrase {
    /// The passphrase, without its line's end; `None` if there is none.
    ///
    /// # Errors
    /// If its file cannot be read, or others may read it.
    pub fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(path) = &self.file else {
            let value = std::env::var_os(PASSPHRASE_VARIABLE).filter(|v| !v.is_empty());
            return Ok(value.map(|v| Zeroizing::new(v.into_encoded_bytes())));
        };
        let mut bytes = read_secret(path)?;
        let end = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(bytes.len());
        bytes.truncate(end);
        if bytes.is_empty() {
            return Err(IdentityError::EmptyPassphrase.in_file(path));
        }
        Ok(Some(bytes))
    }
}

/// Reads a key file, which nobody but its owner may.
///
/// # Errors
/// If others may read it, if it is no key file, or if the passphrase does not open it.
pub fn read_identity(path: &Path, passphrase: &Passphrase) -> Result<Identity> {
    let pem = read_secret(path)?;
    let passphrase = passphrase.read()?;
    Identity::from_pem(&pem, passphrase.as_ref().map(|p| &p[..])).map_err(|e| e.in_file(path))
}

fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let read = || {
        let file = File::open(path)?;
        refuse_if_readable(&file)?;
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|e: IdentityError| e.in_file(path))
}

/// Of the file that was opened, not of a name that may lead elsewhere by now.
#[cfg(unix)]
fn refuse_if_readable(file: &File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 { Err(IdentityError::Readable { mode }) } else { Ok(()) }
}

/// Elsewhere a file's readers are not told by its mode.
#[cfg(not(unix))]
fn refuse_if_readable(_file: &File) -> Result<()> {
    Ok(())
}

/// Writes a key file that is not there yet: mode 0600 from its first byte on.
///
/// # Errors
/// If there is a file of this name, or it cannot be written; then nothing stays behind.
pub fn write_new(path: &Path, pem: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|e| {
        let why = if e.kind() == std::io::ErrorKind::AlreadyExists { IdentityError::Exists } else { e.into() };
        why.in_file(path)
    })?;
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(|e| {
        let _half = std::fs::remove_file(path);
        IdentityError::from(e).in_file(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Validity;

    #[test]
    fn a_key_is_written_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clinic.key");
        let identity = Identity::generate("clinic", Validity::days(1)).unwrap();
        write_new(&path, &identity.to_pem(None).unwrap()).unwrap();
        let none = Passphrase::default();
        assert_eq!(read_identity(&path, &none).unwrap().fingerprint(), identity.fingerprint());
        let again = write_new(&path, "x").unwrap_err().to_string();
        assert!(again.contains("clinic.key: exists already"), "{again}");
        assert_eq!(read_identity(&path, &none).unwrap().fingerprint(), identity.fingerprint());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let [key, secret] = ["clinic.key", "passphrase"].map(|name| dir.path().join(name));
        let identity = Identity::generate("clinic", Validity::days(1)).unwrap();
        write_new(&key, &identity.to_pem(Some(b"open sesame")).unwrap()).unwrap();
        write_new(&secret, "open sesame\nmore").unwrap();
        let passphrase = Passphrase { file: Some(secret.clone()) };
        assert!(read_identity(&key, &passphrase).is_ok());
        for path in [&key, &secret] {
            for (mode, says) in [(0o640, Some("mode 640")), (0o604, Some("chmod 600")), (0o600, None)] {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
                let read = read_identity(&key, &passphrase);
                match says {
                    Some(says) => {
                        let error = read.err().unwrap().to_string();
                        assert!(error.contains(says) && error.contains(&path.display().to_string()), "{error}");
                    }
                    None => assert!(read.is_ok()),
                }
            }
        }
    }
}

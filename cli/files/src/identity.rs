//! When two paths are one file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What names a file, through symbolic links and hard links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A file that exists: device and number.
    #[cfg(unix)]
    Node(u64, u64),
    /// Its canonical path; of a file that does not exist yet, that of its folder and its name.
    Path(PathBuf),
}

impl Identity {
    /// # Errors
    /// If neither the file nor its folder can be found.
    pub fn of(path: &Path) -> io::Result<Identity> {
        match fs::metadata(path) {
            #[cfg(unix)]
            Ok(m) => {
                use std::os::unix::fs::MetadataExt;
                Ok(Identity::Node(m.dev(), m.ino()))
            }
            #[cfg(not(unix))]
            Ok(_) => fs::canonicalize(path).map(Identity::Path),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let name = path.file_name().unwrap_or_default();
                fs::canonicalize(folder(path)).map(|folder| Identity::Path(folder.join(name)))
            }
            Err(e) => Err(e),
        }
    }
}

/// The folder that `path` is in; `.` for a bare name.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

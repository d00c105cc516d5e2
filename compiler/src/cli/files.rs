//! Files are written whole or not at all; the weights are readable by their owner only.

use super::Failure;
use std::fs;
use std::io::Write;
use std::path::Path;

/// Writes the public program.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes, 0o644)
}

/// Writes the weights, mode 0600 from the first byte on.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes, 0o600)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let bad = |e: std::io::Error| Failure::File { path: path.to_owned(), problem: e.to_string() };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let part = path.with_file_name(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let written = options.open(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&part, path));
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done.map_err(bad)
}

/// The lines of a text file, without empty ones at its end.
pub fn read_lines(path: &Path) -> Result<Vec<String>, Failure> {
    let text =
        fs::read_to_string(path).map_err(|e| Failure::File { path: path.to_owned(), problem: e.to_string() })?;
    Ok(text.trim_end().lines().map(|l| l.trim().to_owned()).collect())
}

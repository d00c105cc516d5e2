//! Outputs of one command.

use crate::identity::{Identity, folder};
use crate::kind::foreign;
use crate::parts::Part;
use crate::{Kind, Refused};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Who may read an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// As the process's umask says, or, where the file exists, as before.
    Everybody,
    /// Mode 0600 from the first byte on.
    Owner,
}

/// What a command reads and writes.
#[derive(Debug, Default)]
pub struct Outputs {
    inputs: Vec<Identity>,
    outputs: Vec<Identity>,
}

impl Outputs {
    /// For a command that reads these files; a name that is no file is none of its outputs either.
    pub fn reading<'a>(inputs: impl IntoIterator<Item = &'a Path>) -> Outputs {
        let inputs = inputs.into_iter().filter_map(|path| Identity::of(path).ok()).collect();
        Outputs { inputs, outputs: Vec::new() }
    }

    /// Makes sure that `path` may be written, and that it can be.
    ///
    /// # Errors
    /// If it is read by the command, written by it already, or named like or filled with something of another kind; or
    /// if nothing can be written there.
    pub fn open(&mut self, path: &Path, kind: Kind, readers: Readers) -> Result<Output, Refused> {
        let refused = |why: String| Refused { path: path.to_owned(), why };
        let failed = |e: io::Error| refused(format!("cannot be written: {e}"));
        let instead = || {
            let named = path.with_extension(kind.ending());
            if named == path { "give another name".to_owned() } else { format!("name it {}", named.display()) }
        };
        let identity = Identity::of(path);
        if identity.as_ref().is_ok_and(|i| self.inputs.contains(i)) {
            return Err(refused(format!("this command reads it, so it does not overwrite it: {}", instead())));
        }
        let named = Kind::of_name(path).filter(|named| *named != kind).map(Kind::name);
        if let Some(named) = named.or_else(|| foreign(path)) {
            return Err(refused(format!(
                "here goes {}, and the name is that of {named}: {}",
                kind.name(),
                instead()
            )));
        }
        let folder = folder(path);
        if !folder.exists() {
            return Err(refused(format!("there is no folder {}: make it first", folder.display())));
        }
        let identity = identity.map_err(failed)?;
        let to = match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(refused("is a folder: name a file in it".to_owned())),
            // A terminal, a pipe, /dev/null: there is nothing to lose, and nothing to rename.
            Ok(found) if !found.is_file() => {
                let file = fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
                To::Stream { file, staged: None }
            }
            Ok(found) => {
                let same = File::open(path).and_then(|file| kind.is_that_of(file)).map_err(failed)?;
                if found.len() > 0 && !same {
                    return Err(refused(format!(
                        "exists and is not {}: it would be lost; remove it first, or give another name",
                        kind.name()
                    )));
                }
                // Where a link leads, not the link.
                To::new(fs::canonicalize(path).map_err(failed)?, readers).map_err(failed)?
            }
            Err(_) if path.is_symlink() => {
                return Err(refused("is a link to nothing: remove it, or give another name".to_owned()));
            }
            Err(_) => To::new(path.to_owned(), readers).map_err(failed)?,
        };
        if self.outputs.contains(&identity) && !matches!(to, To::Stream { .. }) {
            return Err(refused("would be written twice: give another name".to_owned()));
        }
        self.outputs.push(identity);
        Ok(Output { path: path.to_owned(), to })
    }
}

/// A file that is going to be written.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    File { destination: PathBuf, part: Option<Part>, filled: bool, mode: u32 },
    Stream { file: File, staged: Option<Vec<u8>> },
}

impl To {
    /// Finds out now whether a file can be made there.
    fn new(destination: PathBuf, readers: Readers) -> io::Result<To> {
        let mode = mode(&destination, readers);
        let part = Some(Part::beside(&destination, mode)?);
        Ok(To::File { destination, part, filled: false, mode })
    }

    fn stage(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            To::Stream { staged, .. } => *staged = Some(bytes.to_vec()),
            To::File { destination, part, filled, mode } => {
                let empty = part.take().filter(|_| !*filled);
                let mut fresh = empty.map_or_else(|| Part::beside(destination, *mode), Ok)?;
                fresh.fill(bytes)?;
                (*part, *filled) = (Some(fresh), true);
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        match self {
            To::Stream { file, staged } => staged.take().map_or(Ok(()), |bytes| file.write_all(&bytes)),
            To::File { destination, part, filled, .. } => {
                let whole = part.take_if(|_| *filled);
                *filled = false;
                whole.map_or(Ok(()), |part| part.rename(destination))
            }
        }
    }
}

#[cfg(unix)]
fn mode(destination: &Path, readers: Readers) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    match (readers, fs::metadata(destination)) {
        (Readers::Owner, _) => 0o600,
        (Readers::Everybody, Ok(found)) => found.permissions().mode() & 0o777,
        (Readers::Everybody, Err(_)) => 0o644,
    }
}

#[cfg(not(unix))]
fn mode(_: &Path, _: Readers) -> u32 {
    0
}

impl Output {
    /// As it was named.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A terminal or a pipe: what is written stays written.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.to, To::Stream { .. })
    }

    /// Stores everything that the file will hold.
    ///
    /// # Errors
    /// If it cannot be written, as on a full disk.
    pub fn stage(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let done = self.to.stage(bytes);
        done.map_err(|e| self.failed(&e))
    }

    /// Gives what was staged last the file's name; without anything staged, nothing changes.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn commit(&mut self) -> Result<(), Refused> {
        let done = self.to.commit();
        done.map_err(|e| self.failed(&e))
    }

    /// Both at once. May be called again: of a file, the last content stays.
    ///
    /// # Errors
    /// As [`Output::stage`] and [`Output::commit`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.stage(bytes)?;
        self.commit()
    }

    fn failed(&self, e: &io::Error) -> Refused {
        Refused { path: self.path.clone(), why: format!("cannot be written: {e}") }
    }
}

#[cfg(test)]
mod tests;

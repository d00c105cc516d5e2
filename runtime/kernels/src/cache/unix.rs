//! The cache on Unix.

use super::{Key, MAX_CODE, decode, encode};
use crate::lower::Code;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory of the current user with machine code of kernels.
#[derive(Debug)]
pub struct Cache {
    dir: OwnedFd,
    path: PathBuf,
}

impl Cache {
    /// `PICC_KERNEL_CACHE` if set (`off`: none), else `$XDG_CACHE_HOME/picc/kernels`, else `~/.cache/picc/kernels`. None
    /// too if the directory cannot be made, is somebody else's, or can be written by others.
    #[must_use]
    pub fn from_env() -> Option<Cache> {
        let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        match var("PICC_KERNEL_CACHE") {
            Some(v) if v.as_os_str() == "off" => return None,
            Some(dir) => return Cache::at(&dir).ok(),
            None => {}
        }
        // The base directory specification wants relative paths ignored.
        let base = var("XDG_CACHE_HOME").filter(|p| p.is_absolute());
        let base = base.or_else(|| var("HOME").map(|h| h.join(".cache")))?;
        Cache::at(&base.join("picc").join("kernels")).ok()
    }

    /// The cache in `dir`, made with mode 0700 if missing.
    ///
    /// # Errors
    /// If there is no such directory of the current user that others cannot write.
    pub fn at(dir: &Path) -> Result<Cache, String> {
        let fail = |e: String| format!("kernel cache {}: {e}", dir.display());
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| fail(e.to_string()))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = open(dir, flags, Mode::empty()).map_err(|e| fail(e.to_string()))?;
        let stat = fstat(&fd).map_err(|e| fail(e.to_string()))?;
        ours(&stat, FileType::Directory).map_err(fail)?;
        Ok(Cache { dir: fd, path: dir.to_owned() })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The code of `key`, if it is there; an error says why a file was not taken.
    pub(crate) fn load(&self, key: &Key) -> Result<Option<Code>, String> {
        let name = key.file_name();
        let fail = |e: String| format!("kernel cache file {name}: {e}");
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = match openat(&self.dir, name.as_str(), flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(fail(e.to_string())),
        };
        let stat = fstat(&fd).map_err(|e| fail(e.to_string()))?;
        ours(&stat, FileType::RegularFile).map_err(fail)?;
        let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(MAX_CODE));
        File::from(fd).take(MAX_CODE as u64).read_to_end(&mut bytes).map_err(|e| fail(e.to_string()))?;
        decode(key, &bytes).map(Some).ok_or_else(|| fail("damaged".to_owned()))
    }

    /// Writes the code of `key`: first under another name, then renamed, so that no reader sees half a file.
    pub(crate) fn store(&self, key: &Key, code: &Code) -> Result<(), String> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = key.file_name();
        let part = format!(".{name}.{}.{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let fail = |e: String| format!("kernel cache file {name}: {e}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd =
            openat(&self.dir, part.as_str(), flags, Mode::from_raw_mode(0o600)).map_err(|e| fail(e.to_string()))?;
        let written = File::from(fd).write_all(&encode(key, code)).map_err(|e| e.to_string());
        let done = written
            .and_then(|()| renameat(&self.dir, part.as_str(), &self.dir, name.as_str()).map_err(|e| e.to_string()));
        done.map_err(|e| {
            let _gone = unlinkat(&self.dir, part.as_str(), AtFlags::empty());
            fail(e)
        })
    }
}

/// Whether a file is of that kind, belongs to the current user and can be written by nobody else.
fn ours(stat: &Stat, kind: FileType) -> Result<(), String> {
    if FileType::from_raw_mode(stat.st_mode) != kind {
        return Err("not of the kind expected".to_owned());
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err("belongs to another user".to_owned());
    }
    if stat.st_mode & 0o022 != 0 {
        return Err("can be written by others".to_owned());
    }
    Ok(())
}

//! The cache on Unix.

use super::{Key, MAX_CODE, decode, encode};
use crate::lower::Code;
use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW, fstat, futimens, open, openat,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A directory of the current user with machine code of kernels.
#[derive(Debug)]
pub struct Cache {
    dir: OwnedFd,
    path: PathBuf,
    most: u64,
}

/// Bytes of all files, unless something else is asked for: some thousand kernels, of a few dozen models.
const MOST: u64 = 256 << 20;

/// A part file that is as old belongs to a process that was killed.
const ABANDONED_SECONDS: i64 = 3600;

impl Cache {
    /// `PICC_KERNEL_CACHE` if set (`off`: none), else `$XDG_CACHE_HOME/picc/kernels`, else `~/.cache/picc/kernels`.
    /// None too if the directory cannot be made, is somebody else's, or can be written by others.
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
        Ok(Cache { dir: fd, path: dir.to_owned(), most: MOST })
    }

    /// The same with files of at most `most` bytes together.
    #[must_use]
    pub fn holding(self, most: u64) -> Cache {
        Cache { most, ..self }
    }

    /// Removes what was used longest ago, until what is left fits with a quarter to spare. Nobody else's files are
    /// touched; another process that just read a file keeps it.
    pub(crate) fn trim(&self) -> Result<(), String> {
        let fail = |e: Errno| format!("kernel cache {}: {e}", self.path.display());
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.dir).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name().to_owned();
            // Another process may have removed it since.
            let Ok(stat) = statat(&self.dir, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if ours(&stat, FileType::RegularFile).is_ok() {
                files.push((stat.st_mtime, u64::try_from(stat.st_size).unwrap_or(0), name));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        let abandoned =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs() as i64) - ABANDONED_SECONDS;
        let full = bytes > self.most;
        for (used, size, name) in files {
            let part = name.to_bytes().starts_with(b".") && used < abandoned;
            if part || full && bytes > self.most / 4 * 3 {
                let _gone_already = unlinkat(&self.dir, &name, AtFlags::empty());
                bytes -= size;
            }
        }
        Ok(())
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
        // The time of last use, by which [`Cache::trim`] chooses.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _only_less_exact = futimens(&fd, &Timestamps { last_access: now, last_modification: now });
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

//! Part files: written beside their destination, renamed when whole, and removed otherwise.

use crate::identity::folder;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Those that exist now, of the whole process.
static EXISTING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn existing() -> MutexGuard<'static, Vec<PathBuf>> {
    EXISTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on Ctrl-C and a request to end (SIGTERM) remove part files and end the process with exit code 130. The end
/// of a terminal (SIGHUP) does so, too, unless it is ignored, as `nohup` asks.
///
/// Where there are no signals, Ctrl-C ends the process as usual, and part files stay.
pub fn remove_parts_on_interrupt() {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let caught: &[i32] = if ignores_hangup() { &[SIGINT, SIGTERM] } else { &[SIGINT, SIGTERM, SIGHUP] };
        let Ok(mut signals) = signal_hook::iterator::Signals::new(caught) else { return };
        let wait = move || {
            if signals.forever().next().is_some() {
                // The lock is kept: nobody makes another part file before the end.
                let parts = existing();
                for part in parts.iter() {
                    let _gone = fs::remove_file(part);
                }
                std::process::exit(130);
            }
        };
        let _thread = std::thread::Builder::new().name("signals".into()).spawn(wait);
    }
}

/// Whether the process was started with SIGHUP ignored. Where the system does not tell, it is left as it is.
#[cfg(unix)]
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // A bit for each signal, the first one lowest; SIGHUP is number 1.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & 1 == 1)
}

/// A file that is not whole yet.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    file: File,
}

impl Part {
    /// An empty one beside `destination`, with this mode where there are modes.
    pub fn beside(destination: &Path, mode: u32) -> io::Result<Part> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let mut name = destination.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
        let path = folder(destination).join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        let mut parts = existing();
        let file = options.open(&path)?;
        parts.push(path.clone());
        Ok(Part { path, file })
    }

    /// Everything that the file will hold, on the disk.
    pub fn fill(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_all()
    }

    pub fn rename(self, destination: &Path) -> io::Result<()> {
        fs::rename(&self.path, destination)?;
        existing().retain(|p| *p != self.path);
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut parts = existing();
        if let Some(at) = parts.iter().position(|p| *p == self.path) {
            parts.swap_remove(at);
            let _gone = fs::remove_file(&self.path);
        }
    }
}

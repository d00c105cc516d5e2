//! What is said while something takes long.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where nobody watches a terminal, a line so often.
const SECONDS: u64 = 30;

/// Appears on a terminal when the work takes longer than a second.
pub fn spinner(quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}

/// The search for the cheapest program within an accuracy budget, which takes minutes.
pub struct Search<'a> {
    bar: &'a ProgressBar,
    quiet: bool,
    start: Instant,
    /// Programs that were run, and inferences of them all.
    programs: AtomicU64,
    runs: AtomicU64,
    /// The second at which the next line is due.
    due: AtomicU64,
}

impl<'a> Search<'a> {
    pub fn new(bar: &'a ProgressBar, quiet: bool) -> Search<'a> {
        let [programs, runs, due] = [0, 0, SECONDS].map(AtomicU64::new);
        Search { bar, quiet, start: Instant::now(), programs, runs, due }
    }

    /// Another program is run on so many samples.
    pub fn program(&self, runs: usize) {
        let programs = self.programs.fetch_add(1, Ordering::Relaxed) + 1;
        let runs = self.runs.fetch_add(runs as u64, Ordering::Relaxed) + runs as u64;
        let message = format!("measuring accuracy: {programs} programs, {runs} inferences");
        let seconds = self.start.elapsed().as_secs();
        if !self.quiet && !std::io::stderr().is_terminal() && seconds >= self.due.load(Ordering::Relaxed) {
            self.due.store(seconds + SECONDS, Ordering::Relaxed);
            eprintln!("picc: {message} ({seconds} s)");
        }
        self.bar.set_message(message);
    }
}

//! The constant-time test: every protocol under valgrind's memcheck, which knows of each bit in memory and registers
//! whether it is defined, and reports a jump or an address that depends on one that is not.
//!
//! ```text
//!   seeds, shares, inputs, weights    undefined
//!   frames that are sent              defined: the peer sees them
//!   revealed values                   defined at the party that they are revealed to
//!   a report                          a jump or an address depends on a secret
//! ```
//! Every row is a case: without reports it has passed, if what comes out is still secret, so that nothing was lost on
//! the way. Rows of `controls` are code as it was, or should not be; they pass if they are reported.
//!
//! Run by `tests/constant-time/run.sh`; arguments are parts of names, of which one must be in a row's.

#[allow(clippy::wildcard_imports, reason = "as in tests, whose file this is")]
#[path = "../../tests/common/mod.rs"]
mod common;
mod controls;
mod ot;
mod programs;
mod protocols;
mod rlwe;

use picc_runtime::channel::{Channel, Network, Transport, memory_transports};
use picc_runtime::crypto::Rng;
use picc_runtime::crypto::ct::taint::{self, is_secret, reports, secret, show};
use std::io;
use std::time::Duration;

/// What is expected of a case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    Nothing,
    Reports,
}

/// The table of results.
pub struct Rows {
    wanted: Vec<String>,
    passed: u32,
    failed: u32,
}

impl Rows {
    fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|w| name.contains(w.as_str()))
    }

    /// Runs a case, which says whether its result is as secret as it should be.
    pub fn row(&mut self, name: &str, expect: Expect, case: impl FnOnce() -> bool) {
        if !self.wants(name) {
            return;
        }
        let before = reports();
        let secrets_kept = case();
        let count = reports() - before;
        let as_expected = (count > 0) == (expect == Expect::Reports);
        let verdict = match (as_expected, secrets_kept) {
            (true, true) => "ok",
            (true, false) => "FAILED: the result is no secret any more",
            (false, _) if expect == Expect::Reports => "FAILED: this must be reported",
            (false, _) => "FAILED",
        };
        let plural = if count == 1 { "report" } else { "reports" };
        println!("{name:<50} {count:>6} {plural:<8} {verdict}");
        if as_expected && secrets_kept {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }
}

fn main() {
    if !taint::under_valgrind() {
        eprintln!("constant_time: run it by tests/constant-time/run.sh, under valgrind");
        std::process::exit(2);
    }
    let mut rows = Rows { wanted: std::env::args().skip(1).collect(), passed: 0, failed: 0 };
    ot::run(&mut rows);
    protocols::run(&mut rows);
    rlwe::run(&mut rows);
    programs::run(&mut rows);
    // The last ones, so that valgrind's log begins with what should not be in it.
    controls::run(&mut rows);
    println!("{} passed, {} failed", rows.passed, rows.failed);
    std::process::exit(i32::from(rows.failed > 0 || rows.passed == 0));
}

/// `n` secret elements of a ring, both halves of it and its edges among them.
pub fn share(n: usize, ring: u8, seed: u64) -> Vec<u64> {
    let mask = u64::MAX >> (64 - u32::from(ring));
    let mut out: Vec<u64> = Rng::from_seed(seed).words(n).iter().map(|v| v & mask).collect();
    secret(&mut out);
    out
}

/// A generator of which every output is secret.
pub fn rng(seed: u64) -> Rng {
    let mut seed = [seed];
    secret(&mut seed);
    Rng::from_seed(seed[0])
}

/// Two connected parties whose frames are public once they are sent.
pub fn channels() -> (Channel, Channel) {
    let (client, server) = memory_transports(&Network::UNSHAPED, Duration::from_secs(500));
    let open = |inner| Box::new(Wire(inner));
    (Channel::new(picc_ir::Party::Client, open(client)), Channel::new(picc_ir::Party::Server, open(server)))
}

/// The wire: who listens sees the frames.
struct Wire(Box<dyn Transport>);

impl Transport for Wire {
    fn write(&mut self, mut frame: Vec<u8>) -> io::Result<()> {
        show(&mut frame);
        self.0.write(frame)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(buf)
    }
}

/// Both parties' results are secret.
pub fn both_secret(results: &(Vec<u64>, Vec<u64>)) -> bool {
    is_secret(&results.0) && is_secret(&results.1)
}

//! The two programs as processes. They lie beside the running test's folder and are built if they are not up to date.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::SystemTime;

/// `picc`, run in `folder`.
#[must_use]
pub fn picc(folder: &Path) -> Command {
    program("picc", folder)
}

/// `pirun`, run in `folder`.
#[must_use]
pub fn pirun(folder: &Path) -> Command {
    program("pirun", folder)
}

fn program(name: &str, folder: &Path) -> Command {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(up_to_date);
    let mut command = Command::new(programs.join(name).with_extension(std::env::consts::EXE_EXTENSION));
    command.current_dir(folder);
    command
}

/// What a process printed, if it ended as it should.
///
/// # Panics
/// If it ended with another exit code.
#[must_use]
pub fn printed(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "standard output:\n{out}\nstandard error:\n{err}");
    (out, err)
}

/// The folder of both programs, built with the profile of the running test.
fn up_to_date() -> PathBuf {
    let folder = profile_folder();
    let root = crate::example::root();
    let crates =
        ["ir", "passes", "compiler", "kernels", "identity", "runtime", "cli/files", "cli/picc", "cli/pirun"];
    let sources = crates.map(|c| newest(&root.join(c).join("src")));
    let newest_source = sources.into_iter().max().expect("some crates");
    let stale = |name: &str| {
        let path = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
        path.metadata().and_then(|m| m.modified()).map_or(true, |built| built < newest_source)
    };
    // `cargo test` builds the programs too when it tests their crates; asking cargo again could choose other features.
    if stale("picc") || stale("pirun") {
        // The whole workspace is selected, as it is for most builds: another selection has other features of
        // dependencies.
        let mut build = cargo(&root, "build");
        let status = build.args(["--workspace", "--bin", "picc", "--bin", "pirun"]).status().expect("cargo runs");
        assert!(status.success(), "cargo could not build picc and pirun");
    }
    folder
}

/// `target/PROFILE`, or `target/TRIPLE/PROFILE` for another target than the host.
fn profile_folder() -> PathBuf {
    let this = std::env::current_exe().expect("the running test");
    this.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST").to_owned()
}

/// A command of cargo in `folder` with the profile and the target folder of the running test.
///
/// # Panics
/// If the running test does not lie where cargo puts tests.
#[must_use]
pub fn cargo(folder: &Path, command: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let last = |path: &Path| path.file_name().expect("a folder of cargo's").to_owned();
    let built = profile_folder();
    let profile = last(&built);
    let profile = if profile == "debug" { "dev".into() } else { profile };
    let mut run = Command::new(cargo);
    run.current_dir(folder).arg(command).arg("--profile").arg(profile);
    let above = built.parent().expect("the target folder");
    if above.join(".rustc_info.json").exists() {
        run.arg("--target-dir").arg(above);
    } else {
        run.arg("--target").arg(last(above));
        run.arg("--target-dir").arg(above.parent().expect("the target folder"));
    }
    run
}

/// When anything in `folder` was changed last.
fn newest(folder: &Path) -> SystemTime {
    let entries = std::fs::read_dir(folder).expect("a folder of sources");
    let changed = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() { newest(&path) } else { path.metadata().and_then(|m| m.modified()).expect("a time") }
    });
    changed.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A running `pirun serve`.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: String,
    log: Option<JoinHandle<String>>,
}

impl Server {
    /// Starts a server on a free port and waits until it listens.
    ///
    /// # Panics
    /// If it ends instead.
    #[must_use]
    pub fn start(folder: &Path, arguments: &[&str]) -> Server {
        let mut command = pirun(folder);
        command.arg("serve").args(arguments).args(["--listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("pirun starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut text = String::new();
        let address = loop {
            let start = text.len();
            let read = stderr.read_line(&mut text).expect("text");
            assert!(read > 0, "the server ended:\n{text}");
            let line = &text[start..];
            if let (true, Some((_, address))) = (line.contains("serving"), line.trim().rsplit_once(' ')) {
                break address.to_owned();
            }
        };
        // What it says later must be read, or the full pipe would block it.
        let log = std::thread::spawn(move || {
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Server { child, address, log: Some(log) }
    }

    /// Waits for its end; how it ended and everything it wrote to standard error.
    ///
    /// # Panics
    /// If it is not this process's child any more.
    #[must_use]
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("a child");
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        (status, log)
    }
}

impl Server {
    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it; everything it wrote to standard error.
    ///
    /// # Panics
    /// If it is not this process's child any more.
    #[must_use]
    pub fn stop(mut self) -> String {
        self.child.kill().expect("a child");
        let _ = self.child.wait();
        self.log.take().and_then(|log| log.join().ok()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

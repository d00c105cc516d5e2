//! A server whose clients do not behave: strangers that say nothing, clients that stop, clients that ask for too much,
//! more clients than sessions; and signals. Deadlines are generous: nothing here is decided by time.
#![cfg(unix)]

#[path = "../../../runtime/tests/common/mod.rs"]
mod common;

use common::{Linear, Truncation, cnn, sample};
use picc_ir::npy::write_f32;
use picc_ir::weights::{Salt, write_weights};
use picc_ir::{Party, Tensor};
use picc_runtime::Error;
use picc_runtime::channel::{Channel, Network, tcp};
use picc_runtime::crypto::Rng;
use picc_runtime::exec::{ClientSession, Executable};
use picc_runtime::handshake::handshake;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

/// A model on disk, and a server of it.
struct Served {
    dir: TempDir,
    exe: Executable,
    child: Child,
    address: String,
    stdout: ChildStdout,
    /// Lines of the server's standard error.
    log: Receiver<String>,
}

impl Served {
    fn start(options: &str) -> Served {
        let dir = tempfile::tempdir().unwrap();
        let built = cnn(Linear::Ot(Party::Server), Truncation::Faithful);
        let exe = Executable::new(built.program.clone()).unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
        write("model.pi", &built.program.to_bytes());
        write("model.piw", &write_weights(&built.weights, built.program.digest(), &Salt([9; 32])));
        let all: Vec<f32> = (0..3).flat_map(|i| sample(&built.program, i)["image"].data.clone()).collect();
        write("all.npy", &write_f32(&Tensor::new(&[3, 2, 8, 8], all)));
        let mut command = Command::new(env!("CARGO_BIN_EXE_pirun"));
        command.current_dir(dir.path()).args("serve model.pi --weights model.piw --json".split(' '));
        command.args("--listen 127.0.0.1:0 --threads 1".split(' ')).args(options.split_whitespace());
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), BufReader::new(child.stderr.take().unwrap()));
        let (sender, log) = channel();
        std::thread::spawn(move || stderr.lines().map_while(|l| l.ok()).try_for_each(|l| sender.send(l)));
        let mut served = Served { dir, exe, child, address: String::new(), stdout, log };
        served.address = served.says("serving").rsplit(' ').next().unwrap().to_owned();
        served
    }

    /// Waits until the server says something that contains `text`.
    fn says(&self, text: &str) -> String {
        loop {
            let line =
                self.log.recv_timeout(LONG).unwrap_or_else(|e| panic!("the server never said `{text}`: {e}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    fn infer(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pirun"));
        command.current_dir(self.dir.path());
        command.args(["infer", "model.pi", "--input", "all.npy", "--threads", "1", "--server", &self.address]);
        command.output().unwrap()
    }

    /// A client in this process.
    fn channel(&self) -> Channel {
        tcp::connect(&self.address[..], &Network::UNSHAPED, LONG, LONG).unwrap()
    }

    fn session(&self) -> ClientSession<'_> {
        ClientSession::open(&self.exe, self.channel(), Rng::from_os().unwrap(), None).unwrap()
    }

    /// A client that says its hello and nothing more, as one does that was stopped.
    fn stopped(&self) -> Channel {
        let mut channel = self.channel();
        handshake(&mut channel, &self.exe.agreement(), &mut Rng::from_os().unwrap()).unwrap();
        channel
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the server's end after signals; the objects that it printed.
    fn end(mut self) -> Vec<serde_json::Value> {
        assert!(self.child.wait().unwrap().success());
        let mut lines = String::new();
        self.stdout.read_to_string(&mut lines).unwrap();
        lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn says(output: &Output, code: i32, text: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(text), "{error}");
}

#[test]
fn strangers_and_stopped_clients_keep_nobody_out() {
    let server = Served::start("--handshake-seconds 3600 --timeout 3600");
    let idle: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    let stopped: Vec<Channel> = (0..4).map(|_| server.stopped()).collect();
    says(&server.infer(), 0, "");
    // In the middle of a hello, too.
    for mut socket in &idle {
        socket.write_all(&[0, 1, 0, 0, 1]).unwrap();
    }
    says(&server.infer(), 0, "");
    drop((idle, stopped));
}

#[test]
fn a_slow_stranger_is_closed() {
    let server = Served::start("--handshake-seconds 1");
    let mut idle = TcpStream::connect(&server.address).unwrap();
    idle.write_all(&[0, 1, 0]).unwrap();
    idle.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    says(&server.infer(), 0, "");
}

#[test]
fn who_finds_no_session_is_told_so_and_may_come_again() {
    let server = Served::start("--max-sessions 2 --timeout 3600");
    let stopped = [server.stopped(), server.stopped()];
    let refused = server.infer();
    says(&refused, 5, "the server refuses: busy, all 2 sessions are in use");
    assert!(server.says("turned away").contains("busy"));
    drop(stopped);
    let end = Instant::now() + LONG;
    while server.infer().status.code() == Some(5) {
        assert!(Instant::now() < end, "the sessions were never free again");
    }
    says(&server.infer(), 0, "");
}

#[test]
fn a_session_has_its_limits() {
    let server = Served::start("--max-inferences 2 --timeout 3600");
    says(&server.infer(), 5, "a session takes 2 inferences at most");
    assert!(server.says("ended by the server").contains("2 inferences"));

    let server = Served::start("--idle-seconds 1 --timeout 3600");
    let sample = sample(server.exe.program(), 0);
    let mut session = server.session();
    server.says("no request for 1 s");
    let refused = session.infer(&sample).err().unwrap();
    // Its request may already meet a closed connection.
    assert!(matches!(refused.cause(), Error::Refused(_) | Error::Connection(_)), "{refused}");

    // A client that stops in the middle is cut off.
    let server = Served::start("--max-session-seconds 1 --timeout 3600");
    let mut stopped = server.stopped();
    server.says("a session takes 1 s at most");
    assert!(matches!(
        stopped.recv(picc_runtime::channel::Kind::BaseOt, 1),
        Err(Error::Peer(_) | Error::Connection(_))
    ));
}

#[test]
fn after_a_signal_sessions_finish_and_nobody_comes_in() {
    for signal in ["-TERM", "-INT"] {
        let server = Served::start("--drain-seconds 3600 --timeout 3600");
        let (mut working, resting) = (server.stopped(), server.session());
        server.signal(signal);
        assert!(server.says("may go on").contains("no new sessions; 2 may go on for 3600 s"));
        // One waits for a request and is ended; the other is in its setup and may go on, here to its failure.
        server.says("session 2 ended by the server: the server is shutting down");
        assert!(TcpStream::connect(&server.address).is_err(), "nobody listens");
        drop(resting);
        working.send(picc_runtime::channel::Kind::Open, &[0]).unwrap();
        working.flush().unwrap();
        server.says("session 1 failed");
        server.says("stopped after 2 sessions, 0 of them not at their end");
        let printed = server.end();
        assert_eq!(printed.len(), 2, "{printed:?}");
    }
}

#[test]
fn a_second_signal_or_the_end_of_patience_stops_at_once() {
    for (drain, signals) in [("3600", 2), ("0", 1)] {
        let server = Served::start(&format!("--drain-seconds {drain} --timeout 3600"));
        let _working = server.stopped();
        server.signal("-TERM");
        server.says("may go on");
        if signals == 2 {
            server.signal("-INT");
        }
        server.says("1 of them not at their end");
        server.end();
    }
}

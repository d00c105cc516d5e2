//! A peer that sends what it likes, at any point of a session.
//!
//! ```text
//!   recorded once:  client ⇄ server, both seeded         frames of each party
//!   replayed:       one party, seeded as before  <──     the other's frames, damaged at one place
//! ```
//! With the same seeds the party under test sends what it sent before, so an undamaged recording is accepted to its
//! end, and damage at frame n meets exactly the state that expects frame n.

use super::small::small;
use picc_ir::{Party, Tensor};
use picc_passes::Linear;
use picc_runtime::channel::{Channel, Network, Transport, memory_transports};
use picc_runtime::crypto::Rng;
use picc_runtime::error::Fault;
use picc_runtime::exec::{ClientSession, Executable, ServerModel, serve_session};
use picc_runtime::inputs::Sample;
use picc_runtime::{Error, Result};
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Both parties of a small model, and what they said.
struct Recording {
    exe: Executable,
    model: ServerModel,
    sample: Sample,
    /// Frames that the client sent, frames that the server sent.
    frames: [Vec<Vec<u8>>; 2],
}

/// Where and how the peer departs from the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireSeed {
    /// Bits 0: the party under test is the server. Bit 1: layers by oblivious transfer. Bits 2 and 3: overwrite and
    /// go on; overwrite and close; insert; instead of the recording.
    pub mode: u8,
    /// Of the peer's frames, from 0 on, modulo their number.
    pub frame: u16,
    /// In the frame, header included, modulo its length.
    pub offset: u16,
    pub patch: Vec<u8>,
}

impl WireSeed {
    /// As [`wire`] reads it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.mode];
        bytes.extend(self.frame.to_le_bytes());
        bytes.extend(self.offset.to_le_bytes());
        bytes.extend(&self.patch);
        bytes
    }
}

/// Undamaged sessions of both parties with both linear protocols, and one header for each frame of the peer's.
///
/// # Panics
/// If an undamaged replay fails: then the session is not reproducible and nothing is tested.
#[must_use]
pub fn wire_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for mode in 0..4 {
        let recording = recording(mode);
        let frames = &recording.frames[usize::from(mode & 1 == 0)];
        replay(recording, mode, frames.concat()).unwrap_or_else(|e| panic!("undamaged, mode {mode}: {e}"));
        for (i, frame) in frames.iter().enumerate() {
            let patch = frame[..8].to_vec();
            seeds.push(WireSeed { mode, frame: i as u16, offset: 0, patch }.bytes());
        }
    }
    seeds
}

/// A session with a damaged peer.
///
/// # Panics
/// If the party under test blames itself for what the peer did.
pub fn wire(data: &[u8]) -> bool {
    let &[mode, f0, f1, o0, o1, ref patch @ ..] = data else { return false };
    let recording = recording(mode);
    let frames = &recording.frames[usize::from(mode & 1 == 0)];
    let frame = usize::from(u16::from_le_bytes([f0, f1])) % frames.len();
    let mut stream = frames.concat();
    let start: usize = frames[..frame].iter().map(Vec::len).sum();
    let at = start + usize::from(u16::from_le_bytes([o0, o1])) % frames[frame].len();
    let end = (at + patch.len()).min(stream.len());
    match mode >> 2 & 3 {
        0 => drop(stream.splice(at..end, patch.iter().copied())),
        1 => {
            stream.truncate(at);
            stream.extend(patch);
        }
        2 => drop(stream.splice(at..at, patch.iter().copied())),
        _ => stream = patch.to_vec(),
    }
    let result = replay(recording, mode, stream);
    if let Err(error) = &result {
        assert!(!is_bug(error), "{error}");
    }
    result.is_ok()
}

pub(super) fn is_bug(error: &Error) -> bool {
    error.fault() == Fault::Bug
}

fn recording(mode: u8) -> &'static Recording {
    static RECORDINGS: [OnceLock<Recording>; 2] = [OnceLock::new(), OnceLock::new()];
    let ot = usize::from(mode >> 1 & 1);
    RECORDINGS[ot].get_or_init(|| record(if ot == 1 { Linear::Ot } else { Linear::Rlwe }))
}

fn rng(party: Party) -> Rng {
    Rng::from_seed(if party == Party::Client { 1 } else { 2 })
}

fn record(linear: Linear) -> Recording {
    let small = small(linear, true);
    let exe = Executable::new(small.program).expect("the program may be run");
    let model = ServerModel::new(&exe, small.weights).expect("its weights");
    let x = Tensor::new(&[1, 2, 4, 4], (0..32u8).map(|i| f32::from(i) / 16.0 - 1.0).collect());
    let sample = Sample::from([("x".to_owned(), x)]);
    let logs = [Log::default(), Log::default()];
    let (client, server) = memory_transports(&Network::UNSHAPED, Duration::from_secs(60));
    let tap = |inner, log: &Log| Box::new(Tap { inner, log: Arc::clone(log) });
    let client = Channel::new(Party::Client, tap(client, &logs[0]));
    let server = Channel::new(Party::Server, tap(server, &logs[1]));
    std::thread::scope(|scope| {
        let server = scope.spawn(|| serve_session(&exe, &model, server, rng(Party::Server), None).map(|_| ()));
        infer(&exe, &sample, client).expect("the client's session");
        server.join().expect("no panic").expect("the server's session");
    });
    let frames = logs.map(|log| std::mem::take(&mut *log.lock().expect("a log")));
    Recording { exe, model, sample, frames }
}

fn infer(exe: &Executable, sample: &Sample, channel: Channel) -> Result<()> {
    let mut session = ClientSession::open(exe, channel, rng(Party::Client), None)?;
    session.infer(sample)?;
    session.close().map(|_| ())
}

/// One party alone, with `stream` as everything that it hears.
fn replay(recording: &Recording, mode: u8, stream: Vec<u8>) -> Result<()> {
    let transport = Script::new(stream);
    if mode & 1 == 0 {
        infer(&recording.exe, &recording.sample, Channel::new(Party::Client, transport))
    } else {
        let channel = Channel::new(Party::Server, transport);
        serve_session(&recording.exe, &recording.model, channel, rng(Party::Server), None).map(|_| ())
    }
}

pub(super) type Log = Arc<Mutex<Vec<Vec<u8>>>>;

/// Keeps a copy of every frame that its party sends.
pub(super) struct Tap {
    pub(super) inner: Box<dyn Transport>,
    pub(super) log: Log,
}

impl Transport for Tap {
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.log.lock().expect("a log").push(frame.clone());
        self.inner.write(frame)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(buf)
    }
}

/// Says what it was told to say, hears nothing, and then closes.
pub(super) struct Script {
    stream: Vec<u8>,
    read: usize,
}

impl Script {
    pub(super) fn new(stream: Vec<u8>) -> Box<Script> {
        Box::new(Script { stream, read: 0 })
    }
}

impl Transport for Script {
    fn write(&mut self, _frame: Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let end = self.read.checked_add(buf.len()).filter(|&end| end <= self.stream.len());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(&self.stream[self.read..end]);
        self.read = end;
        Ok(())
    }
}

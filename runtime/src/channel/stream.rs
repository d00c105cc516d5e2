//! A channel over any stream of bytes: sockets, TLS, pipes, whatever a library brings.
//!
//! ```text
//!   write ──> queue ──> writer thread ──> outgoing half ──> peer
//! ```
//!
//! A thread writes, so that sending never waits for a peer that is itself sending. A read has a deadline that grows
//! with its length: a peer that is silent, or slower than [`SLOWEST`], is an error and not a hang, if the stream can
//! tell. Dropping the transport sends what is queued, then closes.

use super::shaper::{Pacer, wait_until};
use super::{Channel, Network, Transport};
use picc_ir::Party;
use std::io::{self, Cursor, Read, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes a second below which a peer counts as stalled.
pub const SLOWEST: u64 = 64 * 1024;

/// The half of a stream that brings bytes.
pub trait Incoming: Send {
    /// Some of what comes next, 0 at the stream's end. Waits no longer than `patience`, where the stream can tell:
    /// then the error is [`io::ErrorKind::WouldBlock`] or [`io::ErrorKind::TimedOut`].
    fn read_within(&mut self, buf: &mut [u8], patience: Duration) -> io::Result<usize>;
}

/// The half of a stream that takes bytes.
pub trait Outgoing: Send {
    /// Takes all of `bytes`, and may keep them until [`Outgoing::flush`].
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was taken leave.
    fn flush(&mut self) -> io::Result<()>;
    /// Nothing follows. `well` unless writing has failed: then whoever reads the other half should learn of it.
    fn close(&mut self, well: bool);
}

/// A reader that cannot bound its waiting: deadlines are for whoever made it to set.
struct Plain<S>(S);

impl<R: Read + Send> Incoming for Plain<R> {
    fn read_within(&mut self, buf: &mut [u8], _patience: Duration) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<W: Write + Send> Outgoing for Plain<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn close(&mut self, _well: bool) {
        let _gone = self.0.flush();
    }
}

/// `party`'s channel over a stream of the caller's own, as a reader and a writer. The caller answers for what the
/// stream is: that nobody else reads or changes it, who is at its other end ([`Channel::bound_to`] ties the session to
/// that), and that a read ends when the peer stays silent for too long. The writer is dropped at the channel's end.
///
/// # Errors
/// If there is no thread for the writer.
///
/// # Example
/// Two parties over pipes:
///
/// ```
/// use picc_ir::Party;
/// use picc_runtime::channel::{Kind, stream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ((up_reader, up), (down_reader, down)) = (std::io::pipe()?, std::io::pipe()?);
/// let mut client = stream::over(Party::Client, down_reader, up)?;
/// let mut server = stream::over(Party::Server, up_reader, down)?;
/// client.send(Kind::Open, b"hello")?;
/// client.flush()?;
/// assert_eq!(server.recv(Kind::Open, 5)?, b"hello");
/// # Ok(())
/// # }
/// ```
pub fn over(
    party: Party,
    reader: impl Read + Send + 'static,
    writer: impl Write + Send + 'static,
) -> io::Result<Channel> {
    // A single read of a pipe brings one frame's header as well as a megabyte.
    let reader = io::BufReader::with_capacity(1 << 16, reader);
    halves(party, Plain(reader), Plain(writer), Vec::new(), &Network::UNSHAPED, Duration::MAX)
}

/// `party`'s channel over the two halves of a stream, over an emulated network. What was `heard` before comes first.
///
/// # Errors
/// As [`over`].
pub fn halves(
    party: Party,
    incoming: impl Incoming + 'static,
    outgoing: impl Outgoing + 'static,
    heard: Vec<u8>,
    network: &Network,
    patience: Duration,
) -> io::Result<Channel> {
    let (queue, frames) = channel();
    let mut outgoing = outgoing;
    let writer = std::thread::Builder::new().name("channel writer".into()).spawn(move || {
        let result = write_all(&mut outgoing, &frames);
        outgoing.close(result.is_ok());
        result
    })?;
    let transport = Queued {
        heard: Cursor::new(heard),
        incoming: Box::new(incoming),
        queue: Some(queue),
        writer: Some(writer),
        pacer: network.pacer(party),
        patience,
    };
    Ok(Channel::new(party, Box::new(transport)))
}

/// A frame with the instant at which the emulated network delivers it.
type Stamped = (Option<Instant>, Vec<u8>);

struct Queued {
    /// What was read before there was a channel.
    heard: Cursor<Vec<u8>>,
    incoming: Box<dyn Incoming>,
    queue: Option<Sender<Stamped>>,
    writer: Option<JoinHandle<io::Result<()>>>,
    pacer: Pacer,
    patience: Duration,
}

impl Queued {
    fn writer_failed(&mut self) -> io::Error {
        self.queue = None;
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(Err(e))) => e,
            _ => io::Error::new(io::ErrorKind::BrokenPipe, "the connection is closed"),
        }
    }
}

fn write_all(out: &mut impl Outgoing, frames: &Receiver<Stamped>) -> io::Result<()> {
    while let Ok(first) = frames.recv() {
        let mut next = Some(first);
        while let Some((arrival, frame)) = next {
            if arrival.is_some_and(|t| t > Instant::now()) {
                out.flush()?;
                wait_until(arrival);
            }
            out.write_all(&frame)?;
            next = frames.try_recv().ok();
        }
        out.flush()?;
    }
    Ok(())
}

impl Transport for Queued {
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()> {
        let arrival = self.pacer.arrival(frame.len());
        let sent = self.queue.as_ref().is_some_and(|queue| queue.send((arrival, frame)).is_ok());
        if sent { Ok(()) } else { Err(self.writer_failed()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let whole = self.patience.checked_add(Duration::from_secs(buf.len() as u64 / SLOWEST));
        let deadline = whole.and_then(|whole| Instant::now().checked_add(whole));
        let mut filled = self.heard.read(buf)?;
        while filled < buf.len() {
            let left = deadline.map_or(self.patience, |d| d.saturating_duration_since(Instant::now()));
            let left = left.min(self.patience);
            if left.is_zero() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer is too slow"));
            }
            match self.incoming.read_within(&mut buf[filled..], left) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer is gone")),
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer is silent"));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn set_patience(&mut self, patience: Duration) -> Option<Duration> {
        Some(std::mem::replace(&mut self.patience, patience))
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // The stream's own timeout of writing bounds this.
            let _ = writer.join();
        }
    }
}

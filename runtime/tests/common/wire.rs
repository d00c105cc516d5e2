//! Transports that listen or interfere.

use picc_runtime::channel::Transport;
use picc_runtime::crypto::Rng;
use std::io;
use std::sync::{Arc, Mutex};

/// Frames in the order in which they were sent.
pub type Log = Arc<Mutex<Vec<Vec<u8>>>>;

/// Keeps a copy of every frame that its party sends.
pub struct Tap {
    pub inner: Box<dyn Transport>,
    pub log: Log,
}

impl Transport for Tap {
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.log.lock().unwrap().push(frame.clone());
        self.inner.write(frame)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(buf)
    }
}

/// What happens to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The header claims this many bytes.
    Length(u32),
    /// The header names another kind of message.
    Kind,
    /// The last byte is missing; those of the next frame take its place.
    Truncated,
    /// A byte too many.
    Oversized,
    /// The frame never arrives, nor does any after it.
    Late,
    /// The connection closes in the middle of the frame.
    Closed,
    /// Random bytes instead of the payload: only some protocols can notice.
    Payload,
    /// The flight number is random: no protocol looks at it.
    Flight,
}

impl Fault {
    /// Whether the receiver must notice.
    pub fn is_noticed(self) -> bool {
        !matches!(self, Fault::Payload | Fault::Flight)
    }
}

/// Damages frame number `at` of those that its party sends.
pub struct Saboteur {
    /// `None` once the connection is closed.
    pub inner: Option<Box<dyn Transport>>,
    pub at: usize,
    pub fault: Fault,
    pub rng: Rng,
    pub sent: usize,
}

impl Transport for Saboteur {
    fn write(&mut self, mut frame: Vec<u8>) -> io::Result<()> {
        let number = self.sent;
        self.sent += 1;
        if number > self.at && self.fault == Fault::Late {
            return Ok(());
        }
        if number == self.at {
            match self.fault {
                Fault::Length(len) => frame[..4].copy_from_slice(&len.to_le_bytes()),
                Fault::Kind => frame[4] ^= 0x40,
                Fault::Truncated => drop(frame.pop()),
                Fault::Oversized => frame.push(0),
                Fault::Late => return Ok(()),
                Fault::Closed => {
                    if let Some(mut inner) = self.inner.take() {
                        frame.truncate(frame.len() / 2);
                        inner.write(frame)?;
                    }
                    return Ok(());
                }
                Fault::Payload => self.rng.fill_bytes(&mut frame[8..]),
                Fault::Flight => self.rng.fill_bytes(&mut frame[5..8]),
            }
        }
        self.inner.as_mut().map_or_else(closed, |inner| inner.write(frame))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.as_mut().map_or_else(closed, |inner| inner.flush())
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.inner.as_mut().map_or_else(closed, |inner| inner.read_exact(buf))
    }
}

fn closed() -> io::Result<()> {
    Err(io::ErrorKind::BrokenPipe.into())
}

//! Typed, length-checked, metered messages between the two parties.
//!
//! ```text
//!   protocol ── send(kind, bytes) ──> frame [len u32][kind u8][flight u24][payload] ──> Transport
//!   protocol <─ recv(kind, len) ───── checked against what the program says must come
//! ```
//!
//! Every length is public and known to both sides before a message arrives, so a frame of another length or kind is
//! an error at once, and nothing larger than expected is ever allocated. Sending never blocks on the peer (a
//! transport queues), so both parties may send at the same time.
//!
//! The flight number makes rounds exact: a frame carries its sender's clock plus one, receiving advances the clock
//! to it, and [`Channel::start_node`] sets the clock back to zero on both sides.

pub mod frame;
mod memory;
mod meter;
pub mod shaper;
pub mod stream;
pub mod tcp;

pub use memory::{memory_pair, memory_pair_over, memory_transports};
pub use meter::{Meter, WireBytes, WireMeter};
pub use shaper::Network;

use crate::error::{BadProgram, Error, Length, Misbehaviour, Refusal, Result};
use picc_identity::Fingerprint;
use picc_ir::Party;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// What a message is for; a frame of another kind than expected is a protocol error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Handshake = 1,
    BaseOt = 2,
    OtExtension = 3,
    /// Corrections of random OT choices.
    Choice = 4,
    /// Masked OT messages.
    OtMessage = 5,
    /// Values opened to both parties, masked by a correlation.
    Open = 6,
    Ciphertext = 7,
    PublicKey = 8,
    /// Shares revealed to the client.
    Reveal = 9,
    Control = 10,
    /// The server goes no further, and why (UTF-8, at most [`MAX_REFUSAL`] bytes). It may come instead of any message
    /// to the client.
    Refusal = 11,
}

/// Moves bytes between the parties: memory, or any stream ([`stream::over`]). Writes queue and never wait for the peer.
pub trait Transport: Send {
    /// Queues `frame` for sending.
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()>;
    /// Makes everything queued leave.
    fn flush(&mut self) -> io::Result<()>;
    /// Fills `buf`, or fails (closed, timed out).
    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()>;
    /// From now on no longer silence than this is borne; returns what was borne before. `None` where there is no limit
    /// to set.
    fn set_patience(&mut self, _patience: Duration) -> Option<Duration> {
        None
    }
}

/// One party's end of the connection.
pub struct Channel {
    party: Party,
    transport: Box<dyn Transport>,
    clock: u32,
    meter: Meter,
    waited: Duration,
    security: Security,
}

/// What is known of the connection below a channel: nothing, unless TLS or the caller says so.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Who is at the other end.
    pub peer: Option<Peer>,
    /// A value that both ends of this connection have and no other connection has (RFC 9266): it enters the hellos,
    /// and with them the session's name and all that is derived from it.
    pub binding: Option<[u8; 32]>,
    /// What TLS makes of the metered bytes.
    pub wire: Option<WireMeter>,
}

/// The authenticated party at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its key.
    pub key: Fingerprint,
    /// Its name: this side's for the key, or what a CA certified.
    pub name: Option<String>,
}

/// `Clinic North (sha256:...)`
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.key),
            None => write!(f, "{}", self.key),
        }
    }
}

const FLIGHT_MAX: u32 = 0x00ff_ffff;
/// A single message may not be larger than this; protocols split what is.
pub const MAX_PAYLOAD: usize = 1 << 30;
/// Bytes of a [`Kind::Refusal`].
pub const MAX_REFUSAL: usize = 256;

impl Channel {
    #[must_use]
    pub fn new(party: Party, transport: Box<dyn Transport>) -> Channel {
        Channel {
            party,
            transport,
            clock: 0,
            meter: Meter::default(),
            waited: Duration::ZERO,
            security: Security::default(),
        }
    }

    /// Over a connection of which this is known.
    #[must_use]
    pub fn secured(self, security: Security) -> Channel {
        Channel { security, ..self }
    }

    /// Ties sessions to the connection below: `binding` is a value that its two ends have and nobody else's connection,
    /// such as the exporter of a TLS library (RFC 9266). Both parties must give the same.
    #[must_use]
    pub fn bound_to(mut self, binding: [u8; 32]) -> Channel {
        self.security.binding = Some(binding);
        self
    }

    /// What is known of the connection below.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }

    #[must_use]
    pub fn party(&self) -> Party {
        self.party
    }

    /// What went over the wire so far.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Time spent so far waiting for the transport: for the peer, for the network, for a queue to drain.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// See [`Transport::set_patience`].
    pub fn set_patience(&mut self, patience: Duration) -> Option<Duration> {
        self.transport.set_patience(patience)
    }

    /// Begins a program node: rounds are counted from here, on both sides alike. Returns what the node before cost.
    pub fn start_node(&mut self) -> picc_ir::cost::Traffic {
        self.clock = 0;
        self.meter.start_node()
    }

    /// Sends one message; it leaves at the next [`Channel::flush`] or [`Channel::recv`].
    pub fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<()> {
        if payload.len() > MAX_PAYLOAD {
            return Err(BadProgram::MessageTooLarge { bytes: payload.len() }.into());
        }
        let flight = (self.clock + 1).min(FLIGHT_MAX);
        let mut frame = Vec::with_capacity(payload.len() + 8);
        frame.extend_from_slice(&frame::header(kind, payload.len(), flight));
        frame.extend_from_slice(payload);
        self.meter.sent(self.party, frame.len() as u64, flight);
        self.waiting(|transport| transport.write(frame))
    }

    pub fn flush(&mut self) -> Result<()> {
        self.waiting(|transport| transport.flush())
    }

    /// Receives the next message, which must be of `kind` and of exactly `len` bytes.
    pub fn recv(&mut self, kind: Kind, len: usize) -> Result<Vec<u8>> {
        let (header_kind, header_len) = self.recv_header()?;
        if self.party == Party::Client && header_kind == Kind::Refusal as u8 && header_len <= MAX_REFUSAL {
            let why = self.payload(header_len)?;
            return Err(Refusal::Told(String::from_utf8_lossy(&why).escape_default().to_string()).into());
        }
        if header_kind != kind as u8 || header_len != len {
            let length = Length::Exactly(len);
            return Err(
                Misbehaviour::Message { expected: kind, length, kind: header_kind, bytes: header_len }.into()
            );
        }
        self.payload(len)
    }

    /// Receives a message of `kind` whose length only the sender knows, up to `max` bytes (handshake and control).
    pub fn recv_bounded(&mut self, kind: Kind, max: usize) -> Result<Vec<u8>> {
        let (header_kind, len) = self.recv_header()?;
        if header_kind != kind as u8 || len > max {
            let length = Length::AtMost(max);
            return Err(Misbehaviour::Message { expected: kind, length, kind: header_kind, bytes: len }.into());
        }
        self.payload(len)
    }

    /// The server's last message: it goes no further, and why.
    pub fn refuse(&mut self, why: &str) -> Result<()> {
        self.send(Kind::Refusal, &why.as_bytes()[..why.floor_char_boundary(MAX_REFUSAL)])?;
        self.flush()
    }

    /// Sends and receives at the same time: one round.
    pub fn exchange(&mut self, kind: Kind, payload: &[u8], len: usize) -> Result<Vec<u8>> {
        self.send(kind, payload)?;
        self.recv(kind, len)
    }

    fn payload(&mut self, len: usize) -> Result<Vec<u8>> {
        let mut payload = vec![0; len];
        self.waiting(|transport| transport.read_exact(&mut payload))?;
        Ok(payload)
    }

    fn waiting(&mut self, work: impl FnOnce(&mut dyn Transport) -> io::Result<()>) -> Result<()> {
        let start = Instant::now();
        let result = work(self.transport.as_mut());
        self.waited += start.elapsed();
        result.map_err(Error::connection)
    }

    fn recv_header(&mut self) -> Result<(u8, usize)> {
        let mut header = [0u8; 8];
        self.waiting(|transport| {
            transport.flush()?;
            transport.read_exact(&mut header)
        })?;
        let len = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let word = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        let flight = word >> 8;
        self.clock = self.clock.max(flight);
        self.meter.received(self.party.other(), len as u64 + 8, flight);
        Ok((header[4], len))
    }
}

//! The two halves of a TLS connection after its handshake.
//!
//! ```text
//!   writer thread: plaintext ──> records ──> outgoing half of the socket
//!   the party:     plaintext <── records <── incoming half of the socket
//! ```
//! They share the connection's state behind a lock that is held while bytes are encrypted or decrypted, never while one
//! waits for a socket: neither half can wait for the other.

use super::handshake::{drain, says};
use crate::channel::WireMeter;
use crate::channel::stream::{Incoming, Outgoing};
use crate::error::{Error, Mismatch};
use picc_identity::Fingerprint;
use picc_ir::Party;
use rustls::Connection;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Plaintext that is encrypted at once: four records.
const PIECE: usize = 1 << 16;

type Shared = Arc<Mutex<Connection>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Connection> {
    // A panic elsewhere ends the session in any case.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn split<I: Incoming, O: Outgoing>(
    mut connection: Connection,
    party: Party,
    ours: Fingerprint,
    incoming: I,
    outgoing: O,
    wire: &WireMeter,
) -> (Reader<I>, Writer<O>) {
    connection.set_buffer_limit(Some(2 * PIECE));
    let shared = Arc::new(Mutex::new(connection));
    let reader = Reader {
        shared: Arc::clone(&shared),
        // Whoever was told more than a byte of the session was let in by the server.
        ours: (party == Party::Client).then_some(ours),
        party,
        incoming,
        raw: vec![0; PIECE],
        start: 0,
        end: 0,
        wire: wire.clone(),
    };
    let plain = Vec::with_capacity(PIECE);
    (reader, Writer { shared, outgoing, plain, records: Vec::new(), wire: wire.clone() })
}

pub(super) struct Reader<I> {
    shared: Shared,
    party: Party,
    ours: Option<Fingerprint>,
    incoming: I,
    /// Bytes from the socket; those from `start` to `end` were not taken yet.
    raw: Vec<u8>,
    start: usize,
    end: usize,
    wire: WireMeter,
}

impl<I: Incoming> Incoming for Reader<I> {
    fn read_within(&mut self, buf: &mut [u8], patience: Duration) -> io::Result<usize> {
        let deadline = Instant::now().checked_add(patience);
        loop {
            {
                let mut connection = lock(&self.shared);
                loop {
                    match connection.reader().read(buf) {
                        Ok(n) => {
                            if n > 0 {
                                self.ours = None;
                            }
                            return Ok(n);
                        }
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                            let cut = "the connection was cut: TLS did not end it";
                            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, cut));
                        }
                        Err(e) => return Err(e),
                    }
                    if self.start == self.end {
                        break;
                    }
                    self.start += connection.read_tls(&mut &self.raw[self.start..self.end])?;
                    connection.process_new_packets().map_err(|e| in_session(says(e, self.party, self.ours)))?;
                }
            }
            let left = deadline.map_or(patience, |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let read = self.incoming.read_within(&mut self.raw, left)?;
            (self.start, self.end) = (0, read);
            self.wire.received(read);
            if read == 0 {
                // The stream's end: TLS says whether the peer meant it.
                let mut connection = lock(&self.shared);
                connection.read_tls(&mut io::empty())?;
            }
        }
    }
}

/// What a transport can say: the channel takes it apart again.
fn in_session(error: Error) -> io::Error {
    match error {
        Error::Connection(connection) => connection.source,
        Error::Handshake(Mismatch::Unproven(why)) => io::Error::new(io::ErrorKind::InvalidData, *why),
        other => io::Error::other(other.to_string()),
    }
}

pub(super) struct Writer<O> {
    shared: Shared,
    outgoing: O,
    /// What was taken and not encrypted: small messages share a record.
    plain: Vec<u8>,
    records: Vec<u8>,
    wire: WireMeter,
}

impl<O: Outgoing> Writer<O> {
    fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            self.records.clear();
            {
                let mut connection = lock(&self.shared);
                connection.writer().write_all(piece)?;
                drain(&mut connection, &mut self.records);
            }
            self.wire.sent(self.records.len());
            self.outgoing.write_all(&self.records)?;
        }
        Ok(())
    }

    fn encrypt_all(&mut self) -> io::Result<()> {
        let mut plain = std::mem::take(&mut self.plain);
        let done = self.encrypt(&plain);
        plain.clear();
        self.plain = plain;
        done
    }
}

impl<O: Outgoing> Outgoing for Writer<O> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.plain.len() + bytes.len() > PIECE {
            self.encrypt_all()?;
        }
        if bytes.len() >= PIECE {
            return self.encrypt(bytes);
        }
        self.plain.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encrypt_all()?;
        self.outgoing.flush()
    }

    fn close(&mut self, well: bool) {
        if well {
            self.records.clear();
            {
                let mut connection = lock(&self.shared);
                connection.send_close_notify();
                drain(&mut connection, &mut self.records);
            }
            self.wire.sent(self.records.len());
            // The peer may be gone.
            let _ = self.outgoing.write_all(&self.records).and_then(|()| self.outgoing.flush());
        }
        self.outgoing.close(well);
    }
}

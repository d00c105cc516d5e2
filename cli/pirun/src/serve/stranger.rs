//! One connection before its hello: bytes in, bytes out, never waiting.
//!
//! ```text
//!   (TLS handshake) ──> hello ──> agrees
//!         └────────────────┴────> leaves: was told why, and may read that until its time is over
//! ```

use super::lobby::{Guest, say_goodbye};
use mio::Token;
use mio::net::TcpStream;
use picc_ir::Party;
use picc_runtime::error::{Error, Refusal, Unproven};
use picc_runtime::handshake::{Agreement, FRAME_BYTES, answer, judge, may_be_hello, refusal};
use picc_runtime::tls::{Handshake, Step, is_client_hello};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Instant;

/// Bytes that a stranger may send before it is known. A handshake with a chain of certificates takes 4 to 8 kB.
const MOST_BYTES: usize = 48 << 10;

/// What is read at a time.
const PIECE: usize = 4096;

/// A connection that has not said a whole hello.
pub struct Stranger {
    pub token: Token,
    pub stream: TcpStream,
    pub address: SocketAddr,
    pub deadline: Instant,
    tls: Option<Box<Handshake>>,
    hello: [u8; FRAME_BYTES],
    heard: usize,
    /// Bytes that came over the wire.
    taken: usize,
    /// What the socket did not take yet: at most one flight of a handshake.
    unsent: Vec<u8>,
    /// It was told why, and nothing that it sends is looked at any more.
    leaving: bool,
}

/// What came of looking at a stranger.
pub enum Said {
    /// More may come.
    Waits,
    /// It closed the connection.
    Gone,
    /// It closed the connection after it was turned away.
    Left,
    /// Something that is no beginning of a session; perhaps something that an operator should hear of.
    Foreign(Option<Error>),
    /// It is not let in, and was told so.
    Leaves(Error),
    /// It may come in, and wants another session than this server's; it was told so.
    Disagrees(Error),
    Agrees,
}

impl Stranger {
    pub fn new(
        token: Token,
        stream: TcpStream,
        address: SocketAddr,
        deadline: Instant,
        tls: Option<Handshake>,
    ) -> Stranger {
        let tls = tls.map(Box::new);
        Stranger {
            token,
            stream,
            address,
            deadline,
            tls,
            hello: [0; FRAME_BYTES],
            heard: 0,
            taken: 0,
            unsent: Vec::new(),
            leaving: false,
        }
    }

    /// What becomes of one that agrees.
    pub fn into_guest(self) -> Guest {
        let Stranger { stream, address, hello, tls, .. } = self;
        Guest { stream: stream.into(), address, hello: hello.to_vec(), tls }
    }

    /// Reads and writes as far as the socket goes.
    pub fn listen(&mut self, ours: &Agreement) -> Said {
        loop {
            if self.send().is_err() {
                return self.gone();
            }
            if self.taken >= MOST_BYTES {
                return if self.leaving { Said::Left } else { Said::Foreign(None) };
            }
            let mut piece = [0; PIECE];
            // Of a stranger without TLS nothing beyond its hello is read.
            let room = if self.tls.is_some() || self.leaving { PIECE } else { FRAME_BYTES - self.heard };
            match self.stream.read(&mut piece[..room]) {
                Ok(0) => return self.gone(),
                Ok(n) => {
                    let first = self.taken == 0;
                    self.taken += n;
                    if self.leaving {
                        continue;
                    }
                    let said = match self.tls.take() {
                        Some(tls) => self.hear_tls(tls, &piece[..n], first, ours),
                        None => self.hear(&piece[..n], first, ours),
                    };
                    if !matches!(said, Said::Waits) {
                        return said;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Said::Waits,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.gone(),
            }
        }
    }

    fn gone(&self) -> Said {
        if self.leaving { Said::Left } else { Said::Gone }
    }

    fn hear(&mut self, bytes: &[u8], first: bool, ours: &Agreement) -> Said {
        if first && is_client_hello(bytes) {
            return Said::Foreign(Some(Unproven::Encrypted.into()));
        }
        self.hello[self.heard..self.heard + bytes.len()].copy_from_slice(bytes);
        self.heard += bytes.len();
        self.judge(ours)
    }

    fn hear_tls(&mut self, mut tls: Box<Handshake>, bytes: &[u8], first: bool, ours: &Agreement) -> Said {
        if first && !bytes.starts_with(&[0x16]) {
            return self.without_tls(bytes, ours);
        }
        let step = tls.feed(bytes);
        self.unsent.extend(tls.output());
        let heard = match step {
            Ok(Step::Goes) => Ok(0),
            Ok(Step::Done) => tls.heard(&mut self.hello[self.heard..]),
            Err(e) => Err(e),
        };
        let (heard, binding) = match heard.map(|n| (n, tls.binding().ok())) {
            Ok(heard) => heard,
            Err(e) => {
                self.leave();
                return Said::Leaves(e);
            }
        };
        self.heard += heard;
        self.tls = Some(tls);
        if heard == 0 { Said::Waits } else { self.judge(&ours.clone().bound_to(binding)) }
    }

    /// A client of this program that does not know of TLS is told so in its own words.
    fn without_tls(&mut self, bytes: &[u8], ours: &Agreement) -> Said {
        if !may_be_hello(&bytes[..bytes.len().min(FRAME_BYTES)]) {
            return Said::Foreign(None);
        }
        if let Ok(refusal) = refusal(ours, &Refusal::NeedsTls) {
            self.unsent.extend(refusal);
        }
        self.leave();
        Said::Leaves(Unproven::NoTls { whose: Party::Client }.into())
    }

    fn judge(&mut self, ours: &Agreement) -> Said {
        if !may_be_hello(&self.hello[..self.heard]) {
            return Said::Foreign(None);
        }
        if self.heard < FRAME_BYTES {
            return Said::Waits;
        }
        let Err(why) = judge(ours, &self.hello, Party::Server) else { return Said::Agrees };
        if let Ok(hello) = answer(ours, Party::Server) {
            match &mut self.tls {
                Some(tls) => {
                    tls.say_goodbye(&hello);
                    self.unsent.extend(tls.output());
                }
                None => self.unsent.extend(hello),
            }
        }
        self.leave();
        Said::Disagrees(why)
    }

    /// Sends the last words. What it sends from now on is thrown away, so that they reach it: closing over unread bytes
    /// would reset the connection.
    fn leave(&mut self) {
        self.leaving = true;
        self.tls = None;
        let words = std::mem::take(&mut self.unsent);
        say_goodbye(&mut self.stream, &words);
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sends as much as the socket takes.
    fn send(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.unsent.drain(..n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_costs_less_than_a_kilobyte() {
        assert!(size_of::<Stranger>() < 1024);
    }
}

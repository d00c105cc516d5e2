//! One connection's handshake, on bytes alone: a server reads many of them in one thread.

use super::EXPORTER;
use super::halves;
use super::trust::Trust;
use crate::channel::stream::{Incoming, Outgoing};
use crate::channel::{Channel, Network, Peer, Security, WireMeter, stream, tcp};
use crate::error::{Error, Result, Unproven};
use picc_identity::Fingerprint;
use picc_ir::Party;
use rustls::{AlertDescription, CertificateError, Connection, InvalidMessage};
use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

/// A handshake that goes on.
pub struct Handshake {
    party: Party,
    connection: Box<Connection>,
    trust: Arc<Trust>,
    ours: Fingerprint,
    wire: WireMeter,
    /// Whether the peer has sent anything.
    heard: bool,
}

/// Where a handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It waits for the peer.
    Goes,
    /// Both are authenticated, as far as this side can tell: a server may still refuse its client's certificate.
    Done,
}

/// Whether `bytes`, the first of a connection, begin a handshake of TLS.
#[must_use]
pub fn is_client_hello(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x16, 0x03])
}

impl Handshake {
    pub(super) fn new(party: Party, connection: Connection, trust: Arc<Trust>, ours: Fingerprint) -> Handshake {
        let wire = WireMeter::default();
        Handshake { party, connection: Box::new(connection), trust, ours, wire, heard: false }
    }

    /// Takes bytes from the peer.
    ///
    /// # Errors
    /// Why this side refuses the other, or what the other said: then [`Handshake::output`] has an alert for it.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Step> {
        self.heard |= !bytes.is_empty();
        self.wire.received(bytes.len());
        while !bytes.is_empty() {
            // At most a record at a time; what it holds of the session is read by `heard`, or later.
            if self.connection.read_tls(&mut bytes).map_err(Error::connection)? == 0 {
                break;
            }
            let took = self.connection.process_new_packets();
            took.map_err(|e| says(e, self.party, Some(self.ours)))?;
        }
        Ok(self.step())
    }

    /// The peer closed the connection.
    #[must_use]
    pub fn cut(&self) -> Error {
        if self.heard {
            let gone = "the connection was cut in the TLS handshake";
            return Error::connection(io::Error::new(io::ErrorKind::UnexpectedEof, gone));
        }
        Unproven::Silent { whose: self.party.other() }.into()
    }

    /// Where it stands.
    #[must_use]
    pub fn step(&self) -> Step {
        if self.connection.is_handshaking() { Step::Goes } else { Step::Done }
    }

    /// Bytes for the peer.
    #[must_use]
    pub fn output(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        drain(&mut self.connection, &mut bytes);
        self.wire.sent(bytes.len());
        bytes
    }

    /// Fills `buf` with what the peer sent in the session so far; how much there was.
    ///
    /// # Errors
    /// If the peer has ended the session.
    pub fn heard(&mut self, buf: &mut [u8]) -> Result<usize> {
        match self.connection.reader().read(buf) {
            Ok(0) if !buf.is_empty() => Err(self.cut()),
            Ok(n) => Ok(n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(e) => Err(Error::connection(e)),
        }
    }

    /// Encrypts the last words to a peer that gets no session; [`Handshake::output`] has them.
    pub fn say_goodbye(&mut self, words: &[u8]) {
        // Into memory: no limit is reached by words of one record.
        let _ = io::Write::write_all(&mut self.connection.writer(), words);
        self.connection.send_close_notify();
    }

    /// The value that this connection's ends have in common.
    ///
    /// # Errors
    /// Before the handshake is done.
    pub fn binding(&self) -> Result<[u8; 32]> {
        let value = self.connection.export_keying_material([0; 32], EXPORTER, None);
        value.map_err(|e| Error::Bug(format!("no exporter: {e}")))
    }

    /// Who the peer is.
    ///
    /// # Errors
    /// Before the handshake is done.
    pub fn peer(&self) -> Result<Peer> {
        let chain = self.connection.peer_certificates();
        let first = chain.and_then(<[_]>::first).ok_or_else(|| Error::Bug("no certificate".into()))?;
        self.trust.peer(first)
    }

    /// A finished handshake's connection.
    ///
    /// # Errors
    /// If it is not done.
    pub fn finish(self) -> Result<Authenticated> {
        let (peer, binding) = (self.peer()?, self.binding()?);
        Ok(Authenticated { peer, binding, handshake: self })
    }
}

/// A connection whose ends know each other.
pub struct Authenticated {
    peer: Peer,
    binding: [u8; 32],
    handshake: Handshake,
}

impl Authenticated {
    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// This party's channel over the socket that the handshake went over. What was `heard` of the session before comes
    /// first.
    ///
    /// # Errors
    /// If there is no thread for the writer.
    pub fn over(
        self,
        stream: TcpStream,
        heard: Vec<u8>,
        network: &Network,
        patience: Duration,
    ) -> io::Result<Channel> {
        let (incoming, outgoing) = tcp::split(stream, patience)?;
        self.channel(incoming, outgoing, heard, network, patience)
    }

    /// This party's channel over the two halves of the stream that the handshake went over. What was `heard` of the
    /// session before comes first.
    ///
    /// # Errors
    /// If there is no thread for the writer.
    pub fn channel(
        self,
        incoming: impl Incoming + 'static,
        outgoing: impl Outgoing + 'static,
        heard: Vec<u8>,
        network: &Network,
        patience: Duration,
    ) -> io::Result<Channel> {
        let Handshake { party, connection, ours, wire, .. } = self.handshake;
        let (reader, writer) = halves::split(*connection, party, ours, incoming, outgoing, &wire);
        let channel = stream::halves(party, reader, writer, heard, network, patience)?;
        let security = Security { peer: Some(self.peer), binding: Some(self.binding), wire: Some(wire) };
        Ok(channel.secured(security))
    }
}

/// Moves what TLS wants to send.
pub(super) fn drain(connection: &mut Connection, bytes: &mut Vec<u8>) {
    while connection.wants_write() {
        // Memory takes everything.
        if connection.write_tls(bytes).is_err() {
            return;
        }
    }
}

/// What an error of TLS means to a user. `ours` is the key that this side showed.
pub(super) fn says(error: rustls::Error, party: Party, ours: Option<Fingerprint>) -> Error {
    use AlertDescription as Alert;
    let other = party.other();
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(why)) => match why.0.downcast_ref::<Unproven>() {
            Some(why) => why.clone().into(),
            None => Unproven::Tls { why: why.to_string() }.into(),
        },
        rustls::Error::AlertReceived(
            Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired,
        ) => match ours {
            Some(ours) => Unproven::Told { whose: party, ours }.into(),
            None => Unproven::Tls { why: "the other side refuses this one's certificate".into() }.into(),
        },
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => Unproven::NoTls { whose: other }.into(),
        rustls::Error::NoCertificatesPresented => Unproven::Nobody { whose: other }.into(),
        rustls::Error::DecryptError => {
            let why = "a record of TLS was changed on its way, or does not belong here";
            Error::connection(io::Error::new(io::ErrorKind::InvalidData, why))
        }
        other => Unproven::Tls { why: other.to_string() }.into(),
    }
}

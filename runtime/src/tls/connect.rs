//! Handshakes over sockets, for whoever waits for one at a time.

use super::handshake::{Handshake, Step};
use super::{ClientTls, ServerTls};
use crate::channel::{Channel, Network};
use crate::error::{Error, Result};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long both sides' handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a handshake that a peer may send.
const MOST: usize = 1 << 16;

/// A client's channel over a connected socket. Silence of more than `timeout` is borne later, not in the handshake.
///
/// # Errors
/// If the server is another one than was expected, or does not speak TLS.
pub fn connect(tls: &ClientTls, stream: TcpStream, network: &Network, timeout: Duration) -> Result<Channel> {
    run(tls.begin()?, stream, network, timeout)
}

/// A server's channel over a connected socket.
///
/// # Errors
/// If the client is none that is let in, or does not speak TLS.
pub fn accept(tls: &ServerTls, stream: TcpStream, network: &Network, timeout: Duration) -> Result<Channel> {
    run(tls.begin()?, stream, network, timeout)
}

fn run(mut handshake: Handshake, mut stream: TcpStream, network: &Network, timeout: Duration) -> Result<Channel> {
    let deadline = Instant::now() + HANDSHAKE_PATIENCE.min(timeout);
    let done = over(&mut handshake, &mut stream, deadline);
    if let Err(e) = done {
        // An alert, if there is one; the peer may be gone.
        let _ = stream.write_all(&handshake.output());
        return Err(e);
    }
    handshake.finish()?.over(stream, Vec::new(), network, timeout).map_err(Error::connection)
}

fn over(handshake: &mut Handshake, stream: &mut TcpStream, deadline: Instant) -> Result<()> {
    let mut buffer = [0; 4096];
    let mut heard = 0;
    stream.set_nodelay(true).map_err(Error::connection)?;
    loop {
        let output = handshake.output();
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || heard > MOST {
            let why = "the other side does not end the TLS handshake";
            return Err(Error::connection(io::Error::new(io::ErrorKind::TimedOut, why)));
        }
        stream.set_write_timeout(Some(left)).map_err(Error::connection)?;
        stream.write_all(&output).map_err(Error::connection)?;
        if handshake.step() == Step::Done {
            return Ok(());
        }
        stream.set_read_timeout(Some(left)).map_err(Error::connection)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(handshake.cut()),
            Ok(n) => {
                heard += n;
                handshake.feed(&buffer[..n])?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                let why = "the peer is silent in the TLS handshake";
                return Err(Error::connection(io::Error::new(io::ErrorKind::TimedOut, why)));
            }
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Err(handshake.cut()),
            Err(e) => return Err(Error::connection(e)),
        }
    }
}

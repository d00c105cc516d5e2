//! TCP between two machines.
//!
//! ```text
//!   write ──> queue ──> writer thread ──> socket ──> peer
//! ```
//!
//! A thread writes, so that sending never waits for a peer that is itself sending. A read has a deadline that grows
//! with its length: a peer that is silent, or slower than [`SLOWEST`], is an error and not a hang. Dropping the
//! transport sends what is queued, then closes.

use super::shaper::{Network, Pacer, wait_until};
use super::{Channel, Transport};
use picc_ir::Party;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes a second below which a peer counts as stalled.
pub const SLOWEST: u64 = 64 * 1024;

/// How long a server may take to come up while a client keeps trying.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Connects to a server, trying again for `patience` while nobody listens there.
pub fn connect(
    address: impl ToSocketAddrs,
    network: &Network,
    patience: Duration,
    timeout: Duration,
) -> io::Result<Channel> {
    let addresses: Vec<_> = address.to_socket_addrs()?.collect();
    let end = Instant::now() + patience;
    loop {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in &addresses {
            match TcpStream::connect_timeout(address, timeout) {
                Ok(stream) => return channel_over(Party::Client, stream, network, timeout),
                Err(e) => last = e,
            }
        }
        if Instant::now() >= end {
            return Err(last);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits for one client.
pub fn accept(listener: &TcpListener, network: &Network, timeout: Duration) -> io::Result<Channel> {
    channel_over(Party::Server, listener.accept()?.0, network, timeout)
}

/// `party`'s channel over a connected socket.
pub fn channel_over(party: Party, stream: TcpStream, network: &Network, timeout: Duration) -> io::Result<Channel> {
    channel_after(party, Vec::new(), stream, network, timeout)
}

/// [`channel_over`] a socket of which `heard` was read already: the channel receives it first.
pub fn channel_after(
    party: Party,
    heard: Vec<u8>,
    stream: TcpStream,
    network: &Network,
    timeout: Duration,
) -> io::Result<Channel> {
    Ok(Channel::new(party, Box::new(Tcp::new(heard, stream, network.pacer(party), timeout)?)))
}

struct Tcp {
    /// What was read before there was a channel.
    heard: Cursor<Vec<u8>>,
    reader: BufReader<TcpStream>,
    queue: Option<Sender<(Option<Instant>, Vec<u8>)>>,
    writer: Option<JoinHandle<io::Result<()>>>,
    pacer: Pacer,
    timeout: Duration,
}

impl Tcp {
    fn new(heard: Vec<u8>, stream: TcpStream, pacer: Pacer, timeout: Duration) -> io::Result<Tcp> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(timeout))?;
        let (queue, frames) = channel();
        let out = stream.try_clone()?;
        let writer = std::thread::Builder::new().name("tcp writer".into()).spawn(move || {
            let result = write_all(BufWriter::with_capacity(1 << 16, &out), &frames);
            // A failed writer also wakes the reader: the session is over.
            let _ = out.shutdown(if result.is_ok() { Shutdown::Write } else { Shutdown::Both });
            result
        })?;
        let reader = BufReader::with_capacity(1 << 16, stream);
        let heard = Cursor::new(heard);
        Ok(Tcp { heard, reader, queue: Some(queue), writer: Some(writer), pacer, timeout })
    }

    fn writer_failed(&mut self) -> io::Error {
        self.queue = None;
        match self.writer.take().map(JoinHandle::join) {
            Some(Ok(Err(e))) => e,
            _ => io::Error::new(io::ErrorKind::BrokenPipe, "the connection is closed"),
        }
    }
}

fn write_all(mut out: BufWriter<&TcpStream>, frames: &Receiver<(Option<Instant>, Vec<u8>)>) -> io::Result<()> {
    while let Ok((arrival, frame)) = frames.recv() {
        let mut next = Some((arrival, frame));
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

impl Transport for Tcp {
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()> {
        let arrival = self.pacer.arrival(frame.len());
        let sent = self.queue.as_ref().is_some_and(|queue| queue.send((arrival, frame)).is_ok());
        if sent { Ok(()) } else { Err(self.writer_failed()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let deadline = Instant::now() + self.timeout + Duration::from_secs(buf.len() as u64 / SLOWEST);
        let mut filled = self.heard.read(buf)?;
        while filled < buf.len() {
            if self.reader.buffer().is_empty() {
                let left = deadline.saturating_duration_since(Instant::now()).min(self.timeout);
                if left.is_zero() {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer is too slow"));
                }
                self.reader.get_ref().set_read_timeout(Some(left))?;
            }
            match self.reader.read(&mut buf[filled..]) {
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
        Some(std::mem::replace(&mut self.timeout, patience))
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // The write timeout bounds this.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Kind;
    use crate::error::{Error, Refusal};

    const TIMEOUT: Duration = Duration::from_millis(300);

    fn pair(network: &Network) -> (Channel, Channel) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = connect(listener.local_addr().unwrap(), network, Duration::ZERO, TIMEOUT).unwrap();
        (client, accept(&listener, network, TIMEOUT).unwrap())
    }

    #[test]
    fn both_parties_may_send_more_than_the_sockets_hold() {
        let (mut client, mut server) = pair(&Network::UNSHAPED);
        let big = vec![7u8; 20 << 20];
        let other = big.clone();
        let peer = std::thread::spawn(move || server.exchange(Kind::Open, &other, other.len()).map(|v| v.len()));
        assert_eq!(client.exchange(Kind::Open, &big, big.len()).unwrap(), big);
        assert_eq!(peer.join().unwrap().unwrap(), big.len());
        assert_eq!(client.meter().total().rounds, 1);
    }

    #[test]
    fn what_was_heard_before_comes_first() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut client = connect(address, &Network::UNSHAPED, Duration::ZERO, TIMEOUT).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        client.send(Kind::Open, &[1; 50]).unwrap();
        client.send(Kind::Choice, &[2; 50]).unwrap();
        let mut heard = vec![0; 30];
        stream.read_exact(&mut heard).unwrap();
        let mut server = channel_after(Party::Server, heard, stream, &Network::UNSHAPED, TIMEOUT).unwrap();
        assert_eq!(server.recv(Kind::Open, 50).unwrap(), [1; 50]);
        assert_eq!(server.recv(Kind::Choice, 50).unwrap(), [2; 50]);
        assert_eq!(server.meter().total().client_to_server, 116);
    }

    #[test]
    fn a_refusal_may_come_instead_of_any_message_to_the_client() {
        let (mut client, mut server) = pair(&Network::UNSHAPED);
        server.refuse("this was the last").unwrap();
        client.refuse("no").unwrap();
        let refused = client.recv(Kind::Open, 4).unwrap_err();
        assert!(matches!(&refused, Error::Refused(Refusal::Told(why)) if why == "this was the last"), "{refused}");
        assert!(matches!(server.recv(Kind::Open, 4), Err(Error::Peer(_))));
    }

    #[test]
    fn a_silent_peer_is_a_timeout_and_a_gone_one_an_end() {
        let (mut client, server) = pair(&Network::UNSHAPED);
        let silent = client.recv(Kind::Open, 4).unwrap_err();
        assert!(silent.to_string().contains("silent"), "{silent}");
        drop(server);
        let gone = client.recv(Kind::Open, 4).unwrap_err();
        assert!(gone.to_string().contains("gone"), "{gone}");
    }

    #[test]
    fn what_was_sent_before_a_drop_arrives() {
        let (mut client, mut server) = pair(&Network::UNSHAPED);
        server.send(Kind::Reveal, &vec![1; 1 << 20]).unwrap();
        drop(server);
        assert_eq!(client.recv(Kind::Reveal, 1 << 20).unwrap().len(), 1 << 20);
    }

    #[test]
    fn an_emulated_network_takes_its_time() {
        let network = Network { up: Some(8e6), down: None, rtt: Duration::from_millis(40) };
        let (mut client, mut server) = pair(&network);
        let start = Instant::now();
        client.send(Kind::Open, &[0; 20_000]).unwrap();
        server.recv(Kind::Open, 20_000).unwrap();
        server.send(Kind::Open, &[0; 1]).unwrap();
        client.recv(Kind::Open, 1).unwrap();
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(60) && took < Duration::from_millis(120), "{took:?}");
    }
}

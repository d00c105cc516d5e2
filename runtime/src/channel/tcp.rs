//! TCP between two machines. Nobody is authenticated and anybody on the wire reads and changes what goes over it:
//! [`crate::tls`] is for all but one machine's own parties.

use super::stream::{Incoming, Outgoing, halves};
use super::{Channel, Network};
use crate::error::{BadInput, Error, Result};
use picc_ir::Party;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

pub use super::stream::SLOWEST;

/// How long a server may take to come up while a client keeps trying.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// Connects to a server, trying again for `patience` while nobody listens there.
pub fn connect(
    address: impl ToSocketAddrs,
    network: &Network,
    patience: Duration,
    timeout: Duration,
) -> io::Result<Channel> {
    channel_over(Party::Client, dial(address, patience, timeout)?, network, timeout)
}

/// The socket of [`connect`].
pub fn dial(address: impl ToSocketAddrs, patience: Duration, timeout: Duration) -> io::Result<TcpStream> {
    let addresses: Vec<_> = address.to_socket_addrs()?.collect();
    let end = Instant::now() + patience;
    loop {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in &addresses {
            match TcpStream::connect_timeout(address, timeout) {
                Ok(stream) => return Ok(stream),
                Err(e) => last = e,
            }
        }
        if Instant::now() >= end {
            return Err(last);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// That both ends of a socket are this machine's: nobody else reads what goes over it.
///
/// # Errors
/// If they are not, with the way out.
pub fn only_on_this_machine(stream: &TcpStream) -> Result<()> {
    let peer = stream.peer_addr().map_err(Error::connection)?;
    if peer.ip().to_canonical().is_loopback() {
        Ok(())
    } else {
        Err(BadInput::Exposed { address: peer.ip() }.into())
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
    let (incoming, outgoing) = split(stream, timeout)?;
    halves(party, incoming, outgoing, heard, network, timeout)
}

/// The two halves of a socket. Writing gives up after `timeout`.
pub(crate) fn split(stream: TcpStream, timeout: Duration) -> io::Result<(TcpIncoming, TcpOutgoing)> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(timeout))?;
    let out = BufWriter::with_capacity(1 << 16, stream.try_clone()?);
    Ok((TcpIncoming(BufReader::with_capacity(1 << 16, stream)), TcpOutgoing(out)))
}

pub(crate) struct TcpIncoming(BufReader<TcpStream>);

impl Incoming for TcpIncoming {
    fn read_within(&mut self, buf: &mut [u8], patience: Duration) -> io::Result<usize> {
        if self.0.buffer().is_empty() {
            self.0.get_ref().set_read_timeout(Some(patience))?;
        }
        self.0.read(buf)
    }
}

pub(crate) struct TcpOutgoing(BufWriter<TcpStream>);

impl Outgoing for TcpOutgoing {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    fn close(&mut self, well: bool) {
        // A failed writer also wakes the reader: the session is over.
        let _ = self.0.get_ref().shutdown(if well { Shutdown::Write } else { Shutdown::Both });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Kind;
    use crate::error::Refusal;

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

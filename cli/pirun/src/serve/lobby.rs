//! Strangers: connections that have not said a whole hello.
//!
//! ```text
//!   listener ──> strangers: a socket, TLS's state, one hello's bytes, a deadline ──> guests: agree on the program
//!                    └──> turned away: too slow, too many, another protocol, a key that is not known, another program
//! ```
//!
//! One thread waits for all of them and none has a thread of its own, so that they cost no session its slot. Without
//! TLS a stranger costs its socket and less than a kilobyte; with TLS the state of a handshake, at most 100 kB with
//! everything that a stranger may send before it is known. What cannot be a hello closes the connection at its first
//! wrong byte. All wait equally long, so the first in line has the only timer.

use super::stranger::{Said, Stranger};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use picc_runtime::error::{Error, Local, Refusal, Result};
use picc_runtime::handshake::Agreement;
use picc_runtime::tls::{Handshake, ServerTls};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Strangers at a time; beyond that, who has waited longest goes.
const MOST: usize = 256;

/// Connections that are accepted before the others are looked at again.
const ACCEPTED_AT_ONCE: usize = 64;

/// When to try again after the system refused to accept.
const RETRY: Duration = Duration::from_millis(100);

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);

/// A client that agrees, and its hello.
pub struct Guest {
    pub stream: std::net::TcpStream,
    pub address: SocketAddr,
    pub hello: Vec<u8>,
    /// Done: who the client is, and the connection.
    pub tls: Option<Box<Handshake>>,
}

/// What comes out of the lobby.
pub enum Arrival {
    Guest(Guest),
    /// It spoke the protocol, and was told why it is turned away.
    Disagrees(SocketAddr, Error),
    /// Nobody knows who it was.
    Unproven(SocketAddr, Error),
}

/// Strangers that were turned away without a word.
#[derive(Default)]
pub struct Tally {
    foreign: u64,
    gone: u64,
    slow: u64,
    crowded: u64,
}

impl Tally {
    pub fn is_empty(&self) -> bool {
        self.foreign + self.gone + self.slow + self.crowded == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { foreign, gone, slow, crowded } = self;
        write!(
            f,
            "connections without a handshake: {foreign} spoke something else, {gone} left, {slow} were too slow, \
             {crowded} gave way to others"
        )
    }
}

/// The listening socket and everybody who has not been admitted.
pub struct Lobby {
    poll: Poll,
    events: Events,
    /// `None` once no more come in.
    listener: Option<TcpListener>,
    /// When to look for somebody who waits to be accepted, if there may be anybody.
    knocking: Option<Duration>,
    /// By token, hence by deadline.
    strangers: VecDeque<Stranger>,
    next: usize,
    ours: Agreement,
    tls: Option<ServerTls>,
    /// How long a stranger may take for its hello.
    patience: Duration,
    tally: Tally,
}

impl Lobby {
    /// With `tls`, nobody comes in without it.
    pub fn new(
        listener: std::net::TcpListener,
        ours: Agreement,
        tls: Option<ServerTls>,
        patience: Duration,
    ) -> io::Result<Lobby> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Lobby {
            poll,
            events: Events::with_capacity(MOST),
            listener: Some(listener),
            knocking: None,
            strangers: VecDeque::new(),
            next: WAKER.0 + 1,
            ours,
            tls,
            patience,
            tally: Tally::default(),
        })
    }

    /// Ends a [`Lobby::wait`] from another thread.
    pub fn waker(&self) -> io::Result<Arc<Waker>> {
        Ok(Arc::new(Waker::new(self.poll.registry(), WAKER)?))
    }

    /// No more come in. Those who are here may still say their hello.
    pub fn close(&mut self) {
        self.listener = None;
    }

    /// Who was turned away since the last call.
    pub fn tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Waits for guests, for [`Lobby::waker`], or until `longest` has passed.
    pub fn wait(&mut self, longest: Duration) -> io::Result<Vec<Arrival>> {
        let first = self.strangers.front().map(|s| s.deadline.saturating_duration_since(Instant::now()));
        let timeout = [first, self.knocking].into_iter().flatten().fold(longest, Duration::min);
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        let ready: Vec<Token> = self.events.iter().map(|e| e.token()).collect();
        let mut arrivals = Vec::new();
        for token in ready {
            match token {
                LISTENER => self.knocking = Some(Duration::ZERO),
                WAKER => {}
                token => {
                    if let Ok(at) = self.strangers.binary_search_by_key(&token, |s| s.token) {
                        arrivals.extend(self.listen(at));
                    }
                }
            }
        }
        if self.knocking.is_some() {
            self.knocking = self.accept();
        }
        let now = Instant::now();
        while self.strangers.front().is_some_and(|s| s.deadline <= now) {
            self.strangers.pop_front();
            self.tally.slow += 1;
        }
        Ok(arrivals)
    }

    /// When to try again, unless the listener says so.
    fn accept(&mut self) -> Option<Duration> {
        for _ in 0..ACCEPTED_AT_ONCE {
            let listener = self.listener.as_ref()?;
            match listener.accept() {
                Ok((stream, address)) => self.admit(stream, address),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return None,
                // It left before it was accepted.
                Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
                Err(_) => {
                    // Too many open files, as a rule: who has waited longest makes room.
                    self.tally.crowded += u64::from(self.strangers.pop_front().is_some());
                    return Some(RETRY);
                }
            }
        }
        Some(Duration::ZERO)
    }

    fn admit(&mut self, mut stream: mio::net::TcpStream, address: SocketAddr) {
        if self.strangers.len() == MOST {
            self.strangers.pop_front();
            self.tally.crowded += 1;
        }
        let token = Token(self.next);
        self.next += 1;
        let interest =
            if self.tls.is_some() { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        // Without randomness there is no handshake, and the stranger goes.
        let Ok(tls) = self.tls.as_ref().map(ServerTls::begin).transpose() else { return };
        if self.poll.registry().register(&mut stream, token, interest).is_ok() {
            let deadline = Instant::now() + self.patience;
            self.strangers.push_back(Stranger::new(token, stream, address, deadline, tls));
        }
    }

    /// Reads what a stranger has sent.
    fn listen(&mut self, at: usize) -> Option<Arrival> {
        let stranger = self.strangers.get_mut(at)?;
        let address = stranger.address;
        match stranger.listen(&self.ours) {
            Said::Waits => None,
            // It stays until it has read why, or its time is over.
            Said::Leaves(why) => Some(Arrival::Unproven(address, why)),
            Said::Disagrees(why) => Some(Arrival::Disagrees(address, why)),
            Said::Gone => {
                self.strangers.remove(at);
                self.tally.gone += 1;
                None
            }
            Said::Left => {
                self.strangers.remove(at);
                None
            }
            Said::Foreign(why) => {
                self.strangers.remove(at);
                self.tally.foreign += 1;
                why.map(|why| Arrival::Unproven(address, why))
            }
            Said::Agrees => {
                let mut stranger = self.strangers.remove(at)?;
                let left = self.poll.registry().deregister(&mut stranger.stream);
                match left.map_err(Local::system("waiting for clients")) {
                    Ok(()) => Some(Arrival::Guest(stranger.into_guest())),
                    Err(e) => Some(Arrival::Unproven(address, e)),
                }
            }
        }
    }
}

/// The last message to a peer. It is smaller than any socket's buffer; a peer whose socket takes no more is not owed
/// it.
pub(super) fn say_goodbye(stream: &mut impl Write, message: &[u8]) {
    let _ = stream.write_all(message);
}

impl Guest {
    /// Tells a guest that there is no session for it, and why.
    pub fn turn_away(mut self, ours: &Agreement, why: &Refusal) -> Result<()> {
        let binding = self.tls.as_ref().map(|tls| tls.binding()).transpose()?;
        let refusal = picc_runtime::handshake::refusal(&ours.clone().bound_to(binding), why)?;
        match &mut self.tls {
            Some(tls) => {
                tls.say_goodbye(&refusal);
                say_goodbye(&mut self.stream, &tls.output());
            }
            None => say_goodbye(&mut self.stream, &refusal),
        }
        self.stream.shutdown(Shutdown::Write).map_err(Error::connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::Party;
    use picc_runtime::handshake::{FRAME_BYTES, answer, judge};
    use std::io::Read;
    use std::net::TcpStream as Socket;

    const LONG: Duration = Duration::from_secs(60);

    fn lobby(patience: Duration) -> (Lobby, SocketAddr) {
        let ours = Agreement { program: [7; 32], parameters: "a source".into(), binding: None, weights: None };
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (Lobby::new(listener, ours, None, patience).unwrap(), address)
    }

    fn until<T>(lobby: &mut Lobby, mut found: impl FnMut(&mut Lobby, Vec<Arrival>) -> Option<T>) -> T {
        let end = Instant::now() + LONG;
        while Instant::now() < end {
            let arrivals = lobby.wait(Duration::from_millis(50)).unwrap();
            if let Some(value) = found(lobby, arrivals) {
                return value;
            }
        }
        panic!("nothing happened");
    }

    #[test]
    fn a_hello_in_pieces_passes_strangers_that_say_nothing() {
        let (mut lobby, address) = lobby(LONG);
        let idle: Vec<Socket> = (0..50).map(|_| Socket::connect(address).unwrap()).collect();
        let mut client = Socket::connect(address).unwrap();
        let hello = answer(&lobby.ours.clone(), Party::Client).unwrap();
        until(&mut lobby, |l, _| (l.strangers.len() == 51).then_some(()));
        for piece in hello.chunks(100) {
            assert!(lobby.wait(Duration::ZERO).unwrap().is_empty());
            client.write_all(piece).unwrap();
        }
        let guest = until(&mut lobby, |_, arrivals| arrivals.into_iter().next());
        assert!(
            matches!(&guest, Arrival::Guest(g) if g.hello == hello && g.address == client.local_addr().unwrap())
        );
        assert_eq!(lobby.strangers.len(), idle.len());
        assert!(lobby.tally().is_empty());
    }

    #[test]
    fn who_is_too_slow_is_gone() {
        let (mut lobby, address) = lobby(Duration::from_millis(20));
        let mut idle = Socket::connect(address).unwrap();
        until(&mut lobby, |l, _| (l.tally.slow == 1).then_some(()));
        assert!(lobby.strangers.is_empty());
        idle.set_read_timeout(Some(LONG)).unwrap();
        assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn what_is_no_hello_is_closed_at_once() {
        let (mut lobby, address) = lobby(LONG);
        let mut other = Socket::connect(address).unwrap();
        other.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        until(&mut lobby, |l, _| (l.tally.foreign == 1).then_some(()));
        assert!(lobby.strangers.is_empty());
        drop(Socket::connect(address).unwrap());
        until(&mut lobby, |l, _| (l.tally.gone == 1).then_some(()));
        assert!(lobby.tally().to_string().contains("1 spoke something else, 1 left, 0 were too slow"));
        assert!(lobby.tally().is_empty());
    }

    #[test]
    fn the_oldest_stranger_makes_room() {
        let (mut lobby, address) = lobby(LONG);
        let mut sockets: Vec<Socket> = Vec::new();
        for n in 1..=MOST + 3 {
            sockets.push(Socket::connect(address).unwrap());
            until(&mut lobby, |l, _| (l.next == WAKER.0 + 1 + n).then_some(()));
        }
        assert_eq!((lobby.strangers.len(), lobby.tally.crowded), (MOST, 3));
        // The first was closed, the last is still there.
        sockets[0].set_read_timeout(Some(LONG)).unwrap();
        assert_eq!(sockets[0].read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn who_disagrees_or_finds_no_room_is_told_why() {
        let (mut lobby, address) = lobby(LONG);
        let ours = lobby.ours.clone();
        let say = |agreement: &Agreement| {
            let mut socket = Socket::connect(address).unwrap();
            socket.write_all(&answer(agreement, Party::Client).unwrap()).unwrap();
            socket
        };
        let heard = |mut socket: Socket| {
            let mut frame = [0; FRAME_BYTES];
            socket.set_read_timeout(Some(LONG)).unwrap();
            socket.read_exact(&mut frame).unwrap();
            assert_eq!(socket.read(&mut [0]).unwrap(), 0);
            judge(&ours, &frame, Party::Client)
        };
        let other = say(&Agreement { program: [8; 32], ..ours.clone() });
        let arrival = until(&mut lobby, |_, arrivals| arrivals.into_iter().next());
        assert!(matches!(arrival, Arrival::Disagrees(_, Error::Handshake(_))));
        // It gets this side's hello, to find the difference itself.
        heard(other).unwrap();

        let late = say(&ours);
        let Arrival::Guest(guest) = until(&mut lobby, |_, arrivals| arrivals.into_iter().next()) else {
            panic!("it agrees")
        };
        guest.turn_away(&ours, &Refusal::ShuttingDown).unwrap();
        let told = Refusal::Told(Refusal::ShuttingDown.to_string());
        assert!(matches!(heard(late), Err(Error::Refused(why)) if why == told));
    }
}

//! Sessions that run, each in a thread with a state of its own, and the limits that the server's loop holds them to.

use super::lobby::Guest;
use super::{Limits, Shared, object};
use crate::pool;
use mio::Waker;
use picc_ir::Party;
use picc_runtime::channel::{Peer, tcp};
use picc_runtime::crypto::Rng;
use picc_runtime::error::{Error, Local, Refusal, Result};
use picc_runtime::exec::{Leash, serve_on_leash};
use picc_runtime::report::Record;
use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a refused client may take to read why, and bytes of it that are thrown away meanwhile.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 << 20;

pub struct Running {
    number: u64,
    /// The client, if TLS says who it is.
    peer: Option<Peer>,
    start: Instant,
    /// The session's socket, to end it from here.
    stream: TcpStream,
    leash: Arc<Leash>,
    thread: JoinHandle<Result<Record>>,
}

/// Wakes the server's loop when a session's thread ends, however it ends.
struct Farewell(Arc<Waker>);

impl Drop for Farewell {
    fn drop(&mut self) {
        // The loop looks at its sessions now and then in any case.
        let _ = self.0.wake();
    }
}

impl Running {
    pub fn start(shared: &Arc<Shared>, number: u64, guest: Guest, waker: &Arc<Waker>) -> Result<Running> {
        let leash = Arc::new(Leash::new(shared.limits.inferences));
        let failed = Local::system("a session's socket");
        let peer = guest.tls.as_ref().map(|tls| tls.peer()).transpose()?;
        let linger = guest.stream.try_clone().map_err(&failed)?;
        let stream = guest.stream.try_clone().map_err(&failed)?;
        let (shared, theirs, farewell) = (Arc::clone(shared), Arc::clone(&leash), Farewell(Arc::clone(waker)));
        let session = move || {
            let _farewell = farewell;
            let link = &shared.link;
            let (party, patience) = (Party::Server, link.patience());
            let channel = match guest.tls {
                Some(tls) => tls.finish()?.over(guest.stream, guest.hello, &link.network, patience),
                None => tcp::channel_after(party, guest.hello, guest.stream, &link.network, patience),
            };
            let channel = channel.map_err(Error::connection)?;
            let result = pool(link.threads)?
                .install(|| serve_on_leash(&shared.exe, &shared.model, channel, Rng::from_os()?, None, &theirs));
            if let Err(Error::Refused(_)) = &result {
                hear_out(linger);
            }
            result
        };
        let thread = std::thread::Builder::new().name(format!("session {number}")).spawn(session);
        let thread = thread.map_err(Local::threads)?;
        Ok(Running { number, peer, start: Instant::now(), stream, leash, thread })
    }

    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the session if it has run or waited for too long, or waits while the server shuts down.
    pub fn watch(&self, limits: &Limits, closing: bool) {
        let idle = self.leash.resting().map(|since| since.elapsed());
        if self.start.elapsed() >= limits.session {
            self.end(Refusal::Time { seconds: limits.session.as_secs() });
        } else if idle.is_some_and(|idle| idle >= limits.idle) {
            self.end(Refusal::Idle { seconds: limits.idle.as_secs() });
        } else if closing && idle.is_some() {
            self.end(Refusal::ShuttingDown);
        }
    }

    /// Ends the session: with a word to the client where it waits for a request, at once elsewhere.
    pub fn end(&self, why: Refusal) {
        if self.leash.ended().is_some() {
            return;
        }
        let how = if self.leash.end(why) { Shutdown::Read } else { Shutdown::Both };
        // The socket may be closed already.
        let _ = self.stream.shutdown(how);
    }

    /// Reports a session that is over. Its failure is the client's or the network's; the server goes on.
    pub fn finish(self, shared: &Shared) -> Result<Record> {
        let number = self.number;
        let joined = self.thread.join();
        let result = joined.unwrap_or_else(|_| Err(Error::Bug("the session's thread panicked".into())));
        // Whoever was cut off by the server did not fail by itself.
        let result = result.map_err(|e| self.leash.ended().map_or(e, Error::from));
        match &result {
            Ok(record) => {
                let spent = record.total();
                eprintln!(
                    "pirun: session {number}: {} inferences, {} bytes in, {} bytes out, {} rounds, {:.2} s",
                    record.inferences,
                    spent.traffic.client_to_server,
                    spent.traffic.server_to_client,
                    spent.traffic.rounds,
                    spent.time.total.as_secs_f64()
                );
                if let Some(tls) = record.tls {
                    let (received, sent) = (tls.received, tls.sent);
                    eprintln!("pirun: session {number}: TLS added {received} bytes in, {sent} bytes out");
                }
            }
            Err(Error::Refused(why)) => eprintln!("pirun: session {number} ended by the server: {why}"),
            Err(e) => eprintln!("pirun: session {number} failed: {e}"),
        }
        if shared.json {
            println!("{}", object(number, self.peer.as_ref(), &result));
        }
        result
    }

    pub fn introduce(&self, address: SocketAddr) {
        match &self.peer {
            Some(peer) => eprintln!("pirun: session {}: client {address}, {peer}", self.number),
            None => eprintln!("pirun: session {}: client {address}", self.number),
        }
    }
}

/// Reads on until the client has read the refusal and closes: closing over unread bytes would reset the connection, and
/// the client might lose what was sent to it.
fn hear_out(mut stream: TcpStream) {
    let end = Instant::now() + LINGER;
    let mut left = LINGER_BYTES;
    let mut buffer = [0; 1 << 14];
    loop {
        let time = end.saturating_duration_since(Instant::now());
        if left == 0 || time.is_zero() || stream.set_read_timeout(Some(time)).is_err() {
            return;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => left = left.saturating_sub(n),
        }
    }
}

//! `serve`: sessions of many clients.
//!
//! ```text
//!   lobby: strangers, one thread ──> a free slot: a session in a thread of its own ──> report
//!                                └─> no slot, or shutting down: a refusal
//! ```

mod lobby;
mod running;
mod stranger;

use super::args::{Link, Serve};
use super::{load_program, load_weights};
use lobby::{Arrival, Lobby};
use mio::Waker;
use picc_runtime::channel::Peer;
use picc_runtime::error::{Error, Local, Refusal, Result};
use picc_runtime::exec::{Executable, ServerModel};
use picc_runtime::report::Record;
use picc_runtime::tls::ServerTls;
use running::Running;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often the limits of running sessions are looked at.
const TICK: Duration = Duration::from_millis(250);

/// How often the server speaks of connections that were turned away, and of how many by name.
const QUIET: Duration = Duration::from_secs(10);
const NAMED: u32 = 20;

/// How long sessions that were ended may take to say so.
const FAREWELL: Duration = Duration::from_secs(1);

/// What all sessions read.
struct Shared {
    exe: Executable,
    model: ServerModel,
    limits: Limits,
    link: Link,
    json: bool,
}

struct Limits {
    sessions: usize,
    inferences: u64,
    session: Duration,
    idle: Duration,
    drain: Duration,
}

/// Accepts clients until a signal, or until the first session ends with `--once`.
pub fn serve(args: Serve) -> Result<()> {
    let exe = load_program(&args.model)?;
    let tls = args.known.tls()?;
    let model = load_weights(&exe, &args.weights, args.prepared_memory)?;
    let seconds = Duration::from_secs;
    let limits = Limits {
        sessions: if args.once { 1 } else { args.max_sessions as usize },
        inferences: args.max_inferences,
        session: seconds(args.max_session_seconds),
        idle: seconds(args.idle_seconds),
        drain: seconds(args.drain_seconds),
    };
    let in_use = Error::listening(&args.listen);
    let listener = TcpListener::bind(&args.listen).map_err(&in_use)?;
    let address = listener.local_addr().map_err(&in_use)?;
    if tls.is_none() {
        args.known.may_listen(address)?;
    }
    let polling = Local::system("waiting for clients");
    let ours = model.agreement(&exe);
    let key = tls.as_ref().map(ServerTls::key);
    let lobby = Lobby::new(listener, ours, tls, seconds(args.handshake_seconds)).map_err(&polling)?;
    let waker = lobby.waker().map_err(&polling)?;
    let signals = signals(&waker).map_err(Local::system("signals"))?;
    let shared = Arc::new(Shared { exe, model, limits, link: args.link, json: args.json });
    // The first line, and the address its last word, for whoever reads it by program.
    eprintln!("pirun: serving `{}` on {address}", shared.exe.program().model);
    eprintln!("pirun: with weights {}", shared.model.commitment());
    if let Some(key) = key {
        eprintln!("pirun: this server's key is {key}");
    }
    Server { shared, lobby, waker, running: Vec::new(), sessions: 0, once: args.once, notices: Notices::new() }
        .run(&signals)
}

/// Counts signals that ask for the end (Ctrl-C, SIGTERM) and wakes the loop.
#[cfg(unix)]
fn signals(waker: &Arc<Waker>) -> io::Result<Arc<AtomicUsize>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, waker) = (Arc::clone(&count), Arc::clone(waker));
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            counted.fetch_add(1, Ordering::Relaxed);
            // The loop looks at the count now and then in any case.
            let _ = waker.wake();
        }
    })?;
    Ok(count)
}

/// Elsewhere Ctrl-C ends the process as usual.
#[cfg(not(unix))]
fn signals(_waker: &Arc<Waker>) -> io::Result<Arc<AtomicUsize>> {
    Ok(Arc::default())
}

struct Server {
    shared: Arc<Shared>,
    lobby: Lobby,
    waker: Arc<Waker>,
    running: Vec<Running>,
    sessions: u64,
    once: bool,
    notices: Notices,
}

impl Server {
    fn run(mut self, signals: &AtomicUsize) -> Result<()> {
        let mut closing: Option<Instant> = None;
        loop {
            let arrivals = self.lobby.wait(if self.running.is_empty() { QUIET } else { TICK });
            let arrivals = arrivals.map_err(Local::system("waiting for clients"))?;
            let mut over = self.reap();
            for arrival in arrivals {
                if let Some(result) = self.receive(arrival, closing.is_some()) {
                    over = Some(result);
                }
            }
            if let (true, Some(result)) = (self.once, over) {
                return result;
            }
            self.running.iter().for_each(|r| r.watch(&self.shared.limits, closing.is_some()));
            self.notices.flush(&mut self.lobby);

            let asked = signals.load(Ordering::Relaxed);
            if asked > 0 && closing.is_none() {
                closing = Some(Instant::now() + self.shared.limits.drain);
                self.lobby.close();
                if !self.running.is_empty() {
                    let (n, s) = (self.running.len(), self.shared.limits.drain.as_secs());
                    eprintln!("pirun: no new sessions; {n} may go on for {s} s (a second signal stops them now)");
                }
            }
            if closing.is_some_and(|end| self.running.is_empty() || asked > 1 || Instant::now() >= end) {
                break;
            }
        }
        self.stop();
        Ok(())
    }

    /// Reports sessions that are over; the last one's result.
    fn reap(&mut self) -> Option<Result<()>> {
        let mut last = None;
        for over in self.running.extract_if(.., |r| r.is_over()) {
            last = Some(over.finish(&self.shared).map(|_| ()));
        }
        last
    }

    /// A session for a guest, if there is room. The result of one that ends here.
    fn receive(&mut self, arrival: Arrival, closing: bool) -> Option<Result<()>> {
        let limits = &self.shared.limits;
        match arrival {
            Arrival::Disagrees(address, e) => {
                self.notices.turned_away(&self.shared, address, &e);
                Some(Err(e))
            }
            Arrival::Unproven(address, e) => {
                self.notices.turned_away(&self.shared, address, &e);
                None
            }
            Arrival::Guest(guest) if closing || self.running.len() >= limits.sessions => {
                let why = if closing { Refusal::ShuttingDown } else { Refusal::Busy { sessions: limits.sessions } };
                let address = guest.address;
                let told = guest.turn_away(&self.shared.model.agreement(&self.shared.exe), &why);
                self.notices.turned_away(&self.shared, address, &told.err().unwrap_or(why.into()));
                None
            }
            Arrival::Guest(guest) => {
                self.sessions += 1;
                let (number, address) = (self.sessions, guest.address);
                match Running::start(&self.shared, number, guest, &self.waker) {
                    Ok(session) => {
                        session.introduce(address);
                        self.running.push(session);
                        None
                    }
                    Err(e) => {
                        eprintln!("pirun: session {number} was not started: {e}");
                        Some(Err(e))
                    }
                }
            }
        }
    }

    /// Ends what still runs, and waits a moment for its reports.
    fn stop(mut self) {
        let unfinished = self.running.len();
        self.running.iter().for_each(|r| r.end(Refusal::Stopped));
        let end = Instant::now() + FAREWELL;
        while !self.running.is_empty() && Instant::now() < end {
            std::thread::sleep(TICK / 10);
            self.reap();
        }
        eprintln!("pirun: stopped after {} sessions, {unfinished} of them not at their end", self.sessions);
    }
}

/// What is printed of connections that did not become sessions: anybody can make any number of them, so the number of
/// lines is bounded.
struct Notices {
    since: Instant,
    named: u32,
    more: u64,
}

impl Notices {
    fn new() -> Notices {
        Notices { since: Instant::now(), named: 0, more: 0 }
    }

    fn turned_away(&mut self, shared: &Shared, address: SocketAddr, why: &Error) {
        if self.named == NAMED {
            self.more += 1;
            return;
        }
        self.named += 1;
        eprintln!("pirun: client {address} was turned away: {why}");
        if shared.json {
            println!(
                "{}",
                serde_json::json!({
                    "client": address.to_string(), "error": why.to_string(), "fault": why.fault().name(),
                })
            );
        }
    }

    fn flush(&mut self, lobby: &mut Lobby) {
        if self.since.elapsed() < QUIET {
            return;
        }
        if self.more > 0 {
            eprintln!("pirun: {} more clients were turned away", self.more);
        }
        let tally = lobby.tally();
        if !tally.is_empty() {
            eprintln!("pirun: {tally}");
        }
        *self = Notices::new();
    }
}

fn object(number: u64, peer: Option<&Peer>, result: &Result<Record>) -> serde_json::Value {
    let mut object = match result {
        Ok(record) => {
            let spent = record.total();
            serde_json::json!({
                "session": number,
                "inferences": record.inferences,
                "bytes_client_to_server": spent.traffic.client_to_server,
                "bytes_server_to_client": spent.traffic.server_to_client,
                "rounds": spent.traffic.rounds,
                "seconds": spent.time.total.as_secs_f64(),
                "weights": record.weights.map(|w| w.to_string()),
                "tls_bytes_client_to_server": record.tls.map(|t| t.received),
                "tls_bytes_server_to_client": record.tls.map(|t| t.sent),
            })
        }
        Err(e) => serde_json::json!({ "session": number, "error": e.to_string(), "fault": e.fault().name() }),
    };
    if let Some(Peer { key, name }) = peer {
        object["client_key"] = key.to_string().into();
        object["client_name"] = name.clone().into();
    }
    object
}

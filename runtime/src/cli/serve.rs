//! `serve`: sessions of many clients, each in a thread with a state of its own.

use super::args::{Link, Serve};
use super::{load_program, load_weights, pool};
use crate::channel::tcp;
use crate::crypto::Rng;
use crate::error::{Error, Result};
use crate::exec::{Executable, ServerModel, serve_session};
use crate::report::Record;
use picc_ir::Party;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the server looks for new clients and for Ctrl-C.
const POLL: Duration = Duration::from_millis(5);

/// What all sessions read.
struct Shared {
    exe: Executable,
    model: ServerModel,
    json: bool,
}

struct Running {
    number: u64,
    thread: JoinHandle<Result<Record>>,
}

/// Accepts clients until Ctrl-C, or until the first session ends with `--once`.
pub fn serve(args: &Serve) -> Result<()> {
    let exe = load_program(&args.model)?;
    let model = load_weights(&exe, &args.weights, args.prepared_memory)?;
    let shared = Arc::new(Shared { exe, model, json: args.json });
    let in_use = |e: io::Error| Error::Io(io::Error::new(e.kind(), format!("{}: {e}", args.listen)));
    let listener = TcpListener::bind(&args.listen).map_err(in_use)?;
    listener.set_nonblocking(true)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    ctrlc::set_handler(move || stopped.store(true, Ordering::Relaxed))
        .map_err(|e| Error::Io(io::Error::other(format!("Ctrl-C: {e}"))))?;
    eprintln!("pirun: serving `{}` on {}", shared.exe.program().model, listener.local_addr()?);

    let mut running: Vec<Running> = Vec::new();
    let mut sessions = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut last = None;
        for done in running.extract_if(.., |r| r.thread.is_finished()) {
            last = Some(finish(&shared, done));
        }
        if let (true, Some(result)) = (args.once, last) {
            return result.map(|_| ());
        }
        let full = running.len() >= args.max_sessions as usize || args.once && sessions > 0;
        match if full { None } else { listener.accept().ok() } {
            Some((stream, address)) => {
                sessions += 1;
                eprintln!("pirun: session {sessions}: client {address}");
                match start(&shared, sessions, stream, &args.link) {
                    Ok(session) => running.push(session),
                    Err(e) => eprintln!("pirun: session {sessions} was not started: {e}"),
                }
            }
            None => std::thread::sleep(POLL),
        }
    }
    eprintln!("pirun: stopped after {sessions} sessions, {} of them not at their end", running.len());
    Ok(())
}

fn start(shared: &Arc<Shared>, number: u64, stream: TcpStream, link: &Link) -> Result<Running> {
    let shared = Arc::clone(shared);
    let (network, threads, patience) = (link.network, link.threads, link.patience());
    let session = move || {
        let channel = tcp::channel_over(Party::Server, stream, &network, patience)?;
        pool(threads)?.install(|| serve_session(&shared.exe, &shared.model, channel, Rng::from_os()?, None))
    };
    let thread = std::thread::Builder::new().name(format!("session {number}")).spawn(session)?;
    Ok(Running { number, thread })
}

/// Reports a session that has ended. Its failure is the client's or the network's; the server goes on.
fn finish(shared: &Shared, done: Running) -> Result<Record> {
    let number = done.number;
    let result = done.thread.join().unwrap_or_else(|_| Err(Error::Bug("the session's thread panicked".into())));
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
        }
        Err(e) => eprintln!("pirun: session {number} failed: {e}"),
    }
    if shared.json {
        println!("{}", object(number, &result));
    }
    result
}

fn object(number: u64, result: &Result<Record>) -> serde_json::Value {
    match result {
        Ok(record) => {
            let spent = record.total();
            serde_json::json!({
                "session": number,
                "inferences": record.inferences,
                "bytes_client_to_server": spent.traffic.client_to_server,
                "bytes_server_to_client": spent.traffic.server_to_client,
                "rounds": spent.traffic.rounds,
                "seconds": spent.time.total.as_secs_f64(),
            })
        }
        Err(e) => serde_json::json!({ "session": number, "error": e.to_string() }),
    }
}

//! Two parties in one process with fixed seeds, for tests and benches only.
//!
//! The protocols are the real ones, setup included; there is no dealer. What makes it unfit for anything else is that
//! the seeds, hence all secrets, are known.

use crate::channel::memory_pair;
use crate::crypto::Rng;
use crate::phases::{Agreed, SetUp};
use crate::session::{Session, SessionId};
use picc_ir::correlation::Source;
use std::time::Duration;

/// How long a party waits for the other before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of a session without a handshake.
#[must_use]
pub fn test_id() -> SessionId {
    SessionId::of(&[], &[])
}

/// A connected client and server with the default source of correlated OTs.
#[must_use]
pub fn test_pair(seed: u64) -> (Session, Session) {
    test_pair_with(seed, Source::default())
}

/// A connected client and server after the setup over memory channels. Panics if the setup fails.
#[must_use]
#[track_caller]
pub fn test_pair_with(seed: u64, source: Source) -> (Session, Session) {
    let (client, server) = memory_pair(PATIENCE);
    let mut seeds = Rng::from_seed(seed);
    let (client_rng, server_rng) = (seeds.fork(), seeds.fork());
    let id = test_id();
    let (client, server) = in_threads(
        || Agreed::without_hellos(client, id, client_rng).set_up(source, &[]).map(SetUp::online),
        || Agreed::without_hellos(server, id, server_rng).set_up(source, &[]).map(SetUp::online),
    );
    match (client, server) {
        (Ok(client), Ok(server)) => (client, server),
        (Err(e), _) => panic!("setup of the client: {e}"),
        (_, Err(e)) => panic!("setup of the server: {e}"),
    }
}

/// A connected client and server whose correlated OTs come from a dealer.
#[cfg(test)]
pub(crate) fn ideal_pair(seed: u64) -> (Session, Session) {
    let (client, server) = memory_pair(PATIENCE);
    let mut seeds = Rng::from_seed(seed);
    let mut session = |mut channel: crate::channel::Channel| {
        let cots = crate::ot::ideal::Ideal::set_up(channel.party(), seed);
        let mut rng = seeds.fork();
        let keys = crate::protocol::linear_rlwe::RlweKeys::setup(&mut channel, &[], rng.lattice());
        SetUp::with(channel, rng, cots, keys.expect("nothing is sent")).online()
    };
    (session(client), session(server))
}

/// Sets up a pair and runs both parties, each in its own thread; returns what both return.
#[track_caller]
pub fn run_pair<A: Send, B: Send>(
    client: impl FnOnce(&mut Session) -> A + Send,
    server: impl FnOnce(&mut Session) -> B + Send,
) -> (A, B) {
    run_pair_with(0, Source::default(), client, server)
}

/// [`run_pair`] with a seed and a source of correlated OTs.
#[track_caller]
pub fn run_pair_with<A: Send, B: Send>(
    seed: u64,
    source: Source,
    client: impl FnOnce(&mut Session) -> A + Send,
    server: impl FnOnce(&mut Session) -> B + Send,
) -> (A, B) {
    let (mut c, mut s) = test_pair_with(seed, source);
    run_both(&mut c, &mut s, client, server)
}

/// Runs both parties of an existing pair, each in its own thread.
#[track_caller]
pub fn run_both<A: Send, B: Send>(
    c: &mut Session,
    s: &mut Session,
    client: impl FnOnce(&mut Session) -> A + Send,
    server: impl FnOnce(&mut Session) -> B + Send,
) -> (A, B) {
    in_threads(move || client(c), move || server(s))
}

/// Runs the client's part in this thread and the server's in another. A panic of either is this thread's panic.
fn in_threads<A, B: Send>(client: impl FnOnce() -> A, server: impl FnOnce() -> B + Send) -> (A, B) {
    std::thread::scope(|scope| {
        let server = scope.spawn(server);
        let a = client();
        match server.join() {
            Ok(b) => (a, b),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

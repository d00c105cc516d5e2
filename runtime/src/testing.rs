//! Two parties in one process with fixed seeds, for tests and benches only.
//!
//! The protocols are the real ones, setup included; there is no dealer. What makes it unfit for anything else is that
//! the seeds, hence all secrets, are known.

use crate::channel::memory_pair;
use crate::crypto::Rng;
use crate::session::{Session, SessionId, SetupParams};
use std::time::Duration;

/// How long a party waits for the other before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The name of a session without a handshake.
#[must_use]
pub fn test_id() -> SessionId {
    SessionId::of(&[], &[])
}

/// A connected client and server with the default parameters.
#[must_use]
pub fn test_pair(seed: u64) -> (Session, Session) {
    test_pair_with(seed, SetupParams::default())
}

/// A connected client and server after the setup over memory channels. Panics if the setup fails.
#[must_use]
#[track_caller]
pub fn test_pair_with(seed: u64, params: SetupParams) -> (Session, Session) {
    let (client, server) = memory_pair(PATIENCE);
    let mut seeds = Rng::from_seed(seed);
    let (client_rng, server_rng) = (seeds.fork(), seeds.fork());
    let id = test_id();
    let (client, server) = in_threads(
        || Session::setup(client, &id, &params, client_rng),
        || Session::setup(server, &id, &params, server_rng),
    );
    match (client, server) {
        (Ok(client), Ok(server)) => (client, server),
        (Err(e), _) => panic!("setup of the client: {e}"),
        (_, Err(e)) => panic!("setup of the server: {e}"),
    }
}

/// Sets up a pair and runs both parties, each in its own thread; returns what both return.
#[track_caller]
pub fn run_pair<A: Send, B: Send>(
    client: impl FnOnce(&mut Session) -> A + Send,
    server: impl FnOnce(&mut Session) -> B + Send,
) -> (A, B) {
    run_pair_with(0, SetupParams::default(), client, server)
}

/// [`run_pair`] with a seed and parameters.
#[track_caller]
pub fn run_pair_with<A: Send, B: Send>(
    seed: u64,
    params: SetupParams,
    client: impl FnOnce(&mut Session) -> A + Send,
    server: impl FnOnce(&mut Session) -> B + Send,
) -> (A, B) {
    let (mut c, mut s) = test_pair_with(seed, params);
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

//! A peer or a network that misbehaves: an error that says where, on both sides; no panic, no hang, no memory.

mod common;

use common::wire::{Fault, Log, Saboteur, Tap};
use common::{Both, Linear, Truncation, cnn, run_both, sample};
use picc_ir::Party;
use picc_ir::weights::{Salt, write_weights};
use picc_runtime::Error;
use picc_runtime::channel::{Channel, Network, memory_pair, memory_transports};
use picc_runtime::crypto::Rng;
use picc_runtime::error::Mismatch;
use picc_runtime::exec::{Executable, ServerModel};
use picc_runtime::report::peak_memory;
use std::time::{Duration, Instant};

/// A party gives up on a silent peer after this.
const PATIENCE: Duration = Duration::from_secs(2);

fn network(linear: Linear) -> (Executable, ServerModel) {
    let built = cnn(linear, Truncation::Faithful);
    let exe = Executable::new(built.program).unwrap();
    let model = ServerModel::new(&exe, built.weights).unwrap();
    (exe, model)
}

/// Frames that `party` sends in a session of one inference.
fn frames(exe: &Executable, model: &ServerModel, party: Party) -> usize {
    let log = Log::default();
    let (client, server) = memory_transports(&Network::UNSHAPED, PATIENCE);
    let tap = |inner, of| if of == party { Box::new(Tap { inner, log: log.clone() }) as _ } else { inner };
    let channels = (
        Channel::new(Party::Client, tap(client, Party::Client)),
        Channel::new(Party::Server, tap(server, Party::Server)),
    );
    let (client, server) = run_both(exe, model, &[sample(exe.program(), 1)], channels);
    client.unwrap();
    server.unwrap();
    std::mem::take(&mut *log.lock().unwrap()).len()
}

fn sabotaged(exe: &Executable, model: &ServerModel, party: Party, at: usize, fault: Fault) -> Both {
    let (client, server) = memory_transports(&Network::UNSHAPED, PATIENCE);
    let rng = Rng::from_seed(at as u64);
    let harm = |inner, of, rng| {
        if of == party { Box::new(Saboteur { inner: Some(inner), at, fault, rng, sent: 0 }) as _ } else { inner }
    };
    let mut seeds = rng;
    let channels = (
        Channel::new(Party::Client, harm(client, Party::Client, seeds.fork())),
        Channel::new(Party::Server, harm(server, Party::Server, seeds.fork())),
    );
    run_both(exe, model, &[sample(exe.program(), 1)], channels)
}

/// Errors say where they happened, and are the peer's or the connection's.
fn is_located(error: &Error) -> bool {
    let located = matches!(error, Error::At { .. } | Error::Handshake(_));
    located && matches!(error.cause(), Error::Peer(_) | Error::Connection(_) | Error::Handshake(_))
}

#[test]
fn damaged_frames_are_errors_on_both_sides() {
    for linear in [Linear::Ot(Party::Server), Linear::Rlwe] {
        let (exe, model) = network(linear);
        let mut rng = Rng::from_seed(11);
        for party in [Party::Client, Party::Server] {
            let count = frames(&exe, &model, party);
            // Every frame but the client's farewell, after which it waits for nothing.
            let last = if party == Party::Client { count - 1 } else { count };
            let faults = [
                Fault::Length(u32::MAX),
                Fault::Length(0),
                Fault::Length(1 << 29),
                Fault::Kind,
                Fault::Truncated,
                Fault::Oversized,
                Fault::Closed,
                Fault::Payload,
                Fault::Flight,
            ];
            for (i, fault) in faults.into_iter().cycle().take(27).enumerate() {
                // The first frames are the handshake and the base OTs.
                let at = if i < 9 { i % 5 } else { rng.next_u64() as usize % last };
                let (client, server) = sabotaged(&exe, &model, party, at, fault);
                let what = format!("{linear:?}: frame {at} of the {party}: {fault:?}");
                if fault.is_noticed() && !(fault == Fault::Truncated && at + 1 == last) {
                    assert!(client.is_err() && server.is_err(), "{what}: {:?} {:?}", client.err(), server.err());
                }
                for error in [client.err(), server.err()].into_iter().flatten() {
                    assert!(is_located(&error), "{what}: {error}");
                }
            }
        }
    }
    // A header that claims 4 GiB must not allocate them.
    assert!(peak_memory().is_none_or(|bytes| bytes < 1 << 30), "{:?} bytes", peak_memory());
}

#[test]
fn a_peer_that_falls_silent_is_a_timeout() {
    let (exe, model) = network(Linear::Ot(Party::Server));
    for (party, at) in [(Party::Client, 0), (Party::Client, 2), (Party::Server, 5), (Party::Server, 30)] {
        let start = Instant::now();
        let (client, server) = sabotaged(&exe, &model, party, at, Fault::Late);
        assert!(start.elapsed() < 3 * PATIENCE);
        for error in [client.err().unwrap(), server.err().unwrap()] {
            assert!(is_located(&error) && matches!(error.cause(), Error::Connection(_)), "{error}");
        }
    }
}

#[test]
fn parties_with_different_programs_learn_so_and_nothing_else() {
    let (exe, model) = network(Linear::Ot(Party::Server));
    let (other, _) = network(Linear::Ot(Party::Client));
    let (client, server) = memory_pair(PATIENCE);
    std::thread::scope(|scope| {
        let server = scope.spawn(|| picc_runtime::exec::run_server(&exe, &model, server).map(|_| ()).unwrap_err());
        let samples = [sample(other.program(), 1)];
        let client = picc_runtime::exec::run_client(&other, &samples, client).map(|_| ()).unwrap_err();
        for error in [client, server.join().unwrap()] {
            assert!(matches!(&error, Error::Handshake(Mismatch::Program { .. })), "{error}");
        }
    });
}

#[test]
fn a_program_that_leaks_is_refused_at_load() {
    let mut built = cnn(Linear::Ot(Party::Server), Truncation::Faithful);
    // The server's bias, declared as an output.
    let bias = built.program.graph.iter().find(|(_, n)| n.name == "bias").unwrap().0;
    built.program.graph.outputs.push(("bias".into(), bias));
    built.program.error_ulps.push(0);
    let refused = Executable::load(&built.program.to_bytes()).err().unwrap();
    assert!(refused.to_string().contains("not revealed to the client"), "{refused}");
}

#[test]
fn weights_of_another_program_are_refused() {
    let (exe, _) = network(Linear::Rlwe);
    let other = cnn(Linear::Ot(Party::Server), Truncation::Faithful);
    let file = write_weights(&other.weights, other.program.digest(), &Salt([9; 32]));
    assert!(matches!(ServerModel::load(&exe, &file, 0), Err(Error::Program(_))));
}

//! What a party receives is uniform, whatever the other party's secrets are.
//!
//! Each frame of many inferences is compared bit by bit: with secrets held fixed, a bit that depends on them would be
//! biased. Sizes are multiples of eight, so that no message ends in padding.

mod common;

use common::wire::{Log, Tap};
use common::{Builder, Built, Linear, Truncation, run_both};
use picc_ir::mpc::ReluRescaleOt;
use picc_ir::{Party, Tensor};
use picc_runtime::channel::{Channel, Network, memory_transports};
use picc_runtime::exec::{Executable, ServerModel};
use picc_runtime::inputs::Sample;
use std::time::Duration;

/// Inferences for each secret: a bit is one in `RUNS / 2 +- 4.5 sqrt(RUNS)` of them, but for one bit in 10^18.
const RUNS: usize = 128;
const KIND_CONTROL: u8 = 10;

fn network(linear: Linear) -> Built {
    let mut b = Builder::new(linear, Truncation::Faithful);
    let x = b.input("x", &[8, 8]);
    let x = b.matmul(x, 8, "dense");
    let x = b.rescale(x, 4, 1 << 16, "rescale");
    let y = b.relu(x, "relu");
    b.output(y, "y");
    let z = b.add(ReluRescaleOt { shift: 4, ring_bits: 36, radix: 5 }, &[x], "relu rescaled");
    b.output(z, "z");
    b.build()
}

/// The payloads that each party sends in each inference.
fn transcripts(built: &Built, input: f32) -> [Vec<Vec<u8>>; 2] {
    let exe = Executable::new(built.program.clone()).unwrap();
    let model = ServerModel::new(&exe, built.weights.clone()).unwrap();
    let sample = Sample::from([("x".to_owned(), Tensor::full(&[8, 8], input))]);
    let record = |inferences: usize| {
        let logs = [Log::default(), Log::default()];
        let (client, server) = memory_transports(&Network::UNSHAPED, Duration::from_secs(60));
        let tap = |inner, log: &Log| Box::new(Tap { inner, log: log.clone() });
        let channels = (
            Channel::new(Party::Client, tap(client, &logs[0])),
            Channel::new(Party::Server, tap(server, &logs[1])),
        );
        let (client, server) = run_both(&exe, &model, &vec![sample.clone(); inferences], channels);
        client.unwrap();
        server.unwrap();
        logs.map(|log| log.lock().unwrap().clone())
    };
    let setup = record(0).map(|frames| frames.len());
    let frames = record(RUNS);
    [0, 1].map(|party| {
        // The farewell is counted in the setup of the client.
        let end = frames[party].len() - usize::from(party == 0);
        let start = setup[party] - usize::from(party == 0);
        let frames = &frames[party][start..end];
        assert!(!frames.is_empty() && frames.len().is_multiple_of(RUNS));
        frames
            .chunks(frames.len() / RUNS)
            .map(|inference| {
                let said = inference.iter().filter(|f| f[4] != KIND_CONTROL);
                said.flat_map(|f| f[8..].iter().copied()).collect()
            })
            .collect()
    })
}

/// Every bit is balanced over the runs, every byte value over everything.
fn assert_uniform(runs: &[Vec<u8>], what: &str) {
    let bits = runs[0].len() * 8;
    let mut ones = vec![0u32; bits];
    let mut bytes = [0u64; 256];
    for run in runs {
        for (i, byte) in run.iter().enumerate() {
            bytes[usize::from(*byte)] += 1;
            (0..8).for_each(|b| ones[8 * i + b] += u32::from(byte >> b & 1));
        }
    }
    let limit = (4.5 * (RUNS as f64).sqrt()) as u32;
    for (i, &n) in ones.iter().enumerate() {
        let off = n.abs_diff(RUNS as u32 / 2);
        assert!(off <= limit, "{what}: bit {i} of {bits} is one in {n} of {RUNS} runs");
    }
    let expected = runs.iter().map(Vec::len).sum::<usize>() as f64 / 256.0;
    let chi: f64 = bytes.iter().map(|&n| (n as f64 - expected).powi(2) / expected).sum();
    // 255 degrees of freedom: 255 on average, deviation 22.6.
    assert!(chi < 255.0 + 7.0 * 22.6, "{what}: chi-square of the bytes is {chi}");
}

#[test]
fn the_server_sees_the_same_distribution_for_every_input() {
    for linear in [Linear::Ot(Party::Server), Linear::Ot(Party::Client), Linear::Rlwe] {
        let built = network(linear);
        for input in [0.0, -2.0, 1.99] {
            let [client, _] = transcripts(&built, input);
            assert_uniform(&client, &format!("{linear:?}, input {input}, from the client"));
        }
    }
}

#[test]
fn the_client_sees_the_same_distribution_for_all_weights() {
    for linear in [Linear::Ot(Party::Server), Linear::Ot(Party::Client), Linear::Rlwe] {
        for weight in [0, 31, -31] {
            let mut built = network(linear);
            built.weights.values_mut().for_each(|t| t.data.fill(weight));
            let [_, server] = transcripts(&built, 1.0);
            assert_uniform(&server, &format!("{linear:?}, weights {weight}, from the server"));
        }
    }
}

//! Whole programs over memory and TCP: equal to the reference, at the predicted cost.

mod common;

use common::{Built, Linear, Truncation, cnn, long, reference, run_both, sample, zoo};
use picc_ir::Party;
use picc_ir::eval::Value;
use picc_runtime::channel::{Channel, Network, memory_pair, tcp};
use picc_runtime::exec::{Executable, ServerModel};
use std::net::TcpListener;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

fn load(built: Built) -> (Executable, ServerModel) {
    // Through the artefact, as the two parties get it.
    let exe = Executable::load(&built.program.to_bytes()).unwrap();
    let model = ServerModel::new(&exe, built.weights).unwrap();
    (exe, model)
}

fn tcp_pair() -> (Channel, Channel) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = tcp::connect(address, &Network::UNSHAPED, Duration::ZERO, PATIENCE).unwrap();
    (client, tcp::accept(&listener, &Network::UNSHAPED, PATIENCE).unwrap())
}

/// Runs `inferences` samples and checks traffic on both sides and the outputs: bit for bit if `ulps` is 0.
fn check(built: Built, inferences: u64, channels: (Channel, Channel), ulps: u64) {
    let (exe, model) = load(built);
    let samples: Vec<_> = (0..inferences).map(|i| sample(exe.program(), i)).collect();
    let (client, server) = run_both(&exe, &model, &samples, channels);
    let ((outputs, client), server) = (client.unwrap(), server.unwrap());
    for record in [&client, &server] {
        let party = record.party;
        assert_eq!(record.inferences, inferences);
        assert_eq!(record.setup.traffic, exe.cost().setup, "{party} setup");
        for (i, (spent, predicted)) in record.nodes.iter().zip(&exe.cost().nodes).enumerate() {
            let node = exe.describe(picc_ir::Id(i as u32));
            let measured = spent.traffic;
            assert_eq!(measured.client_to_server, predicted.client_to_server * inferences, "{party} {node}");
            assert_eq!(measured.server_to_client, predicted.server_to_client * inferences, "{party} {node}");
            assert_eq!(measured.rounds, predicted.rounds * inferences, "{party} {node}");
        }
        assert!(record.is_as_predicted(exe.cost()), "{party}: {:?}", record.total().traffic);
    }
    for (sample, inference) in samples.iter().zip(&outputs) {
        let outputs = &inference.outputs;
        let expected = reference(&exe, model.weights(), sample);
        assert_eq!(expected.len(), outputs.len());
        for ((name, want), (_, got)) in expected.iter().zip(outputs) {
            match (want, got) {
                (Value::Ring(want), Value::Ring(got)) => {
                    let worst = want.data.iter().zip(&got.data).map(|(a, b)| a.abs_diff(*b)).max();
                    assert!(worst <= Some(ulps), "{name}: {worst:?} ulps");
                }
                (Value::Real(want), Value::Real(got)) if ulps == 0 => assert_eq!(want, got, "{name}"),
                (Value::Real(want), Value::Real(got)) => {
                    let worst = want.data.iter().zip(&got.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(worst <= ulps as f32 / 256.0, "{name}: {worst}");
                }
                _ => panic!("{name}: another kind of value"),
            }
        }
    }
}

#[test]
fn a_network_with_ot_layers_equals_the_reference() {
    for receiver in [Party::Client, Party::Server] {
        check(cnn(Linear::Ot(receiver), Truncation::Faithful), 1, memory_pair(PATIENCE), 0);
    }
}

#[test]
fn a_network_with_rlwe_layers_equals_the_reference() {
    check(cnn(Linear::Rlwe, Truncation::Faithful), 2, memory_pair(PATIENCE), 0);
}

#[test]
fn every_other_protocol_equals_the_reference() {
    for linear in [Linear::Ot(Party::Client), Linear::Ot(Party::Server), Linear::Rlwe] {
        check(zoo(linear), 1, memory_pair(PATIENCE), 0);
    }
}

#[test]
fn a_node_in_several_parts_equals_the_reference() {
    let built = long((1 << 18) + 1000);
    let exe = Executable::new(built.program.clone()).unwrap();
    assert!(exe.steps().len() > exe.graph().nodes.len());
    check(built, 1, memory_pair(PATIENCE), 0);
}

#[test]
fn local_truncation_stays_within_the_bound() {
    // One ulp after the convolution reaches a logit through 48 weights of up to 31 / 16, then one more.
    check(cnn(Linear::Ot(Party::Server), Truncation::Local), 2, memory_pair(PATIENCE), 95);
    // The coin of a masked layer is far below an ulp of what is truncated after it.
    check(cnn(Linear::Rlwe, Truncation::Local), 2, memory_pair(PATIENCE), 95);
}

#[test]
fn several_inferences_share_a_session_over_tcp() {
    check(cnn(Linear::Ot(Party::Server), Truncation::Faithful), 3, tcp_pair(), 0);
}

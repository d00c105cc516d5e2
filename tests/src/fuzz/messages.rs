//! Messages of single protocols, with any content in the lengths that the program fixes: what `wire` reaches only
//! through a whole session, thousands of times as often.
//!
//! ```text
//!   once:      client ⇄ server: setup, then the protocol       kind and length of every message that a party hears
//!   each time: one party, its peer's messages filled with the input's bytes
//! ```

use super::wire::{Log, Script, Tap, is_bug};
use picc_ir::geom::{ConvGeom, MatMulGeom};
use picc_ir::mpc::cost;
use picc_ir::mpc::rlwe::{ConvPlan, Hiding, LinearPlan, MatMulPlan, ParamSet, SEED_BYTES, WeightLayout};
use picc_ir::{Party, cost::Cost};
use picc_runtime::Result;
use picc_runtime::channel::{Channel, Network, memory_transports};
use picc_runtime::crypto::rlwe::Csprng;
use picc_runtime::error::Fault;
use picc_runtime::protocol::linear_rlwe::{PreparedLinear, RlweClient, RlweServer, linear_client, linear_server};
use picc_runtime::protocol::{argmax, mul, relu, relu_rescale, trunc_faithful};
use picc_runtime::session::Session;
use picc_runtime::testing::{run_both, test_pair};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

const RING: u8 = 20;
const COUNT: usize = 9;

/// Protocols over a session with correlated OTs; each as often as there are entries.
type Protocol = (fn() -> Cost, fn(&mut Session, &[u64]) -> Result<Vec<u64>>);

const PROTOCOLS: [Protocol; 5] = [
    (|| cost::relu(COUNT as u64, RING, 4), |s, x| relu(s, x, RING, 4)),
    (|| cost::mul(COUNT as u64, RING), |s, x| mul(s, x, x, RING)),
    (|| cost::relu_rescale(COUNT as u64, RING, 5, RING, 3), |s, x| relu_rescale(s, x, RING, 5, RING, 3)),
    (|| cost::trunc_faithful(COUNT as u64, RING, 6, 4), |s, x| trunc_faithful(s, x, RING, 6, 4)),
    (|| cost::argmax(3, 3, RING, 2, 2), |s, x| argmax(s, x, 3, RING, 2, false, 2)),
];

/// Messages of ring LWE: public key and request at the server, response at the client.
const LAYERS: usize = 2;

/// Parties of one protocol and what each hears in it: header bytes of every message.
struct Prepared {
    sessions: [Mutex<Session>; 2],
    heard: [Vec<Vec<u8>>; 2],
}

fn share() -> Vec<u64> {
    (0..COUNT as u64).map(|i| (i * 0x9_e377) & ((1 << RING) - 1)).collect()
}

fn work(session: &mut Session, (cost, protocol): Protocol) -> Result<Vec<u64>> {
    session.reserve(cost().cots)?;
    protocol(session, &share())
}

/// What a protocol that failed did not use.
fn forget(session: &mut Session) {
    for (width, n) in session.cot_sender.available().by_width() {
        session.cot_sender.take_wide(width, n as usize).expect("as many as there are");
    }
    for (width, n) in session.cot_receiver.available().by_width() {
        session.cot_receiver.take_wide(width, n as usize).expect("as many as there are");
    }
}

fn prepared(which: usize) -> &'static Prepared {
    static ALL: [OnceLock<Prepared>; PROTOCOLS.len()] = [const { OnceLock::new() }; PROTOCOLS.len()];
    ALL[which].get_or_init(|| {
        let (mut client, mut server) = test_pair(which as u64);
        let logs = [Log::default(), Log::default()];
        let (c, s) = memory_transports(&Network::UNSHAPED, Duration::from_secs(60));
        client.channel = Channel::new(Party::Client, Box::new(Tap { inner: c, log: logs[0].clone() }));
        server.channel = Channel::new(Party::Server, Box::new(Tap { inner: s, log: logs[1].clone() }));
        let protocol = PROTOCOLS[which];
        let (a, b) = run_both(&mut client, &mut server, |s| work(s, protocol), |s| work(s, protocol));
        assert!(a.is_ok() && b.is_ok(), "the parties are honest");
        let [said_c, said_s] = logs.map(|log| std::mem::take(&mut *log.lock().expect("a log")));
        Prepared { sessions: [client, server].map(Mutex::new), heard: [said_s, said_c] }
    })
}

/// The peer's messages with other content: `bytes` from offset `at` of all payloads on, zeros elsewhere; or `bytes`
/// again and again.
fn filled(frames: &[Vec<u8>], at: usize, bytes: &[u8], cyclic: bool) -> Vec<u8> {
    let total: usize = frames.iter().map(|f| f.len() - 8).sum();
    let at = at % total.max(1);
    let byte = |i: usize| match bytes {
        [] => 0,
        _ if cyclic => bytes[i % bytes.len()],
        _ => i.checked_sub(at).and_then(|i| bytes.get(i)).copied().unwrap_or(0),
    };
    let mut position = 0..;
    let mut stream = Vec::with_capacity(total + 8 * frames.len());
    for frame in frames {
        stream.extend_from_slice(&frame[..8]);
        stream.extend(position.by_ref().take(frame.len() - 8).map(byte));
    }
    stream
}

/// Frames of these lengths, for [`filled`].
fn frames(kind: u8, lengths: impl Iterator<Item = u64>) -> Vec<Vec<u8>> {
    let frame = |len: u64| {
        let mut frame = vec![0; len as usize + 8];
        frame[..4].copy_from_slice(&(len as u32).to_le_bytes());
        frame[4..6].copy_from_slice(&[kind, 1]);
        frame
    };
    lengths.map(frame).collect()
}

/// A small layer of each kind, with the server's weights and the client's key.
struct Layer {
    plan: LinearPlan,
    weights: PreparedLinear,
    client: RlweClient,
    server: RlweServer,
    share: Vec<u64>,
}

fn csprng() -> Csprng {
    Csprng::from_seed([5; 32])
}

fn layer(which: usize) -> &'static Layer {
    static ALL: [OnceLock<Layer>; LAYERS] = [const { OnceLock::new() }; LAYERS];
    ALL[which].get_or_init(|| {
        let stride = [1, 1];
        let geom = ConvGeom {
            n: 1,
            c_in: 2,
            h: 5,
            w: 5,
            c_out: 3,
            kh: 3,
            kw: 3,
            stride,
            pads: [1; 4],
            dilation: stride,
            groups: 1,
        };
        let product = MatMulGeom { batch: 1, rows: 1, inner: 12, cols: 5 };
        let plan = match which {
            0 => ConvPlan::new(geom, 30, 8, Hiding::FullRange).map(|p| p.linear),
            _ => MatMulPlan::new(product, WeightLayout::InnerCols, 41, 10, Hiding::Flood).map(|p| p.linear),
        };
        let plan = plan.expect("a small layer");
        let [inputs, weights, _] = plan.layer.lens();
        let weights: Vec<i64> = (0..weights as i64).map(|i| i * 37 % 19 - 9).collect();
        let weights = PreparedLinear::new(plan.clone(), &weights, u64::MAX).expect("its weights");
        let (c, s) = memory_transports(&Network::UNSHAPED, Duration::from_secs(60));
        let (mut c, mut s) = (Channel::new(Party::Client, c), Channel::new(Party::Server, s));
        let client = RlweClient::setup(&mut c, &[plan.budget.set], &mut csprng()).expect("a key");
        let server = RlweServer::setup(&mut s, &[plan.budget.set]).expect("its public half");
        Layer { plan, weights, client, server, share: vec![3; inputs] }
    })
}

fn key_frames(set: &ParamSet) -> Vec<Vec<u8>> {
    let bytes = picc_ir::mpc::rlwe::setup_traffic(set).client_to_server - picc_ir::cost::HEADER_BYTES;
    frames(8, std::iter::once(bytes))
}

fn rlwe(which: usize, at: usize, bytes: &[u8], cyclic: bool) -> Result<()> {
    let layer = layer(which / 3);
    let heard =
        |party: Party, frames: Vec<Vec<u8>>| Channel::new(party, Script::new(filled(&frames, at, bytes, cyclic)));
    match which % 3 {
        0 => {
            let mut channel = heard(Party::Server, key_frames(layer.plan.budget.set));
            RlweServer::setup(&mut channel, &[layer.plan.budget.set]).map(|_| ())
        }
        1 => {
            let mut channel = heard(Party::Server, frames(7, layer.plan.requests.iter().map(|s| s.bytes)));
            linear_server(&mut channel, &layer.server, &layer.weights, &layer.share, &mut csprng()).map(|_| ())
        }
        _ => {
            let mut channel = heard(Party::Client, frames(7, layer.plan.responses.iter().map(|s| s.bytes)));
            linear_client(&mut channel, &layer.client, &layer.plan, &layer.share, &mut csprng()).map(|_| ())
        }
    }
}

/// Messages of every form. Zeros are accepted by each but for public keys, which must hold something behind their seed.
#[must_use]
pub fn message_seeds() -> Vec<Vec<u8>> {
    let protocols = 2 * PROTOCOLS.len();
    let forms = (0..protocols + 3 * LAYERS)
        .map(|form| (form as u8, form >= protocols && (form - protocols).is_multiple_of(3)));
    forms
        .flat_map(|(form, is_key)| {
            let content = if is_key { vec![1; 2 * SEED_BYTES as usize] } else { vec![0] };
            [[form, 0, 0], [form, 9, 0], [form | 0x80, 0, 0]].map(|head| [&head[..], &content].concat())
        })
        .collect()
}

/// Byte 0: protocol and party; its top bit: cyclic. Bytes 1 and 2: offset. Then what the peer's messages hold.
///
/// # Panics
/// If the party under test blames itself for what the peer sent.
pub fn message(data: &[u8]) -> bool {
    let &[form, a0, a1, ref bytes @ ..] = data else { return false };
    let (at, cyclic) = (usize::from(u16::from_le_bytes([a0, a1])), form & 0x80 != 0);
    let form = usize::from(form & 0x7f) % (2 * PROTOCOLS.len() + 3 * LAYERS);
    let result = match form.checked_sub(2 * PROTOCOLS.len()) {
        Some(which) => rlwe(which, at, bytes, cyclic),
        None => {
            let (prepared, party) = (prepared(form / 2), form % 2);
            let mut session = prepared.sessions[party].lock().expect("a session");
            let stream = filled(&prepared.heard[party], at, bytes, cyclic);
            session.channel =
                Channel::new(if party == 0 { Party::Client } else { Party::Server }, Script::new(stream));
            let result = work(&mut session, PROTOCOLS[form / 2]).map(|_| ());
            forget(&mut session);
            result
        }
    };
    if let Err(error) = &result {
        assert!(!is_bug(error) && error.fault() != Fault::Connection, "{error}");
    }
    result.is_ok()
}

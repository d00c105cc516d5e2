//! The test vectors of `docs/security/wire.md`: what the page says is what these sessions send.

use crate::bits::BitVec;
use crate::channel::{Channel, Kind, Network, Transport, memory_transports};
use crate::crypto::block::blocks_to_bytes;
use crate::crypto::hash::Tiles;
use crate::crypto::{Block, CrHash, Rng};
use crate::handshake::Agreement;
use crate::phases::Connected;
use crate::protocol::{pack, relu};
use crate::session::Session;
use crate::testing::run_both;
use picc_ir::Party;
use picc_ir::correlation::Source;
use picc_ir::cost::{HELLO_BYTES, Traffic};
use picc_ir::mpc::cost;
use picc_ir::mpc::rlwe::{PARAM_SETS, ParamSet, setup_traffic};
use picc_ir::weights::Commitment;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Log = Arc<Mutex<Vec<Vec<u8>>>>;

/// Keeps a copy of every frame that its party sends.
struct Tap {
    inner: Box<dyn Transport>,
    log: Log,
}

impl Transport for Tap {
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.log.lock().unwrap().push(frame.clone());
        self.inner.write(frame)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.inner.read_exact(buf)
    }
}

/// The channels of both parties, and what each of them sends.
fn tapped() -> [(Channel, Log); 2] {
    let (client, server) = memory_transports(&Network::UNSHAPED, Duration::from_secs(60));
    [(Party::Client, client), (Party::Server, server)].map(|(party, inner)| {
        let log = Log::default();
        (Channel::new(party, Box::new(Tap { inner, log: Arc::clone(&log) })), log)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The page has these lines, `name: value`.
#[track_caller]
fn assert_on_page(lines: &[(String, String)]) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security/wire.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines = lines.iter().map(|(name, value)| format!("    {name}: {value}"));
    let missing: Vec<String> = lines.filter(|line| !page.lines().any(|l| l == line)).collect();
    assert!(missing.is_empty(), "docs/security/wire.md must have the lines\n{}", missing.join("\n"));
}

/// One line for each frame: kind, flight, bytes of payload, start of its BLAKE3.
fn frames(name: &str, log: &Log) -> Vec<(String, String)> {
    let line = |(i, frame): (usize, &Vec<u8>)| {
        let word = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]);
        let digest = hex(&blake3::hash(&frame[8..]).as_bytes()[..8]);
        let line = format!("kind {} flight {} bytes {} blake3 {digest}", word & 0xff, word >> 8, frame.len() - 8);
        (format!("{name} {i}"), line)
    };
    log.lock().unwrap().iter().enumerate().map(line).collect()
}

#[test]
fn encodings_are_those_of_the_page() {
    let [(mut client, log), _server] = tapped();
    client.send(Kind::Open, &[0xaa, 0xbb, 0xcc]).unwrap();
    let frame = hex(&log.lock().unwrap()[0]);
    let packed = hex(&pack(&[1, 2, 3, 4, 5, 0x1ffff], 17));
    let bits: BitVec = (0..11).map(|i| i % 3 == 0).collect();
    let blocks = blocks_to_bytes(&[Block(1), Block(1 << 127)]);

    let mut hashed = [Block(5), Block(6)];
    CrHash::new(Block(3)).hash_blocks(Tiles::new(Party::Server, 5, 7), &mut hashed);
    let hashed = hex(&blocks_to_bytes(&hashed));
    let lines = [("frame", frame), ("pack", packed), ("bits", hex(&bits.to_bytes())), ("blocks", hex(&blocks))];
    let lines = lines.into_iter().chain([("hash", hashed)]);
    assert_on_page(&lines.map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>());
}

/// A handshake, a setup and the ReLU of eight values: every frame of both parties.
#[test]
fn a_session_sends_the_frames_of_the_page() {
    let [(client, client_log), (server, server_log)] = tapped();
    let agreement = Agreement {
        program: std::array::from_fn(|i| i as u8),
        parameters: format!("{}; rlwe none", Source::default()),
        binding: None,
        weights: Some(Commitment::from_bytes([0xcc; 32])),
    };
    let open = |channel: Channel, seed| {
        let agreed = Connected::new(channel, Rng::from_seed(seed)).agree(&agreement).unwrap();
        let id = *agreed.id();
        (agreed.set_up(Source::default(), &[]).unwrap().online(), id)
    };
    let ((mut client, id), (mut server, _)) = std::thread::scope(|scope| {
        let server = scope.spawn(|| open(server, 2));
        (open(client, 1), server.join().unwrap())
    });
    let demand = cost::relu(8, 12, 4).cots;
    let run = |s: &mut Session| {
        s.channel.start_node();
        s.reserve(demand).unwrap();
        s.channel.start_node();
        let share: Vec<u64> = (0..8).map(|i| if s.party() == Party::Client { 100 * i } else { 4000 }).collect();
        relu(s, &share, 12, 4).unwrap()
    };
    let (a, b) = run_both(&mut client, &mut server, run, run);
    let sums: Vec<u64> = a.iter().zip(&b).map(|(a, b)| (a + b) & 0xfff).collect();
    assert_eq!(sums, [0, 4, 104, 204, 304, 404, 504, 604], "relu of -96 + 100 i");

    // The text ends at byte 161; zeros follow.
    let hello = hex(&client_log.lock().unwrap()[0][8..8 + 161]);
    let mut lines = vec![("hello".to_owned(), hello), ("session".to_owned(), hex(id.as_bytes()))];
    lines.extend(frames("client", &client_log));
    lines.extend(frames("server", &server_log));
    assert_on_page(&lines);
}

/// The seed of a party's generator decides every byte that it sends, those of ring LWE among them, at the price of a
/// setup.
#[test]
fn a_party_has_one_generator() {
    let agreement = Agreement { program: [1; 32], parameters: String::new(), binding: None, weights: None };
    let sets: Vec<&ParamSet> = PARAM_SETS.iter().collect();
    let frames = |seeds: [u64; 2]| {
        let [(client, client_log), (server, server_log)] = tapped();
        let open = |channel: Channel, seed| {
            let agreed = Connected::new(channel, Rng::from_seed(seed)).agree(&agreement).unwrap();
            let session = agreed.set_up(Source::default(), &sets).unwrap().online();
            session.channel.meter().total()
        };
        let spent = std::thread::scope(|scope| {
            let server = scope.spawn(|| open(server, seeds[1]));
            [open(client, seeds[0]), server.join().unwrap()]
        });
        let keys = sets.iter().map(|set| setup_traffic(set)).fold(Traffic::default(), Traffic::alongside);
        let hellos = Traffic::exchange(HELLO_BYTES, HELLO_BYTES);
        assert_eq!(spent, [hellos + Source::default().setup_traffic() + keys; 2]);
        [client_log, server_log].map(|log| std::mem::take(&mut *log.lock().unwrap()))
    };
    let [first, again, other] = [[1, 2], [1, 2], [3, 2]].map(frames);
    assert!(first == again);
    let differ = |kind: Kind| {
        let of = |frames: &[Vec<u8>]| -> Vec<Vec<u8>> {
            frames.iter().filter(|f| f[4] == kind as u8).map(|f| f[8..].to_vec()).collect()
        };
        let (a, b) = (of(&first[0]), of(&other[0]));
        assert!(!a.is_empty() && a.iter().zip(&b).all(|(a, b)| a != b), "{kind:?}");
    };
    [Kind::Handshake, Kind::BaseOt, Kind::PublicKey].into_iter().for_each(differ);
}

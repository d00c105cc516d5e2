//! Runs protocols between two parties and holds them to their price.

use super::low_mask;
use crate::channel::{Channel, Transport};
use crate::crypto::Rng;
use crate::error::Result;
use crate::phases::Agreed;
use crate::session::Session;
use crate::testing::{run_both, test_id, test_pair};
use picc_ir::correlation::Source;
use picc_ir::{Party, cost::Cost};
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

pub(super) const RINGS: [u8; 8] = [8, 12, 17, 25, 32, 37, 60, 64];
pub(super) const SIZES: [usize; 4] = [1, 7, 64, 1000];
pub(super) const RADICES: [u8; 5] = [1, 2, 3, 4, 5];

pub(super) struct Pair {
    client: Session,
    server: Session,
    pub(super) rng: Rng,
}

impl Pair {
    pub(super) fn new(seed: u64) -> Pair {
        let (client, server) = test_pair(seed);
        Pair { client, server, rng: Rng::from_seed(!seed) }
    }

    /// Runs `protocol` at both parties, as one node with exactly the COTs of `cost`, and compares what it consumed and
    /// what went over the wire with `cost`. Results: the client's, the server's.
    #[track_caller]
    pub(super) fn run<R: Send>(
        &mut self,
        cost: Cost,
        protocol: impl Fn(&mut Session) -> Result<R> + Sync,
    ) -> [R; 2] {
        let work = |s: &mut Session| {
            s.reserve(cost.cots).unwrap();
            s.channel.start_node();
            let result = protocol(s).unwrap();
            assert_eq!(s.channel.meter().node(), cost.online, "{} meters something else", s.party());
            let left = (s.cot_sender.available(), s.cot_receiver.available());
            assert_eq!(left, Default::default(), "COTs are left");
            result
        };
        let (client, server) = run_both(&mut self.client, &mut self.server, work, work);
        [client, server]
    }

    /// Fresh shares of `x`, by party.
    pub(super) fn share(&mut self, x: &[u64], ring: u8) -> [Vec<u64>; 2] {
        let mask = low_mask(ring.into());
        let client: Vec<u64> = self.rng.words(x.len()).iter().map(|r| r & mask).collect();
        let server = x.iter().zip(&client).map(|(x, c)| x.wrapping_sub(*c) & mask).collect();
        [client, server]
    }

    /// `n` values of the ring: the limits, 0, 1, -1, then random ones.
    pub(super) fn samples(&mut self, n: usize, ring: u8) -> Vec<u64> {
        self.samples_below(n, ring, ring)
    }

    /// `n` signed values of at most `bits` bits as elements of the ring.
    pub(super) fn samples_below(&mut self, n: usize, bits: u8, ring: u8) -> Vec<u64> {
        let half = 1u64 << (bits - 1);
        let edges = [half.wrapping_neg(), half - 1, 0, 1, u64::MAX, half.wrapping_neg().wrapping_add(1), half / 2];
        let random = self.rng.words(n);
        let signed = |r: u64| super::signed(r, bits).cast_unsigned();
        (0..n)
            .map(|i| edges.get(i).map_or_else(|| signed(random[i]), |e| signed(*e)) & low_mask(ring.into()))
            .collect()
    }
}

#[track_caller]
pub(super) fn open(shares: &[Vec<u64>; 2], ring: u8) -> Vec<u64> {
    let [a, b] = shares;
    assert_eq!(a.len(), b.len());
    let mask = low_mask(ring.into());
    assert!(a.iter().chain(b).all(|v| v & !mask == 0), "a share exceeds its ring");
    a.iter().zip(b).map(|(a, b)| a.wrapping_add(*b) & mask).collect()
}

/// The bits of `n` values are as often 1 as 0, each of them.
#[track_caller]
pub(super) fn assert_balanced(values: &[u64], bits: u8, what: &str) {
    for bit in 0..bits {
        let ones = values.iter().filter(|v| *v >> bit & 1 == 1).count();
        assert_near_half(ones, values.len(), &format!("bit {bit} of {what}"));
    }
}

/// Within six standard deviations: a false alarm once in 10^9 checks.
#[track_caller]
fn assert_near_half(ones: usize, of: usize, what: &str) {
    let deviation = (ones as f64 - of as f64 / 2.0).abs();
    assert!(deviation <= 3.0 * (of as f64).sqrt(), "{what}: {ones} ones of {of}");
}

/// Runs `protocol` and returns the payloads that went over the wire, without those of the reservation.
pub(super) fn record<R: Send>(
    cost: Cost,
    protocol: impl Fn(&mut Session) -> Result<R> + Sync,
) -> ([R; 2], Vec<Vec<u8>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (to_server, from_client) = channel();
    let (to_client, from_server) = channel();
    let end = |tx, rx| Box::new(Tap { tx, rx, frame: Vec::new(), log: Arc::clone(&log) });
    let client = Channel::new(Party::Client, end(to_server, from_server));
    let server = Channel::new(Party::Server, end(to_client, from_client));
    let setup = |channel, seed| {
        let agreed = Agreed::without_hellos(channel, test_id(), Rng::from_seed(seed));
        agreed.set_up(Source::default(), &[]).unwrap().online()
    };
    let (mut client, mut server) = std::thread::scope(|scope| {
        let server = scope.spawn(move || setup(server, 1));
        (setup(client, 2), server.join().unwrap())
    });
    let reserve = |s: &mut Session| s.reserve(cost.cots).unwrap();
    run_both(&mut client, &mut server, reserve, reserve);
    log.lock().unwrap().clear();
    let run = |s: &mut Session| protocol(s).unwrap();
    let (a, b) = run_both(&mut client, &mut server, run, run);
    let frames: Vec<Vec<u8>> = std::mem::take(&mut log.lock().unwrap());
    ([a, b], frames.iter().map(|f| f[8..].to_vec()).collect())
}

/// Every message is half ones, its last byte (which may be filled up with zeros) aside.
#[track_caller]
pub(super) fn assert_uniform_messages(payloads: &[Vec<u8>]) {
    assert!(!payloads.is_empty());
    for (i, p) in payloads.iter().enumerate() {
        let p = &p[..p.len() - 1];
        let ones = p.iter().map(|b| b.count_ones() as usize).sum();
        assert_near_half(ones, p.len() * 8, &format!("message {i} of {} bytes", p.len()));
    }
}

/// A transport in memory that logs every frame.
struct Tap {
    tx: Sender<Vec<u8>>,
    rx: Receiver<Vec<u8>>,
    frame: Vec<u8>,
    log: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Transport for Tap {
    fn write(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.log.lock().unwrap().push(frame.clone());
        self.tx.send(frame).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        while self.frame.len() < buf.len() {
            self.frame.extend(self.rx.recv().map_err(io::Error::other)?);
        }
        let rest = self.frame.split_off(buf.len());
        buf.copy_from_slice(&std::mem::replace(&mut self.frame, rest));
        Ok(())
    }
}

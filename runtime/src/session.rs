//! What two parties share while they run a program: the channel, correlated OTs in both directions, the hash key, keys
//! of ring LWE, and each party's own randomness. Nothing comes from a third party. [`crate::phases`] leads here.

use crate::channel::Channel;
use crate::crypto::{CrHash, Rng};
use crate::error::Result;
use crate::ot::{CotReceiver, CotSender, CotSource, Endpoint};
use crate::protocol::linear_rlwe::RlweKeys;
use picc_ir::{Party, cost::CotDemand};

/// What both parties call the session: the hash of their first messages, which hold the program's digest, the parameters
/// and a fresh nonce of each. It is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// Of the two hellos.
    #[must_use]
    pub fn of(client: &[u8], server: &[u8]) -> SessionId {
        let mut h = blake3::Hasher::new_derive_key("picc 2026 session");
        for hello in [client, server] {
            h.update(&(hello.len() as u64).to_le_bytes()).update(hello);
        }
        SessionId(*h.finalize().as_bytes())
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of the base OTs in which `receiver` chooses.
    pub(crate) fn base_label(&self, receiver: Party) -> Vec<u8> {
        [&self.0, receiver.name().as_bytes()].concat()
    }
}

/// One party's side of a run: whatever a protocol may use.
pub struct Session {
    pub channel: Channel,
    pub cot_sender: CotSender,
    pub cot_receiver: CotReceiver,
    /// The hash of OT messages; both parties have the same key.
    pub hash: CrHash,
    pub rng: Rng,
    source: Box<dyn CotSource>,
    pub(crate) rlwe: RlweKeys,
}

impl Session {
    /// What [`crate::phases`] leads to.
    pub(crate) fn new(channel: Channel, rng: Rng, Endpoint { source, hash }: Endpoint, rlwe: RlweKeys) -> Session {
        let me = channel.party();
        Session {
            channel,
            cot_sender: CotSender::new(source.offsets(), me),
            cot_receiver: CotReceiver::new(me.other()),
            hash,
            rng,
            source,
            rlwe,
        }
    }

    #[must_use]
    pub fn party(&self) -> Party {
        self.channel.party()
    }

    /// Makes the correlated OTs of `demand`, in addition to what is available. Traffic:
    /// [`picc_ir::correlation::Source::reserve_traffic`].
    pub fn reserve(&mut self, demand: CotDemand) -> Result<()> {
        let (send, receive) = match self.party() {
            Party::Client => (demand.client_sends, demand.server_sends),
            Party::Server => (demand.server_sends, demand.client_sends),
        };
        self.cot_sender.make_room(send);
        self.cot_receiver.make_room(receive);
        self.source.make(&mut self.channel, [send, receive], &mut self.cot_sender, &mut self.cot_receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BitVec;
    use crate::channel::{Kind, memory_pair};
    use crate::crypto::Block;
    use crate::crypto::hash::Tiles;
    use crate::error::Error;
    use crate::ot::Taken;
    use crate::phases::Agreed;
    use crate::testing::{run_both, test_id, test_pair_with};
    use picc_ir::correlation::Source;
    use picc_ir::correlation::softspoken as cot;
    use picc_ir::cost::CotCounts;
    use std::time::Duration;

    /// Takes `n` correlations on both sides, checks the relation, and returns the receiver's half.
    fn check(sender: &mut Session, receiver: &mut Session, width: u32, n: u64) -> (Taken, Vec<BitVec>) {
        let n = n as usize;
        let q = sender.cot_sender.take_wide(width, n).unwrap();
        let (t, c) = receiver.cot_receiver.take_wide(width, n).unwrap();
        assert_eq!((q.len(), t.len(), c.len()), (n, n, width as usize));
        assert_eq!(q.tiles().number(), t.tiles().number(), "both parties number tiles alike");
        let offsets = sender.cot_sender.offsets();
        for i in 0..n {
            let choice: usize = c.iter().enumerate().map(|(bit, c)| usize::from(c.get(i)) << bit).sum();
            assert_eq!(q[i].0, (t[i] ^ offsets[choice]).0, "COT {i} of {n}, width {width}");
        }
        (t, c)
    }

    fn client_sends(n: u64) -> CotDemand {
        CotDemand { client_sends: CotCounts::of(1, n), ..CotDemand::default() }
    }

    #[test]
    fn correlations_hold_and_traffic_is_exact() {
        for source in Source::all() {
            let (mut client, mut server) = test_pair_with(u64::from(source.code()), source);
            for s in [&client, &server] {
                assert_eq!(s.channel.meter().total(), source.setup_traffic());
            }
            let sizes = [(1, 127), (128, 0), (0, 129), (100_000, 1), (0, 0), (8191, 8193), (5, 16_384)];
            for ((a, b), w) in sizes.into_iter().flat_map(|size| (1..=CotCounts::WIDEST).map(move |w| (size, w))) {
                // Other widths alongside, so that they do not get in each other's way.
                let [client_sends, server_sends] = [a, b].map(|n| CotCounts::of(w, n) + CotCounts::of(6 - w, 3));
                let demand = CotDemand { client_sends, server_sends };
                client.channel.start_node();
                server.channel.start_node();
                run_both(&mut client, &mut server, |s| s.reserve(demand).unwrap(), |s| s.reserve(demand).unwrap());
                for s in [&client, &server] {
                    assert_eq!(s.channel.meter().node(), source.reserve_traffic(demand), "{source} {demand:?}");
                }
                let stored =
                    [&client, &server].map(|s| s.cot_sender.stored_bytes() + s.cot_receiver.stored_bytes());
                let expected = source.stored(demand);
                assert_eq!(stored, [expected.client, expected.server], "{source} {demand:?}");
                for (width, n) in [(w, a), (6 - w, 3)] {
                    check(&mut client, &mut server, width, n);
                }
                for (width, n) in [(6 - w, 3), (w, b)] {
                    check(&mut server, &mut client, width, n);
                }
                for s in [&client, &server] {
                    let none = CotCounts::default();
                    assert_eq!((s.cot_sender.available(), s.cot_receiver.available()), (none, none));
                }
            }
        }
    }

    #[test]
    fn a_large_demand_goes_in_several_messages_and_one_round() {
        let n = cot::COTS_PER_MESSAGE + 77;
        let demand = CotDemand { server_sends: CotCounts::of(1, n), ..CotDemand::default() };
        let (mut client, mut server) = test_pair_with(1, Source::default());
        client.channel.start_node();
        run_both(&mut client, &mut server, |s| s.reserve(demand).unwrap(), |s| s.reserve(demand).unwrap());
        assert_eq!(client.channel.meter().node(), Source::default().reserve_traffic(demand));
        check(&mut server, &mut client, 1, n);
    }

    #[test]
    fn extensions_are_independent_and_balanced() {
        let n = 100_000;
        let (mut client, mut server) = test_pair_with(5, Source::default());
        let mut seen = std::collections::HashSet::new();
        for width in [1, 1, 3, 5] {
            let counts = CotCounts::of(width, n);
            let demand = CotDemand { client_sends: counts, server_sends: counts };
            run_both(&mut client, &mut server, |s| s.reserve(demand).unwrap(), |s| s.reserve(demand).unwrap());
            for direction in 0..2 {
                let (t, c) = match direction {
                    0 => check(&mut client, &mut server, width, n),
                    _ => check(&mut server, &mut client, width, n),
                };
                // Standard deviations: 158 for the choice bits and each bit of t.
                let half = n as usize / 2;
                for c in &c {
                    assert!(c.count_ones().abs_diff(half) < 1000, "{} choice bits", c.count_ones());
                }
                for bit in 0..128 {
                    let ones = t.iter().filter(|b| b.0 >> bit & 1 == 1).count();
                    assert!(ones.abs_diff(half) < 1000, "{ones} ones in bit {bit}");
                }
                for b in t.iter() {
                    assert!(seen.insert(b.0), "a block was produced twice");
                }
            }
        }
        assert_ne!(client.cot_sender.delta().0, server.cot_sender.delta().0);
    }

    #[test]
    fn parts_taken_in_the_same_order_match() {
        let (mut client, mut server) = test_pair_with(6, Source::of_code(2).unwrap());
        for n in [1000, 50] {
            let demand = client_sends(n);
            run_both(&mut client, &mut server, |s| s.reserve(demand).unwrap(), |s| s.reserve(demand).unwrap());
        }
        for n in [3, 0, 64, 130, 853] {
            check(&mut client, &mut server, 1, n);
        }
        assert!(matches!(client.cot_sender.take(1), Err(Error::Bug(_))));
        assert!(matches!(server.cot_receiver.take(1), Err(Error::Bug(_))));
    }

    #[test]
    fn seeds_determine_everything() {
        let demand = client_sends(20_000);
        let runs = [3, 3, 4].map(|seed| {
            let (mut client, mut server) = test_pair_with(seed, Source::default());
            run_both(&mut client, &mut server, |s| s.reserve(demand).unwrap(), |s| s.reserve(demand).unwrap());
            check(&mut client, &mut server, 1, 20_000)
        });
        let same = |a: usize, b: usize| {
            let blocks = runs[a].0.iter().zip(runs[b].0.iter()).all(|(x, y)| x.0 == y.0);
            blocks && runs[a].1[0].words() == runs[b].1[0].words()
        };
        assert!(same(0, 1));
        assert!(!same(1, 2));
    }

    #[test]
    fn both_parties_hash_alike_and_sessions_differ() {
        let (a, b) = test_pair_with(7, Source::of_code(1).unwrap());
        let (c, _) = test_pair_with(8, Source::of_code(1).unwrap());
        let [x, y, z] = [&a, &b, &c].map(|s| {
            let mut x = [Block(1)];
            s.hash.hash_blocks(Tiles::of_setup(Party::Client), &mut x);
            x[0].0
        });
        assert_eq!(x, y);
        assert_ne!(x, z);
    }

    /// The setup of two parties with the same seeds each time.
    fn setup_as(client: SessionId, server: SessionId) -> (Session, Session) {
        let (c, s) = memory_pair(Duration::from_secs(60));
        std::thread::scope(|scope| {
            let setup = |channel, id, seed| {
                Agreed::without_hellos(channel, id, Rng::from_seed(seed))
                    .set_up(Source::default(), &[])
                    .unwrap()
                    .online()
            };
            let server = scope.spawn(move || setup(s, server, 1));
            (setup(c, client, 2), server.join().unwrap())
        })
    }

    #[test]
    fn base_ots_belong_to_their_session() {
        let demand = client_sends(128);
        let ids = [SessionId::of(b"client", b"server"), SessionId::of(b"client", b"another")];
        let first = |client: usize, server: usize| {
            let (mut client, mut server) = setup_as(ids[client], ids[server]);
            run_both(&mut client, &mut server, |s| s.reserve(demand).unwrap(), |s| s.reserve(demand).unwrap());
            let q = client.cot_sender.take(128).unwrap();
            let (t, c) = server.cot_receiver.take(128).unwrap();
            let delta = client.cot_sender.delta();
            let holds = |i: usize| q[i].0 == (t[i] ^ (delta & c.bit(i).block())).0;
            ((0..128).filter(|i| holds(*i)).count(), t[0].0)
        };
        let [same, other, replayed] = [first(0, 0), first(1, 1), first(0, 1)];
        assert_eq!((same.0, other.0), (128, 128));
        assert_ne!(same.1, other.1, "the same seeds in another session give other keys");
        assert_eq!(replayed.0, 0, "messages of another session correlate with nothing");
    }

    #[test]
    fn garbage_from_the_peer_is_the_peers_error() {
        for message in [vec![0xff; cot::BASE_OT_PAYLOAD as usize], vec![0; 5]] {
            let (client, mut server) = memory_pair(Duration::from_secs(1));
            server.send(Kind::BaseOt, &message).unwrap();
            let agreed = Agreed::without_hellos(client, test_id(), Rng::from_seed(0));
            let error = agreed.set_up(Source::default(), &[]).err().unwrap();
            assert!(matches!(error.cause(), Error::Peer(_)), "{error}");
        }
    }

    #[test]
    fn an_extension_of_the_wrong_length_is_the_peers_error() {
        let (mut client, mut server) = test_pair_with(9, Source::default());
        server.channel.send(Kind::OtExtension, &[1; 100]).unwrap();
        assert!(matches!(client.reserve(client_sends(1000)), Err(Error::Peer(_))));
        assert_eq!(client.cot_sender.available(), CotCounts::default());
    }
}

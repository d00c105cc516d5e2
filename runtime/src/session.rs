//! What two parties share while they run a program: the channel, correlated OTs in both directions, the hash key,
//! and each party's own randomness.
//!
//! ```text
//!   client                                                  server
//!     base OT points for its delta, base OT point  <-->  the same              one round
//!     corrections of its punctured trees,
//!       extension by 120 COTs, choices for delta   <-->  the same              one round
//!     corrections of the trees made with them      <-->  the same              one round (none at k = 1)
//!   reserve:
//!     extension where the server sends COTs        <-->  where the client does  one round
//! ```
//!
//! 128 base OTs are enough for COTs. The 120 columns more that wider OTs have come from COTs of the other direction,
//! which are cheaper than points: the party that needs keys chosen by its delta is their receiver, corrects its random
//! choices to delta, and both hash, as in any OT from a COT.
//!
//! Nothing comes from a third party. Bytes and rounds: [`picc_ir::mpc::cot`].

use crate::bits::BitVec;
use crate::channel::{Channel, Kind};
use crate::crypto::{Block, CrHash, Rng};
use crate::error::Result;
use crate::ot::base::KeyPair;
use crate::ot::softspoken::{Delta, ExtensionReceiver, ExtensionSender, ROW, check_field_bits};
use crate::ot::{CotReceiver, CotSender, base};
use picc_ir::{Party, cost::CotDemand, mpc::cot};
use zeroize::Zeroizing;

/// Public parameters, equal on both sides (the handshake compares them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupParams {
    /// log2 of the field size of the OT extension: 1, 2, 4 or 8.
    pub softspoken_k: u32,
}

impl Default for SetupParams {
    fn default() -> SetupParams {
        SetupParams { softspoken_k: cot::DEFAULT_FIELD_BITS }
    }
}

/// One party's side of a run.
pub struct Session {
    pub channel: Channel,
    pub cot_sender: CotSender,
    pub cot_receiver: CotReceiver,
    /// The hash of OT messages; both parties have the same key.
    pub hash: CrHash,
    pub rng: Rng,
    params: SetupParams,
}

impl Session {
    /// Runs base OTs and puncturing in both directions. Traffic: [`cot::setup_traffic`].
    pub fn setup(mut channel: Channel, params: &SetupParams, mut rng: Rng) -> Result<Session> {
        let k = params.softspoken_k;
        check_field_bits(k)?;
        let me = channel.party();
        // Base OTs run against the direction of the COTs that they bootstrap.
        let (own_label, peer_label) = (me.name(), me.other().name());
        let delta = Delta::new([rng.block(), rng.block()]);
        let choices = delta.base_choices(k);
        let first = Zeroizing::new(choices.slice(0, ROW));
        let wide = Zeroizing::new(choices.slice(ROW, choices.len() - ROW));
        let receiver = base::Receiver::new(own_label, &first, &mut rng);
        let sender = base::Sender::new(&mut rng);

        let own = [receiver.message(), &sender.message()].concat();
        let peer = channel.exchange(Kind::BaseOt, &own, own.len())?;
        let (points, point) = peer.split_at(ROW * base::RECEIVER_BYTES);
        let key_pairs = sender.finish(peer_label, points)?;
        let chosen = receiver.finish(own_label, point)?;
        let hash = CrHash::new(session_key(me, &own, &peer));

        let (mut extension_sender, mut extension_receiver) =
            (ExtensionSender::new(k, delta)?, ExtensionReceiver::new(k)?);
        let corrections = extension_receiver.grow(&key_pairs);
        let mut t = Zeroizing::new(vec![Block::ZERO; wide.len()]);
        let (c, message) = extension_receiver.extend(1, &mut t);
        let masked = c[0].xor(&wide);
        let own = [&corrections[..], &message, &masked.to_bytes()].concat();
        let peer = channel.exchange(Kind::BaseOt, &own, own.len())?;
        let (their_corrections, rest) = peer.split_at(corrections.len());
        let (their_message, their_choices) = rest.split_at(message.len());
        extension_sender.grow(&chosen, their_corrections)?;
        let mut q = Zeroizing::new(vec![Block::ZERO; wide.len()]);
        extension_sender.extend(1, their_message, &mut q)?;
        let masked = BitVec::from_bytes(their_choices, wide.len());
        let delta = extension_sender.delta().block();
        let keys = |(i, q): (usize, &Block)| {
            let zero = *q ^ (delta & masked.bit(i).block());
            KeyPair([hash.hash_one(zero), hash.hash_one(zero ^ delta)])
        };
        let key_pairs: Vec<KeyPair> = q.iter().enumerate().map(keys).collect();
        hash.hash_blocks(&mut t);

        let own = extension_receiver.grow(&key_pairs);
        let peer = if own.is_empty() { Vec::new() } else { channel.exchange(Kind::BaseOt, &own, own.len())? };
        extension_sender.grow(&t, &peer)?;
        Ok(Session {
            channel,
            cot_sender: CotSender::new(extension_sender),
            cot_receiver: CotReceiver::new(extension_receiver),
            hash,
            rng,
            params: *params,
        })
    }

    #[must_use]
    pub fn party(&self) -> Party {
        self.channel.party()
    }

    #[must_use]
    pub fn params(&self) -> SetupParams {
        self.params
    }

    /// Makes the correlated OTs of `demand`, in addition to what is available. Traffic: [`cot::reserve_traffic`].
    pub fn reserve(&mut self, demand: CotDemand) -> Result<()> {
        let (send, receive) = match self.party() {
            Party::Client => (demand.client_sends, demand.server_sends),
            Party::Server => (demand.server_sends, demand.client_sends),
        };
        self.cot_sender.make_room(send);
        self.cot_receiver.make_room(receive);
        // All messages leave before the first is awaited: one flight.
        for (width, n) in cot::extension_batches(receive) {
            let message = self.cot_receiver.extend(width, n as usize);
            self.channel.send(Kind::OtExtension, &message)?;
        }
        self.channel.flush()?;
        for (width, n) in cot::extension_batches(send) {
            let len = cot::extension_payload(n, width, self.params.softspoken_k) as usize;
            let message = self.channel.recv(Kind::OtExtension, len)?;
            self.cot_sender.extend(width, n as usize, &message)?;
        }
        Ok(())
    }
}

/// Both sides' first messages are fresh and uniform, so their hash is a key that nobody knew before the session.
fn session_key(me: Party, own: &[u8], peer: &[u8]) -> Block {
    let (client, server) = match me {
        Party::Client => (own, peer),
        Party::Server => (peer, own),
    };
    let mut key = [0; 16];
    let mut h = blake3::Hasher::new_derive_key("picc 2026 session hash key");
    h.update(client).update(server).finalize_xof().fill(&mut key);
    Block::from_bytes(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::memory_pair;
    use crate::error::Error;
    use crate::testing::{run_both, test_pair_with};
    use picc_ir::cost::CotCounts;
    use std::time::Duration;

    /// Takes `n` correlations on both sides, checks the relation, and returns the receiver's half.
    fn check(
        sender: &mut Session,
        receiver: &mut Session,
        width: u32,
        n: u64,
    ) -> (Zeroizing<Vec<Block>>, Vec<BitVec>) {
        let n = n as usize;
        let q = sender.cot_sender.take_wide(width, n).unwrap();
        let (t, c) = receiver.cot_receiver.take_wide(width, n).unwrap();
        assert_eq!((q.len(), t.len(), c.len()), (n, n, width as usize));
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
        for k in cot::FIELD_BITS {
            let (mut client, mut server) = test_pair_with(u64::from(k), SetupParams { softspoken_k: k });
            for s in [&client, &server] {
                assert_eq!(s.channel.meter().total(), cot::setup_traffic(k));
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
                    assert_eq!(s.channel.meter().node(), cot::reserve_traffic(demand, k), "k {k} {demand:?}");
                }
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
        let (mut client, mut server) = test_pair_with(1, SetupParams::default());
        client.channel.start_node();
        run_both(&mut client, &mut server, |s| s.reserve(demand).unwrap(), |s| s.reserve(demand).unwrap());
        assert_eq!(client.channel.meter().node(), cot::reserve_traffic(demand, 4));
        check(&mut server, &mut client, 1, n);
    }

    #[test]
    fn extensions_are_independent_and_balanced() {
        let n = 100_000;
        let (mut client, mut server) = test_pair_with(5, SetupParams::default());
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
        let (mut client, mut server) = test_pair_with(6, SetupParams { softspoken_k: 2 });
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
            let (mut client, mut server) = test_pair_with(seed, SetupParams::default());
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
        let (a, b) = test_pair_with(7, SetupParams { softspoken_k: 1 });
        let (c, _) = test_pair_with(8, SetupParams { softspoken_k: 1 });
        let [x, y, z] = [&a, &b, &c].map(|s| s.hash.hash_one(Block(1)).0);
        assert_eq!(x, y);
        assert_ne!(x, z);
    }

    #[test]
    fn an_unknown_field_size_is_refused() {
        let (client, _server) = memory_pair(Duration::from_secs(1));
        let params = SetupParams { softspoken_k: 3 };
        assert!(matches!(Session::setup(client, &params, Rng::from_seed(0)), Err(Error::Program(_))));
    }

    #[test]
    fn garbage_from_the_peer_is_the_peers_error() {
        for message in [vec![0xff; cot::BASE_OT_PAYLOAD as usize], vec![0; 5]] {
            let (client, mut server) = memory_pair(Duration::from_secs(1));
            server.send(Kind::BaseOt, &message).unwrap();
            let result = Session::setup(client, &SetupParams::default(), Rng::from_seed(0));
            assert!(matches!(result, Err(Error::Peer(_))));
        }
    }

    #[test]
    fn an_extension_of_the_wrong_length_is_the_peers_error() {
        let (mut client, mut server) = test_pair_with(9, SetupParams::default());
        server.channel.send(Kind::OtExtension, &[1; 100]).unwrap();
        assert!(matches!(client.reserve(client_sends(1000)), Err(Error::Peer(_))));
        assert_eq!(client.cot_sender.available(), CotCounts::default());
    }
}

//! SoftSpokenOT as a source of correlated OTs: its bootstrap, in both directions at once, and its messages.
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
//! Bytes and rounds: [`picc_ir::correlation::softspoken`].

use super::base::{self, KeyPair};
use super::code::{MAX_KEYS, offsets};
use super::softspoken::{Delta, ExtensionReceiver, ExtensionSender, ROW};
use super::{CotReceiver, CotSender, CotSource, Endpoint};
use crate::bits::BitVec;
use crate::channel::{Channel, Kind};
use crate::crypto::hash::Tiles;
use crate::crypto::{Block, CrHash, Rng};
use crate::error::Result;
use crate::session::SessionId;
use picc_ir::Party;
use picc_ir::correlation::FieldBits;
use picc_ir::correlation::softspoken::{extension_batches, extension_payload};
use picc_ir::cost::CotCounts;
use zeroize::Zeroizing;

/// Both directions of the extension, after their trees were made.
pub(super) struct SoftSpoken {
    k: FieldBits,
    sender: ExtensionSender,
    receiver: ExtensionReceiver,
}

impl SoftSpoken {
    /// Runs base OTs and puncturing in both directions.
    pub(super) fn set_up(k: FieldBits, channel: &mut Channel, id: &SessionId, rng: &mut Rng) -> Result<Endpoint> {
        let me = channel.party();
        // Base OTs run against the direction of the COTs that they bootstrap.
        let (own_label, peer_label) = (id.base_label(me), id.base_label(me.other()));
        let delta = Delta::new([rng.block(), rng.block()]);
        let choices = delta.base_choices(k);
        let first = Zeroizing::new(choices.slice(0, ROW));
        let wide = Zeroizing::new(choices.slice(ROW, choices.len() - ROW));
        let receiver = base::Receiver::new(&own_label, &first, rng);
        let sender = base::Sender::new(rng);

        let own = [receiver.message(), &sender.message()].concat();
        let peer = channel.exchange(Kind::BaseOt, &own, own.len())?;
        let (points, point) = peer.split_at(ROW * base::RECEIVER_BYTES);
        let key_pairs = sender.finish(&peer_label, points)?;
        let chosen = receiver.finish(&own_label, point)?;
        let hash = CrHash::new(hash_key(id, me, &own, &peer));

        let (mut extension_sender, mut extension_receiver) =
            (ExtensionSender::new(k, delta), ExtensionReceiver::new(k));
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
        for (i, q) in q.iter_mut().enumerate() {
            *q ^= delta & masked.bit(i).block();
        }
        let mut one = q.clone();
        hash.hash_both(Tiles::of_setup(me), delta, &mut q, &mut one);
        let key_pairs: Vec<KeyPair> = q.iter().zip(one.iter()).map(|(q, one)| KeyPair([*q, *one])).collect();
        hash.hash_blocks(Tiles::of_setup(me.other()), &mut t);

        let own = extension_receiver.grow(&key_pairs);
        let peer = if own.is_empty() { Vec::new() } else { channel.exchange(Kind::BaseOt, &own, own.len())? };
        extension_sender.grow(&t, &peer)?;
        let source = Box::new(SoftSpoken { k, sender: extension_sender, receiver: extension_receiver });
        Ok(Endpoint { source, hash })
    }
}

impl CotSource for SoftSpoken {
    fn offsets(&self) -> Zeroizing<[Block; MAX_KEYS]> {
        Zeroizing::new(offsets(self.sender.delta()))
    }

    fn make(
        &mut self,
        channel: &mut Channel,
        [send, receive]: [CotCounts; 2],
        sent: &mut CotSender,
        received: &mut CotReceiver,
    ) -> Result<()> {
        // All messages leave before the first is awaited: one flight.
        for (width, n) in extension_batches(receive) {
            let message = received.add(width, n as usize, |t| self.receiver.extend(width, t));
            channel.send(Kind::OtExtension, &message)?;
        }
        channel.flush()?;
        for (width, n) in extension_batches(send) {
            let len = extension_payload(n, width, self.k) as usize;
            let message = channel.recv(Kind::OtExtension, len)?;
            sent.add(width, n as usize, |q| self.sender.extend(width, &message, q))?;
        }
        Ok(())
    }
}

/// Both sides' first messages are fresh and uniform, so their hash is a key that nobody knew before the session.
fn hash_key(id: &SessionId, me: Party, own: &[u8], peer: &[u8]) -> Block {
    let (client, server) = match me {
        Party::Client => (own, peer),
        Party::Server => (peer, own),
    };
    let mut key = [0; 16];
    let mut h = blake3::Hasher::new_derive_key("picc 2026 session hash key");
    h.update(id.as_bytes()).update(client).update(server).finalize_xof().fill(&mut key);
    Block::from_bytes(key)
}

//! Random 1-of-2 OTs over Ristretto: the endemic OT of Masny and Rindal, "Endemic Oblivious Transfer" (CCS 2019,
//! ePrint 2019/706), from Diffie-Hellman in the random-oracle model.
//!
//! ```text
//!   receiver, choice c                             sender
//!     r_(1-c) random point
//!     r_c = b G - H_i(r_(1-c))    (r_0, r_1) -->
//!                                            <--  A = a G, one for all
//!     k_c = KDF(b A)                               k_j = KDF(a (r_j + H_i(r_(1-j))))
//! ```
//!
//! Neither message depends on the other: one round. Adversary: semi-honest here (the protocol is proven against
//! malicious parties too, for an endemic OT, whose corrupted party may fix its own outputs). Parameters: 128-bit
//! curve security; `H` and `KDF` are BLAKE3, separated by session label, index and slot. Bytes: 64 for each OT from the
//! receiver, 32 from the sender. Leakage: none; both points are uniform whatever the choice is.
//!
//! A point that does not decode is an error of the peer.

use crate::bits::BitVec;
use crate::crypto::{Block, Rng};
use crate::error::{Misbehaviour, Result};
use curve25519_dalek::{RistrettoPoint, Scalar, ristretto::CompressedRistretto, traits::IsIdentity};
use rayon::prelude::*;
use subtle::{Choice, ConditionallySelectable};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes that the receiver sends for each OT.
pub const RECEIVER_BYTES: usize = 64;
/// Bytes that the sender sends.
pub const SENDER_BYTES: usize = 32;

/// The two random keys of one OT.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KeyPair(pub [Block; 2]);

/// The sender, its exponent drawn, waiting for the receiver's points.
pub struct Sender {
    secret: Zeroizing<Scalar>,
    public: [u8; 32],
}

/// The receiver, its points drawn, waiting for the sender's point.
pub struct Receiver {
    secrets: Zeroizing<Vec<Scalar>>,
    choices: Zeroizing<BitVec>,
    /// `(r_0, r_1)` of each OT.
    points: Vec<u8>,
}

impl Sender {
    #[must_use]
    pub fn new(rng: &mut Rng) -> Sender {
        let secret = Zeroizing::new(random_scalar(rng));
        Sender { public: RistrettoPoint::mul_base(&secret).compress().to_bytes(), secret }
    }

    /// The sender's message.
    #[must_use]
    pub fn message(&self) -> [u8; SENDER_BYTES] {
        self.public
    }

    /// Both keys of each OT, from the receiver's message. `label` is the same on both sides and unique to the batch.
    pub fn finish(self, label: &[u8], message: &[u8]) -> Result<Vec<KeyPair>> {
        message
            .as_chunks::<RECEIVER_BYTES>()
            .0
            .par_iter()
            .enumerate()
            .map(|(i, pair)| {
                let points = [decode(&pair[..32])?, decode(&pair[32..])?];
                let key = |j: usize| {
                    let other = &pair[32 * (1 - j)..32 * (2 - j)];
                    let shared = *self.secret * (points[j] + hash_to_point(label, i, 1 - j, other));
                    derive_key(label, i, j, &self.public, &shared)
                };
                Ok(KeyPair([key(0), key(1)]))
            })
            .collect()
    }
}

impl Receiver {
    #[must_use]
    pub fn new(label: &[u8], choices: &BitVec, rng: &mut Rng) -> Receiver {
        let n = choices.len();
        let secrets = Zeroizing::new((0..n).map(|_| random_scalar(rng)).collect::<Vec<Scalar>>());
        let draws: Vec<[u8; 64]> = (0..n)
            .map(|_| {
                let mut wide = [0; 64];
                rng.fill_bytes(&mut wide);
                wide
            })
            .collect();
        let points = (secrets.par_iter(), &draws)
            .into_par_iter()
            .enumerate()
            .flat_map_iter(|(i, (b, wide))| {
                let choice = choices.bit(i).choice();
                let other = RistrettoPoint::from_uniform_bytes(wide);
                let other_bytes = other.compress().to_bytes();
                // The oracle's input contains the slot of the other point, 1 - c: both are computed and one is kept.
                let hashed = RistrettoPoint::conditional_select(
                    &hash_to_point(label, i, 1, &other_bytes),
                    &hash_to_point(label, i, 0, &other_bytes),
                    choice,
                );
                let own_bytes = (RistrettoPoint::mul_base(b) - hashed).compress().to_bytes();
                let pick = |x: &[u8; 32], y: &[u8; 32], if_y: Choice| -> [u8; 32] {
                    std::array::from_fn(|k| u8::conditional_select(&x[k], &y[k], if_y))
                };
                let first = pick(&own_bytes, &other_bytes, choice);
                let second = pick(&own_bytes, &other_bytes, !choice);
                first.into_iter().chain(second)
            })
            .collect();
        Receiver { secrets, choices: Zeroizing::new(choices.clone()), points }
    }

    /// The receiver's message.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.points
    }

    /// The chosen key of each OT, from the sender's message.
    pub fn finish(self, label: &[u8], message: &[u8]) -> Result<Zeroizing<Vec<Block>>> {
        let public = decode(message)?;
        let keys = self
            .secrets
            .par_iter()
            .enumerate()
            .map(|(i, b)| {
                let shared = b * public;
                let keys = [0, 1].map(|j| derive_key(label, i, j, message, &shared));
                keys[0] ^ ((keys[0] ^ keys[1]) & self.choices.bit(i).block())
            })
            .collect();
        Ok(Zeroizing::new(keys))
    }
}

fn random_scalar(rng: &mut Rng) -> Scalar {
    let mut wide = Zeroizing::new([0; 64]);
    rng.fill_bytes(&mut *wide);
    Scalar::from_bytes_mod_order_wide(&wide)
}

fn decode(bytes: &[u8]) -> Result<RistrettoPoint> {
    CompressedRistretto::from_slice(bytes)
        .ok()
        .and_then(|p| p.decompress())
        .filter(|p| !p.is_identity())
        .ok_or_else(|| Misbehaviour::Point.into())
}

/// A hasher for one use in one slot of one OT of one batch.
fn oracle(context: &str, label: &[u8], i: usize, slot: usize) -> blake3::Hasher {
    let mut h = blake3::Hasher::new_derive_key(context);
    h.update(&(label.len() as u64).to_le_bytes());
    h.update(label);
    h.update(&(i as u64).to_le_bytes());
    h.update(&[u8::from(slot == 1)]);
    h
}

fn hash_to_point(label: &[u8], i: usize, slot: usize, point: &[u8]) -> RistrettoPoint {
    let mut wide = [0; 64];
    oracle("picc 2026 base OT point", label, i, slot).update(point).finalize_xof().fill(&mut wide);
    RistrettoPoint::from_uniform_bytes(&wide)
}

fn derive_key(label: &[u8], i: usize, slot: usize, sender: &[u8], shared: &RistrettoPoint) -> Block {
    let mut key = [0; 16];
    let mut h = oracle("picc 2026 base OT key", label, i, slot);
    h.update(sender).update(shared.compress().as_bytes()).finalize_xof().fill(&mut key);
    Block::from_bytes(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn run(choices: &BitVec, seed: u64) -> (Vec<KeyPair>, Zeroizing<Vec<Block>>) {
        let sender = Sender::new(&mut Rng::from_seed(seed));
        let receiver = Receiver::new(b"test", choices, &mut Rng::from_seed(seed + 1));
        let a = sender.message();
        let keys = sender.finish(b"test", receiver.message()).unwrap();
        (keys, receiver.finish(b"test", &a).unwrap())
    }

    #[test]
    fn the_receiver_has_the_chosen_key_and_not_the_other() {
        let choices: BitVec = (0..16).map(|i| i % 3 == 0).collect();
        let (keys, chosen) = run(&choices, 10);
        for (i, c) in choices.iter().enumerate() {
            assert_eq!(keys[i].0[usize::from(c)].0, chosen[i].0);
            assert_ne!(keys[i].0[usize::from(!c)].0, chosen[i].0);
        }
        let mut all: Vec<u128> = keys.iter().flat_map(|k| [k.0[0].0, k.0[1].0]).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 32, "keys repeat");
    }

    #[test]
    fn what_is_not_a_point_is_the_peers_error() {
        let mut rng = Rng::from_seed(1);
        let bad_points = [[0xff; 32], [0; 32]];
        for bad in bad_points {
            let receiver = Receiver::new(b"test", &BitVec::from_words(vec![1], 2), &mut rng);
            assert!(matches!(receiver.finish(b"test", &bad), Err(Error::Peer(_))));
            let receiver = Receiver::new(b"test", &BitVec::from_words(vec![1], 2), &mut rng);
            let mut message = receiver.message().to_vec();
            message[64..96].copy_from_slice(&bad);
            assert!(matches!(Sender::new(&mut rng).finish(b"test", &message), Err(Error::Peer(_))));
        }
    }

    #[test]
    fn another_label_gives_other_keys() {
        let mut rng = Rng::from_seed(2);
        let sender = Sender::new(&mut rng);
        let receiver = Receiver::new(b"a", &BitVec::zeros(1), &mut rng);
        let message = sender.message();
        let keys = sender.finish(b"b", receiver.message()).unwrap();
        assert_ne!(keys[0].0[0].0, receiver.finish(b"a", &message).unwrap()[0].0);
    }
}

//! The client: encrypts its share, decrypts its share of the result.

use crate::channel::{Channel, Kind};
use crate::crypto::ct;
use crate::crypto::rlwe::{BitReader, BitWriter, Csprng, Encoder, Ring, SecretKey, add_error};
use crate::error::{BadProgram, Misbehaviour, Result};
use picc_ir::mpc::rlwe::{
    ConvPlan, Hiding, LinearPlan, MatMulPlan, ParamSet, RequestPolynomial, ResponsePolynomial,
};
use rayon::prelude::*;
use zeroize::Zeroize;

/// The client's secret keys, one per parameter set of the program. Wiped when dropped.
pub struct RlweClient {
    keys: Vec<SecretKey>,
}

impl RlweClient {
    /// Makes a key for each set and sends its public half: one message each, one flight.
    pub fn setup(channel: &mut Channel, sets: &[&'static ParamSet], rng: &mut Csprng) -> Result<RlweClient> {
        let mut keys = Vec::with_capacity(sets.len());
        for set in sets {
            let key = SecretKey::generate(Ring::of(set), rng);
            // It is sent: the polynomial that it makes is public.
            let seed = ct::public(rng.seed());
            let b = key.public_key(&seed, rng);
            let mut bits = BitWriter::with_capacity(b.words().len() * 8);
            b.words().iter().for_each(|&w| bits.push(u128::from(w), set.prime_bits));
            channel.send(Kind::PublicKey, &[&seed[..], &bits.finish()].concat())?;
            keys.push(key);
        }
        channel.flush()?;
        Ok(RlweClient { keys })
    }

    pub(super) fn key(&self, set: &ParamSet) -> Result<&SecretKey> {
        let found = self.keys.iter().find(|k| k.ring().set() == set);
        Ok(found.ok_or(BadProgram::NoKey { set: set.name })?)
    }
}

/// `share` is `[n, c_in, h, w]`; returns the client's share of `[n, c_out, oh, ow]`.
pub fn conv_client(
    channel: &mut Channel,
    client: &RlweClient,
    plan: &ConvPlan,
    share: &[u64],
    rng: &mut Csprng,
) -> Result<Vec<u64>> {
    linear_client(channel, client, &plan.linear, share, rng)
}

/// `share` is `[batch, rows, inner]`; returns the client's share of `[batch, rows, cols]`.
pub fn matmul_client(
    channel: &mut Channel,
    client: &RlweClient,
    plan: &MatMulPlan,
    share: &[u64],
    rng: &mut Csprng,
) -> Result<Vec<u64>> {
    linear_client(channel, client, &plan.linear, share, rng)
}

/// Either, by its linear plan.
pub fn linear_client(
    channel: &mut Channel,
    client: &RlweClient,
    plan: &LinearPlan,
    share: &[u64],
    rng: &mut Csprng,
) -> Result<Vec<u64>> {
    let [inputs, _, outputs] = plan.layer.lens();
    if share.len() != inputs {
        return Err(BadProgram::ShareLength { expected: inputs, got: share.len() }.into());
    }
    let key = client.key(plan.budget.set)?;
    let encoder = Encoder::new(key.ring(), plan.budget.ring_bits);

    let mut polynomials = plan.request_polynomials();
    for span in &plan.requests {
        // Sent, as that of the key.
        let seed = ct::public(rng.seed());
        let work: Vec<_> =
            polynomials.by_ref().take(span.polynomials.len()).map(|p| (p, rng.fork())).enumerate().collect();
        let encrypted: Vec<Vec<u8>> = work
            .into_par_iter()
            .map(|(i, (p, mut rng))| encrypt(plan, key, &encoder, &seed, i as u64, &p, share, &mut rng))
            .collect();
        let mut payload = Vec::with_capacity(span.bytes as usize);
        payload.extend_from_slice(&seed);
        encrypted.iter().for_each(|e| payload.extend_from_slice(e));
        channel.send(Kind::Ciphertext, &payload)?;
    }
    channel.flush()?;

    let mut result = vec![0; outputs];
    let mut polynomials = plan.response_polynomials();
    for span in &plan.responses {
        let payload = channel.recv(Kind::Ciphertext, span.bytes as usize)?;
        let mut rest = &payload[..];
        let mut work = Vec::with_capacity(span.polynomials.len());
        for p in polynomials.by_ref().take(span.polynomials.len()) {
            let (bytes, tail) = rest.split_at(plan.response_bytes(&p) as usize);
            rest = tail;
            work.push((p, bytes));
        }
        let shares: Vec<Vec<(usize, u64)>> =
            work.into_par_iter().map(|(p, bytes)| decrypt(plan, key, &p, bytes)).collect::<Result<_>>()?;
        shares.into_iter().flatten().for_each(|(at, v)| result[at] = v);
    }
    Ok(result)
}

/// One input polynomial: the needed coefficients of `b`.
pub(super) fn encrypt(
    plan: &LinearPlan,
    key: &SecretKey,
    encoder: &Encoder,
    seed: &[u8; 32],
    index: u64,
    p: &RequestPolynomial,
    share: &[u64],
    rng: &mut Csprng,
) -> Vec<u8> {
    let (ring, budget) = (key.ring(), &plan.budget);
    let mut b = key.mask(seed, index);
    super::server::add_message(plan, ring, encoder, p, share, &mut b, rng);
    let positions = plan.request_positions(p);
    let mut bits = BitWriter::with_capacity(plan.request_bytes(positions.len()));
    let primes = ring.tables().len();
    let dither = (1u64 << budget.request_drop) - 1;
    for at in positions {
        let at = at as usize;
        add_error(ring, &mut b, at, rng.error());
        if budget.set.composite() {
            let value = ring.compose(&b, at, primes) + u128::from(rng.next_u64() & dither);
            bits.push(value >> budget.request_drop, budget.request_bits());
        } else {
            ring.residues(&b, at).for_each(|r| bits.push(u128::from(r), budget.set.prime_bits));
        }
    }
    // What was not sent is the key's product without an error.
    b.zeroize();
    bits.finish()
}

/// One response polynomial: `(index, share)` of its outputs.
fn decrypt(plan: &LinearPlan, key: &SecretKey, p: &ResponsePolynomial, bytes: &[u8]) -> Result<Vec<(usize, u64)>> {
    let budget = &plan.budget;
    let (k, d) = (budget.response_bits, budget.response_drop);
    let mut bits = BitReader::new(bytes);
    let a: Vec<u128> = (0..budget.set.degree).map(|_| bits.pull(k)).collect();
    let mut masks = key.unmask(&a, k);
    let (shift, mask) = (k - budget.ring_bits, u64::MAX >> (64 - budget.ring_bits));
    // Flooding goes both ways around the result; a full-range mask starts at a multiple of the step.
    let half = match budget.hiding {
        Hiding::Flood => 1 << (shift - 1),
        Hiding::FullRange => 0,
    };
    let shares = plan
        .response_elements(p)
        .into_iter()
        .map(|(at, index)| {
            let phase = (bits.pull(k - d) << d).wrapping_add(masks[at as usize]);
            (index, ((phase + half) >> shift) as u64 & mask)
        })
        .collect();
    masks.zeroize();
    if !bits.padding_is_zero() {
        return Err(Misbehaviour::Padding { of: "ciphertext" }.into());
    }
    Ok(shares)
}

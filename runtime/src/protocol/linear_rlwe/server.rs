//! The server: multiplies ciphertexts by its weights, re-randomizes, and masks or floods.

use super::messages::{Requests, Responses, split_seed};
use super::prepared::{PreparedConv, PreparedLinear, PreparedMatMul, Weight};
use crate::channel::{Channel, Kind};
use crate::crypto::rlwe::{
    Accumulator, BitReader, BitWriter, Coeff, Csprng, Encoder, Multiplier, Ntt, Poly, Protection, PublicKey, Ring,
    Term, add_error, uniform,
};
use crate::error::{BadProgram, Error, Misbehaviour, Result};
use picc_ir::mpc::rlwe::{Hiding, LinearPlan, ParamSet, RequestPolynomial, ResponsePolynomial, setup_traffic};
use rayon::prelude::*;

/// The client's public keys, one per parameter set of the program.
pub struct RlweServer {
    keys: Vec<PublicKey>,
}

impl RlweServer {
    /// Receives the public key of each set.
    pub fn setup(channel: &mut Channel, sets: &[&'static ParamSet]) -> Result<RlweServer> {
        let mut keys = Vec::with_capacity(sets.len());
        for set in sets {
            let bytes = setup_traffic(set).client_to_server - picc_ir::cost::HEADER_BYTES;
            let payload = channel.recv(Kind::PublicKey, bytes as usize)?;
            let (seed, rest) = split_seed(&payload)?;
            let ring = Ring::of(set);
            let mut b = ring.zero::<Ntt>();
            let mut bits = BitReader::new(rest);
            for (t, words) in ring.tables().iter().zip(b.words_mut().chunks_exact_mut(set.degree)) {
                for w in words {
                    *w = bits.pull(set.prime_bits) as u64;
                    if *w >= t.modulus().p() {
                        return Err(Misbehaviour::Residue { of: "public key's residue" }.into());
                    }
                }
            }
            if !bits.padding_is_zero() {
                return Err(Misbehaviour::Padding { of: "public key" }.into());
            }
            if b.words().iter().all(|&w| w == 0) {
                return Err(Misbehaviour::ZeroKey.into());
            }
            keys.push(PublicKey::new(ring, &seed, &b));
        }
        Ok(RlweServer { keys })
    }

    pub(super) fn key(&self, set: &ParamSet) -> Result<&PublicKey> {
        let found = self.keys.iter().find(|k| k.ring().set() == set);
        Ok(found.ok_or(BadProgram::NoKey { set: set.name })?)
    }
}

/// `share` is `[n, c_in, h, w]`; returns the server's share of `[n, c_out, oh, ow]`.
pub fn conv_server(
    channel: &mut Channel,
    server: &RlweServer,
    weights: &PreparedConv,
    share: &[u64],
    rng: &mut Csprng,
) -> Result<Vec<u64>> {
    linear_server(channel, server, &weights.linear, share, rng)
}

/// `share` is `[batch, rows, inner]`; returns the server's share of `[batch, rows, cols]`.
pub fn matmul_server(
    channel: &mut Channel,
    server: &RlweServer,
    weights: &PreparedMatMul,
    share: &[u64],
    rng: &mut Csprng,
) -> Result<Vec<u64>> {
    linear_server(channel, server, &weights.linear, share, rng)
}

/// Either, by its prepared weights.
pub fn linear_server(
    channel: &mut Channel,
    server: &RlweServer,
    weights: &PreparedLinear,
    share: &[u64],
    rng: &mut Csprng,
) -> Result<Vec<u64>> {
    serve(channel, server, weights, share, rng, Protection::Full)
}

/// Input polynomials that are held in memory at once, if one tile does not need more (128 kB each and up).
const HELD: usize = 1024;

pub(super) fn serve(
    channel: &mut Channel,
    server: &RlweServer,
    weights: &PreparedLinear,
    share: &[u64],
    rng: &mut Csprng,
    protection: Protection,
) -> Result<Vec<u64>> {
    let plan = weights.plan();
    let [inputs, _, outputs] = plan.layer.lens();
    if share.len() != inputs {
        return Err(BadProgram::ShareLength { expected: inputs, got: share.len() }.into());
    }
    let key = server.key(plan.budget.set)?;
    let job = Job { plan, key, encoder: Encoder::new(key.ring(), plan.budget.ring_bits), share, protection };
    let tiles = plan.encoding.tiles(&plan.layer);
    let units = plan.encoding.blocks(&plan.layer) * tiles;

    let mut requests = Requests::new(plan, key);
    let mut incoming = plan.request_polynomials();
    let mut outgoing = plan.response_polynomials();
    let mut responses = Responses::new(plan);
    let mut result = vec![0; outputs];
    let mut unit = 0;
    while unit < units {
        // A group of tiles of one block shares the transformed weights.
        let block = unit / tiles;
        let parts = plan.encoding.channel_parts(&plan.layer, block).count();
        let group = (HELD / parts).max(1).min((block + 1) * tiles - unit);
        let mut received = Vec::with_capacity(group * parts);
        for p in incoming.by_ref().take(group * parts) {
            let (seed, index, bytes) = requests.next(channel, &p)?;
            received.push((p, seed, index, bytes, rng.fork()));
        }
        let ciphertexts: Vec<Ciphertext> = received
            .into_par_iter()
            .map(|(p, seed, index, bytes, mut rng)| job.receive(&p, &seed, index, &bytes, &mut rng))
            .collect::<Result<_>>()?;

        let rows: Vec<_> = plan.encoding.output_parts(&plan.layer, block).enumerate().collect();
        let wanted: Vec<ResponsePolynomial> = outgoing.by_ref().take(group * rows.len()).collect();
        let rngs: Vec<Csprng> = rows.iter().map(|_| rng.fork()).collect();
        let made: Vec<Vec<Made>> = rows
            .par_iter()
            .zip(rngs)
            .map(|((part, outputs), mut rng)| {
                let row = weights.row(block, *part, outputs);
                (0..group)
                    .map(|t| {
                        let tile = &ciphertexts[t * parts..(t + 1) * parts];
                        job.respond(&row, tile, &wanted[t * rows.len() + part], &mut rng)
                    })
                    .collect()
            })
            .collect();
        for t in 0..group {
            for row in &made {
                responses.push(channel, &row[t].bytes)?;
                row[t].share.iter().for_each(|&(at, r)| result[at] = r);
            }
        }
        unit += group;
    }
    channel.flush()?;
    Ok(result)
}

/// Adds the encoding of a share to the coefficients of `b` where its pixels are.
pub(super) fn add_message(
    plan: &LinearPlan,
    ring: &Ring,
    encoder: &Encoder,
    p: &RequestPolynomial,
    share: &[u64],
    b: &mut Poly<Coeff>,
    rng: &mut Csprng,
) {
    let (layer, encoding, n) = (&plan.layer, &plan.encoding, ring.degree());
    for (ci, c) in p.channels.clone().enumerate() {
        for (i, image) in p.tile.images.clone().enumerate() {
            for (yi, y) in (p.tile.rows.start..p.tile.rows.end + layer.extent[0] - 1).enumerate() {
                for (xi, x) in (p.tile.cols.start..p.tile.cols.end + layer.extent[1] - 1).enumerate() {
                    let Some(element) = layer.input_index(image, c, y, x) else { continue };
                    let at = encoding.input_position(ci, i, yi, xi);
                    for (j, r) in encoder.encode(ring, share[element], rng).enumerate() {
                        let word = &mut b.words_mut()[j * n + at];
                        *word = ring.tables()[j].modulus().add(*word, r);
                    }
                }
            }
        }
    }
}

pub(super) struct Ciphertext {
    a: Poly<Ntt>,
    b: Poly<Ntt>,
}

/// A response polynomial's bytes and the server's share of its outputs.
struct Made {
    bytes: Vec<u8>,
    share: Vec<(usize, u64)>,
}

pub(super) struct Job<'a> {
    pub(super) plan: &'a LinearPlan,
    pub(super) key: &'a PublicKey,
    pub(super) encoder: Encoder,
    pub(super) share: &'a [u64],
    pub(super) protection: Protection,
}

/// Values that are accumulated at a time, so that the sums stay in the first cache.
const CHUNK: usize = 256;

impl Job<'_> {
    /// Parses `b`, adds the server's share, transforms.
    pub(super) fn receive(
        &self,
        p: &RequestPolynomial,
        seed: &[u8; 32],
        index: u64,
        bytes: &[u8],
        rng: &mut Csprng,
    ) -> Result<Ciphertext> {
        let (ring, budget) = (self.key.ring(), &self.plan.budget);
        let n = ring.degree();
        let mut b = ring.zero::<Coeff>();
        let mut bits = BitReader::new(bytes);
        let out_of_range = || Error::from(Misbehaviour::Residue { of: "ciphertext's coefficient" });
        // Rounding may reach the next multiple of what was dropped.
        let most: u128 = if budget.set.composite() {
            let q: u128 = budget.set.primes.iter().map(|&p| u128::from(p)).product();
            q + (1 << budget.request_drop)
        } else {
            0
        };
        for at in self.plan.request_positions(p) {
            let at = at as usize;
            if budget.set.composite() {
                let value = bits.pull(budget.request_bits()) << budget.request_drop;
                if value >= most {
                    return Err(out_of_range());
                }
                for (i, t) in ring.tables().iter().enumerate() {
                    b.words_mut()[i * n + at] = t.modulus().reduce(value);
                }
            } else {
                for (i, t) in ring.tables().iter().enumerate() {
                    let value = bits.pull(budget.set.prime_bits) as u64;
                    if value >= t.modulus().p() {
                        return Err(out_of_range());
                    }
                    b.words_mut()[i * n + at] = value;
                }
            }
        }
        if !bits.padding_is_zero() {
            return Err(Misbehaviour::Padding { of: "ciphertext" }.into());
        }
        add_message(self.plan, ring, &self.encoder, p, self.share, &mut b, rng);
        Ok(Ciphertext { a: uniform(ring, seed, index), b: ring.ntt(b) })
    }

    /// `sum of weights times ciphertexts`, hidden, switched and packed.
    fn respond(
        &self,
        row: &[Weight],
        ciphertexts: &[Ciphertext],
        p: &ResponsePolynomial,
        rng: &mut Csprng,
    ) -> Made {
        let elements = self.plan.response_elements(p);
        let (a, b, share) = self.hidden(row, ciphertexts, &elements, rng);
        let (ring, budget) = (self.key.ring(), &self.plan.budget);
        let mut bits = BitWriter::with_capacity(self.plan.response_bytes(p) as usize);
        let (a_bits, b_bits) = (budget.response_bits, budget.response_bits - budget.response_drop);
        let round = |fraction: u128, bits: u32| fraction.wrapping_add(1 << (127 - bits)) >> (128 - bits);
        (0..ring.degree()).for_each(|at| bits.push(round(ring.fraction(&a, at), a_bits), a_bits));
        elements.iter().for_each(|&(at, _)| bits.push(round(ring.fraction(&b, at as usize), b_bits), b_bits));
        Made { bytes: bits.finish(), share }
    }

    /// The response before it is switched, and the server's share of it.
    pub(super) fn hidden(
        &self,
        row: &[Weight],
        ciphertexts: &[Ciphertext],
        elements: &[(u32, usize)],
        rng: &mut Csprng,
    ) -> (Poly<Coeff>, Poly<Coeff>, Vec<(usize, u64)>) {
        let (ring, budget) = (self.key.ring(), &self.plan.budget);
        let n = ring.degree();
        let (mut a, mut b) = self.products(row, ciphertexts);
        let (randomize, cover) = match self.protection {
            Protection::Full => (true, true),
            #[cfg(test)]
            Protection::Uncovered => (true, false),
            #[cfg(test)]
            Protection::None => (false, false),
        };
        if randomize {
            self.key.randomize(&mut a, &mut b, rng);
        }
        let (mut a, mut b) = (ring.coeff(a), ring.coeff(b));
        if randomize {
            (0..n).for_each(|at| add_error(ring, &mut a, at, rng.error()));
        }
        let mask = u64::MAX >> (64 - budget.ring_bits);
        let mut share = Vec::with_capacity(elements.len());
        let mut add = |at: usize, residues: &mut dyn Iterator<Item = u64>, noise: i128| {
            for (i, r) in residues.enumerate() {
                let m = ring.tables()[i].modulus();
                let word = &mut b.words_mut()[i * n + at];
                *word = m.add(m.add(*word, r), m.reduce_signed(noise));
            }
        };
        for &(at, element) in elements {
            let error = if randomize { i128::from(rng.error()) } else { 0 };
            let at = at as usize;
            match budget.hiding {
                Hiding::Flood => {
                    let r = rng.next_u64() & mask;
                    share.push((element, r));
                    let flood = if cover { rng.flood(budget.flood_bits) } else { 0 };
                    let mut encoded = self.encoder.encode(ring, r.wrapping_neg() & mask, rng);
                    add(at, &mut encoded, error + flood);
                }
                Hiding::FullRange if cover => {
                    let masks = self.key.masks();
                    let r = masks.draw(rng);
                    share.push((element, masks.step(&r, budget.ring_bits).wrapping_neg() & mask));
                    add(at, &mut masks.residues(ring, &r), error + rng.blur(budget.flood_bits));
                }
                Hiding::FullRange => {
                    share.push((element, 0));
                    add(at, &mut std::iter::repeat_n(0, ring.tables().len()), error);
                }
            }
        }
        (a, b, share)
    }

    fn products(&self, row: &[Weight], ciphertexts: &[Ciphertext]) -> (Poly<Ntt>, Poly<Ntt>) {
        let ring = self.key.ring();
        let n = ring.degree();
        let (mut a, mut b) = (ring.zero::<Ntt>(), ring.zero::<Ntt>());
        let mut sums = Accumulator::new(CHUNK);
        let terms: Vec<(&Weight, &Ciphertext)> = row.iter().zip(ciphertexts).collect();
        for (prime, table) in ring.tables().iter().enumerate() {
            for start in (0..n).step_by(CHUNK) {
                let at = prime * n + start..prime * n + start + CHUNK;
                for terms in terms.chunks(Accumulator::LIMIT) {
                    sums.clear();
                    let terms = terms.iter().filter_map(|(weight, c)| {
                        let weight = match weight {
                            Weight::Zero => return None,
                            Weight::Scalar(w) => Multiplier::All(w[prime]),
                            Weight::Ntt(w) => Multiplier::Each(&w[at.clone()]),
                        };
                        Some(Term { halves: [&c.a.words()[at.clone()], &c.b.words()[at.clone()]], weight })
                    });
                    sums.add(&terms.collect::<Vec<_>>());
                    sums.finish(table, [&mut a.words_mut()[at.clone()], &mut b.words_mut()[at.clone()]]);
                }
            }
        }
        (a, b)
    }
}

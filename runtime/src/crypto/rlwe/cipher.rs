//! Keys and the halves of ciphertexts. A ciphertext `(a, b)` has phase `b + a s`.
//!
//! This is the symmetric ring LWE encryption of Brakerski and Vaikuntanathan with the
//! public-key encryption of zero of Lyubashevsky, Peikert and Regev for re-randomization.

use super::mask::MaskSampler;
use super::modulus::{Factor, below};
use super::ring::{Coeff, Ntt, Poly, Ring};
use super::sample::{Csprng, uniform};
use std::sync::Arc;
use zeroize::Zeroize;

/// Whether a response is re-randomized, and masked or flooded as its plan says. There is one answer outside tests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    Full,
    /// Re-randomized only, to measure the noise.
    #[cfg(test)]
    Uncovered,
    /// Neither, to show what goes wrong.
    #[cfg(test)]
    None,
}

/// The client's ternary secret, in NTT form. Wiped when dropped; no `Debug`, no `Clone`.
pub struct SecretKey {
    ring: Arc<Ring>,
    s: Vec<Factor>,
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        for f in &mut self.s {
            f.value.zeroize();
            f.quotient.zeroize();
        }
    }
}

impl SecretKey {
    #[must_use]
    pub fn generate(ring: Arc<Ring>, rng: &mut Csprng) -> SecretKey {
        let mut coefficients = rng.ternary(ring.degree());
        let mut ntt = ring.ntt(ring.small(&coefficients));
        let s = ring.factors(&ntt);
        coefficients.zeroize();
        ntt.zeroize();
        SecretKey { ring, s }
    }

    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// `b = -a s + e` of a public key, in NTT form; `a` is polynomial 0 of `seed`.
    #[must_use]
    pub fn public_key(&self, seed: &[u8; 32], rng: &mut Csprng) -> Poly<Ntt> {
        let mut b = self.mask(seed, 0);
        for at in 0..self.ring.degree() {
            add_error(&self.ring, &mut b, at, rng.error());
        }
        self.ring.ntt(b)
    }

    /// `-a s` for polynomial `index` of `seed`: a ciphertext of zero still without its error.
    #[must_use]
    pub fn mask(&self, seed: &[u8; 32], index: u64) -> Poly<Coeff> {
        let mut a = uniform(&self.ring, seed, index);
        self.ring.mul(&mut a, &self.s);
        let n = self.ring.degree();
        for (t, words) in self.ring.tables().iter().zip(a.words_mut().chunks_exact_mut(n)) {
            let p = t.modulus().p();
            words.iter_mut().for_each(|w| *w = below(p - *w, p));
        }
        self.ring.coeff(a)
    }

    /// `b + a s`, the message with its noise.
    #[cfg(test)]
    pub fn phase(&self, a: Poly<Coeff>, mut b: Poly<Coeff>) -> Poly<Coeff> {
        let mut a = self.ring.ntt(a);
        self.ring.mul(&mut a, &self.s);
        let a = self.ring.coeff(a);
        for (i, t) in self.ring.tables().iter().enumerate() {
            let range = i * self.ring.degree()..(i + 1) * self.ring.degree();
            for at in range {
                b.words_mut()[at] = t.modulus().add(b.words()[at], a.words()[at]);
            }
        }
        b
    }

    /// `a s mod 2^bits` for coefficients `a` modulo `2^bits`.
    ///
    /// Computed over the integers: its magnitude is below `N 2^bits`, less than half the product of the primes used.
    #[must_use]
    pub fn unmask(&self, a: &[u128], bits: u32) -> Vec<u128> {
        let (ring, n) = (&self.ring, self.ring.degree());
        let set = ring.set();
        let primes = (bits + n.ilog2() + 2).div_ceil(set.prime_bits) as usize;
        assert!(primes <= set.primes.len() && primes as u32 * set.prime_bits < 127, "response modulus too large");
        let mut poly = ring.prefix_zero::<Coeff>(primes);
        for (t, words) in ring.tables().iter().zip(poly.words_mut().chunks_exact_mut(n)) {
            words.iter_mut().zip(a).for_each(|(w, &v)| *w = t.modulus().reduce(v));
        }
        let mut poly = ring.ntt(poly);
        ring.mul(&mut poly, &self.s);
        let mut poly = ring.coeff(poly);
        let q: u128 = set.primes[..primes].iter().map(|&p| u128::from(p)).product();
        let mask = (1u128 << bits) - 1;
        let products = (0..n)
            .map(|at| {
                let v = ring.compose(&poly, at, primes);
                // Above q / 2 it is negative.
                let negative = (q / 2).wrapping_sub(v) >> 127;
                v.wrapping_sub(q * negative) & mask
            })
            .collect();
        poly.zeroize();
        products
    }
}

/// The client's public key, at the server.
pub struct PublicKey {
    ring: Arc<Ring>,
    seed: [u8; 32],
    a: Vec<Factor>,
    b: Vec<Factor>,
    masks: MaskSampler,
}

impl PublicKey {
    #[must_use]
    pub fn new(ring: Arc<Ring>, seed: &[u8; 32], b: &Poly<Ntt>) -> PublicKey {
        let a = ring.factors(&uniform(&ring, seed, 0));
        let b = ring.factors(b);
        let masks = MaskSampler::new(&ring);
        PublicKey { ring, seed: *seed, a, b, masks }
    }

    /// Of the key's uniform half.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// Full-range masks of the ring.
    #[must_use]
    pub fn masks(&self) -> &MaskSampler {
        &self.masks
    }

    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Adds a fresh encryption of zero, still without its two errors: `(a, b) += u (pk_a, pk_b)`, `u` ternary.
    pub fn randomize(&self, a: &mut Poly<Ntt>, b: &mut Poly<Ntt>, rng: &mut Csprng) {
        let u = self.ring.ntt(self.ring.small(&rng.ternary(self.ring.degree())));
        self.ring.mul_add(a, &u, &self.a);
        self.ring.mul_add(b, &u, &self.b);
    }
}

/// Adds a small error (magnitude below p) to one coefficient.
#[inline]
pub fn add_error(ring: &Ring, poly: &mut Poly<Coeff>, at: usize, error: i64) {
    let n = ring.degree();
    for (i, t) in ring.tables().iter().enumerate() {
        let m = t.modulus();
        let word = &mut poly.words_mut()[i * n + at];
        *word = m.add(*word, m.small(error));
    }
}

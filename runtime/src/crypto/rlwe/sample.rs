//! Sampling. Private randomness is ChaCha20 seeded by the operating system; public polynomials come from a seed by
//! keyed BLAKE3 in its extendable-output mode.

use super::ring::{Ntt, Poly, Ring};
use crate::crypto::ct;
use crate::crypto::xof::{CHUNK, Xof};
use crate::error::{Local, Result};
use chacha20::ChaCha20Rng;
use picc_ir::mpc::rlwe::params::CBD_K;
use rand::{Rng, SeedableRng, TryRng, rngs::SysRng};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Words that are drawn from the generator at once.
const DRAWN: usize = 64;

/// ChaCha20 (RFC 8439, with a counter of 64 bits and nonce 0) under a seed as its key. No `Debug`, no `Clone`. Wiped when
/// dropped: the words not used yet here, the key and its last output by the crate.
pub struct Csprng {
    rng: ChaCha20Rng,
    words: [u64; DRAWN],
    /// The first word not used yet.
    at: usize,
}

impl Drop for Csprng {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

impl ZeroizeOnDrop for Csprng where ChaCha20Rng: ZeroizeOnDrop {}

impl Csprng {
    /// Seeded by the operating system.
    pub fn from_os() -> Result<Csprng> {
        let mut seed = [0u8; 32];
        SysRng.try_fill_bytes(&mut seed).map_err(|e| Local::Randomness(std::io::Error::other(e.to_string())))?;
        ct::secret(&mut seed);
        let rng = Csprng::from_seed(seed);
        seed.zeroize();
        Ok(rng)
    }

    /// Reproducible: for tests, and for children of another generator.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Csprng {
        Csprng { rng: ChaCha20Rng::from_seed(seed), words: [0; DRAWN], at: DRAWN }
    }

    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0u8; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }

    /// An independent generator, for another thread.
    pub fn fork(&mut self) -> Csprng {
        Csprng::from_seed(self.seed())
    }

    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        if self.at == DRAWN {
            self.draw();
        }
        let word = self.words[self.at];
        self.at += 1;
        word
    }

    #[cold]
    fn draw(&mut self) {
        let mut bytes = [[0u8; 8]; DRAWN];
        self.rng.fill_bytes(bytes.as_flattened_mut());
        self.words = bytes.map(u64::from_le_bytes);
        bytes.as_flattened_mut().zeroize();
        self.at = 0;
    }

    /// Uniform in `{-1, 0, 1}`: bytes below 255 modulo three; whether a byte is rejected says nothing about the rest.
    pub fn ternary(&mut self, n: usize) -> Vec<i64> {
        let mut out = Vec::with_capacity(n);
        while out.len() < n {
            let bytes = self.next_u64().to_le_bytes();
            // Which bytes are rejected may be known: they are used for nothing, and the others stay uniform.
            let kept = bytes.iter().filter(|&&b| ct::public(b < 255));
            out.extend(kept.map(|&b| i64::from(b % 3) - 1));
        }
        out.truncate(n);
        out
    }

    /// Centred binomial: standard deviation `sqrt(21 / 2) = 3.24`.
    pub fn error(&mut self) -> i64 {
        // The ones of one half, less those of the other: one count, with the other half's bits flipped.
        let flipped = self.next_u64() ^ ((1 << CBD_K) - 1) << CBD_K;
        i64::from((flipped & ((1 << (2 * CBD_K)) - 1)).count_ones()) - i64::from(CBD_K)
    }

    /// Uniform in `[-2^bits, 2^bits)`, `bits <= 126`.
    pub fn flood(&mut self, bits: u32) -> i128 {
        let wide = u128::from(self.next_u64()) | u128::from(self.next_u64()) << 64;
        (wide & ((1 << (bits + 1)) - 1)) as i128 - (1 << bits)
    }

    /// The sum of four uniform values of `[-2^bits, 2^bits) / 2`, `bits <= 124`.
    pub fn blur(&mut self, bits: u32) -> i128 {
        (0..4).map(|_| self.flood(bits - 1)).sum()
    }
}

/// The uniform polynomial number `index` of a public seed, directly in NTT form (uniform is uniform there).
#[must_use]
pub fn uniform(ring: &Ring, seed: &[u8; 32], index: u64) -> Poly<Ntt> {
    let mut xof = Xof::new(seed, &[&b"picc rlwe uniform v1"[..], &index.to_le_bytes()].concat());
    let mut poly = ring.zero();
    let mask = (1u64 << ring.set().prime_bits) - 1;
    let mut block = [0u8; CHUNK];
    let mut fresh = [0u64; CHUNK / 8];
    let mut at = fresh.len();
    for (table, out) in ring.tables().iter().zip(poly.words_mut().chunks_exact_mut(ring.degree())) {
        let p = table.modulus().p();
        for o in out {
            // Rejection (public data): primes lie just below a power of two, so it is rare.
            loop {
                if at == fresh.len() {
                    xof.fill(&mut block);
                    for (f, b) in fresh.iter_mut().zip(block.as_chunks::<8>().0) {
                        *f = u64::from_le_bytes(*b) & mask;
                    }
                    at = 0;
                }
                at += 1;
                if fresh[at - 1] < p {
                    *o = fresh[at - 1];
                    break;
                }
            }
        }
    }
    poly
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first words under the key of zeros: the keystream of the RFC's reference, in any implementation.
    #[test]
    fn the_generator_is_chacha20_and_is_wiped() {
        fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<ChaCha20Rng>();
        is_wiped::<Csprng>();
        let mut rng = Csprng::from_seed([0; 32]);
        assert_eq!([rng.next_u64(), rng.next_u64()], [0x903d_f1a0_ade0_b876, 0x28bd_8653_e56a_5d40]);
    }

    #[test]
    fn moments_are_those_claimed() {
        let mut rng = Csprng::from_seed([7; 32]);
        let n = 200_000;
        let (mut sum, mut squares) = (0i64, 0i64);
        for _ in 0..n {
            let e = rng.error();
            sum += e;
            squares += e * e;
        }
        assert!((sum as f64 / f64::from(n)).abs() < 0.05);
        assert!((squares as f64 / f64::from(n) - 10.5).abs() < 0.2);
        let t = rng.ternary(90_000);
        for v in -1..=1 {
            let count = t.iter().filter(|&&x| x == v).count();
            assert!((29_000..31_000).contains(&count));
        }
        assert!((0..1000).all(|_| (-8..8).contains(&rng.flood(3))));
        let blur: Vec<f64> = (0..20_000).map(|_| rng.blur(20) as f64 / f64::from(20).exp2()).collect();
        assert!(blur.iter().all(|v| v.abs() <= 2.0));
        let variance = blur.iter().map(|v| v * v).sum::<f64>() / blur.len() as f64;
        assert!((variance - 1.0 / 3.0).abs() < 0.02, "{variance}");
        assert!((-(1i128 << 126)..=1 << 126).contains(&rng.blur(124)));
        // The secret that the estimates are made for.
        let estimates = &picc_ir::mpc::rlwe::params::ESTIMATES;
        assert!(estimates.iter().all(|e| e.secret.map(i64::from) == [-1, 0, 1]));
        assert!(t.iter().all(|v| estimates[0].secret.contains(&(*v as i8))));
    }

    #[test]
    fn uniform_depends_on_seed_and_index() {
        let ring = Ring::of(&picc_ir::mpc::rlwe::PARAM_SETS[0]);
        let (a, b) = (uniform(&ring, &[1; 32], 0), uniform(&ring, &[1; 32], 1));
        assert!(a.words() != b.words() && a.words() == uniform(&ring, &[1; 32], 0).words());
        let p = ring.set().primes[0];
        assert!(a.words()[..4096].iter().all(|&v| v < p));
    }
}

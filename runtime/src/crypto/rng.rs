//! A party's one generator of randomness.
//!
//! ```text
//!   operating system ── 16 bytes ──> AES-128 in counter mode    base OTs, deltas, nonces
//!                    └─ 32 bytes ──> ChaCha20                   secrets, errors and masks of ring LWE
//! ```

use super::block::Block;
use super::ct;
use super::prg::Prg;
use super::rlwe::Csprng;
use crate::error::{Local, Result};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A party's source of randomness: shares, masks, noise, keys. No `Clone`: two copies would draw the same.
pub struct Rng {
    prg: Prg,
    lattice: Csprng,
}

impl ZeroizeOnDrop for Rng
where
    Prg: ZeroizeOnDrop,
    Csprng: ZeroizeOnDrop,
{
}

impl Rng {
    /// Seeded by the operating system.
    pub fn from_os() -> Result<Rng> {
        use rand::TryRng;
        let lattice = Csprng::from_os()?;
        let mut seed = [0u8; 16];
        rand::rngs::SysRng
            .try_fill_bytes(&mut seed)
            .map_err(|e| Local::Randomness(std::io::Error::other(e.to_string())))?;
        ct::secret(&mut seed);
        let prg = Prg::new(Block::from_bytes(seed));
        seed.zeroize();
        Ok(Rng { prg, lattice })
    }

    /// Reproducible randomness for tests and benches; never for a run whose inputs matter.
    #[must_use]
    pub fn from_seed(seed: u64) -> Rng {
        let lattice = blake3::derive_key("picc 2026 seeded generator of ring LWE", &seed.to_le_bytes());
        Rng { prg: Prg::new(Block(u128::from(seed))), lattice: Csprng::from_seed(lattice) }
    }

    /// An independent generator, for a thread or a sub-protocol.
    pub fn fork(&mut self) -> Rng {
        Rng { prg: Prg::new(self.prg.block()), lattice: self.lattice.fork() }
    }

    /// What ring LWE draws from.
    pub fn lattice(&mut self) -> &mut Csprng {
        &mut self.lattice
    }

    pub fn block(&mut self) -> Block {
        self.prg.block()
    }

    pub fn fill_blocks(&mut self, out: &mut [Block]) {
        self.prg.fill_blocks(out);
    }

    pub fn fill_u64(&mut self, out: &mut [u64]) {
        self.prg.fill_u64(out);
    }

    pub fn fill_bytes(&mut self, out: &mut [u8]) {
        self.prg.fill_bytes(out);
    }

    pub fn next_u64(&mut self) -> u64 {
        self.prg.next_u64()
    }

    /// `n` uniform words.
    pub fn words(&mut self, n: usize) -> Vec<u64> {
        let mut out = vec![0; n];
        self.fill_u64(&mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed decides both streams, and drawing from one does not move the other.
    #[test]
    fn the_two_streams_are_apart() {
        fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<Rng>();
        let mut rngs = [1, 1, 2].map(Rng::from_seed);
        let first = rngs[0].words(100);
        let [a, b, c] = rngs.each_mut().map(|r| r.lattice().next_u64());
        assert_eq!((a, rngs[1].words(100)), (b, first));
        assert_ne!(a, c);
        assert_ne!(rngs[0].fork().lattice().next_u64(), rngs[0].lattice().next_u64());
    }

    #[test]
    fn forks_and_successive_reads_differ() {
        let mut rng = Rng::from_seed(1);
        let mut fork = rng.fork();
        assert_ne!(rng.words(4), fork.words(4));
        assert_ne!(rng.words(3), rng.words(3));
        assert_ne!(Rng::from_os().unwrap().next_u64(), Rng::from_os().unwrap().next_u64());
    }

    #[test]
    fn bits_are_balanced() {
        let ones: u32 = Rng::from_seed(2).words(1 << 14).iter().map(|w| w.count_ones()).sum();
        // 2^20 bits, standard deviation 512.
        assert!(ones.abs_diff(1 << 19) < 6 * 512, "{ones}");
    }
}

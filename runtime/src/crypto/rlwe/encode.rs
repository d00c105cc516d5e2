//! Plaintexts: `m mod 2^l` as `q m / 2^l`, with dithered rounding.

use super::modulus::Factor;
use super::ring::Ring;
use super::sample::Csprng;

/// Encodes integers modulo `2^ring_bits`.
pub struct Encoder {
    mask: u64,
    /// q modulo 2^64.
    q: u64,
    /// `2^-ring_bits mod p`.
    inverse: Vec<Factor>,
}

impl Encoder {
    /// `1 <= ring_bits <= 64`.
    #[must_use]
    pub fn new(ring: &Ring, ring_bits: u32) -> Encoder {
        let inverse = ring.tables().iter().map(|t| {
            let m = t.modulus();
            m.factor(m.inverse(m.reduce(1 << ring_bits)))
        });
        Encoder {
            mask: u64::MAX >> (64 - ring_bits),
            q: ring.set().primes.iter().fold(1, |q, &p| q.wrapping_mul(p)),
            inverse: inverse.collect(),
        }
    }

    /// Residues of `floor((q m + u) / 2^l)` for a fresh uniform `u < 2^l`: the error has mean zero and lies in an
    /// interval of length one.
    ///
    /// `q m + u - z` is a multiple of `2^l` where `z` is its low part; modulo p, q vanishes.
    #[inline]
    pub fn encode<'a>(&'a self, ring: &'a Ring, m: u64, rng: &mut Csprng) -> impl Iterator<Item = u64> + 'a {
        let u = rng.next_u64() & self.mask;
        let z = self.q.wrapping_mul(m).wrapping_add(u) & self.mask;
        // The ring is public; up to 52 bits, as most are, one product does it.
        let narrow = self.mask < 1 << 52;
        ring.tables().iter().zip(&self.inverse).map(move |(t, inverse)| {
            let m = t.modulus();
            if narrow {
                m.mul_signed(u.wrapping_sub(z).cast_signed(), *inverse)
            } else {
                m.mul(m.reduce_signed(i128::from(u) - i128::from(z)), *inverse)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring::Coeff;
    use super::*;
    use picc_ir::mpc::rlwe::PARAM_SETS;

    #[test]
    fn encodings_are_off_by_less_than_one() {
        let mut rng = Csprng::from_seed([3; 32]);
        for set in PARAM_SETS.iter().filter(|s| s.composite()) {
            let ring = Ring::of(set);
            let q: u128 = set.primes.iter().map(|&p| u128::from(p)).product();
            for bits in [1, 8, 17, 52, 53] {
                let encoder = Encoder::new(&ring, bits);
                for m in [0, 1, (1 << bits) - 1, 1 << (bits - 1)] {
                    let mut poly = ring.zero::<Coeff>();
                    for (i, r) in encoder.encode(&ring, m, &mut rng).enumerate() {
                        poly.words_mut()[i * set.degree] = r;
                    }
                    let (high, low) = (q >> bits, q & ((1 << bits) - 1));
                    let exact = high * u128::from(m) + ((low * u128::from(m)) >> bits);
                    let got = ring.compose(&poly, 0, set.primes.len());
                    assert!(got == exact || got == exact + 1, "{got} {exact}");
                }
            }
        }
    }
}

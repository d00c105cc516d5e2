//! Full-range masks: integers uniform in `[0, q)`, their residues, and their place on the circle in exact steps.
//!
//! ```text
//!   R  uniform below q       b' + R   is sent
//!      floor(R 2^l / q)      is minus the server's share
//! ```
//!
//! The step is chosen after `R`, not before: classes of equal steps differ in size by one where q is odd, so that no
//! `R` made from a uniform step would be uniform.
//!
//! Constant time: the words of an accepted `R` meet no branch, index or division. Whether a candidate is below q
//! decides about the next draw; nothing else is done with one that is not.

use super::modulus::Factor;
use super::ring::Ring;
use super::sample::Csprng;
use crate::crypto::ct;
use picc_ir::mpc::rlwe::ParamSet;

/// 256 bits, least significant first.
type Wide = [u64; 4];

/// Draws masks of one ring.
pub struct MaskSampler {
    q: Wide,
    coeff_bits: u32,
    /// `floor(2^128 (2^Q / q - 1))`.
    excess: u128,
    /// `2^128` modulo each prime.
    high: Vec<Factor>,
}

/// A mask: secret. No `Debug`.
pub struct Mask {
    value: Wide,
}

impl MaskSampler {
    #[must_use]
    pub fn new(ring: &Ring) -> MaskSampler {
        let set: &ParamSet = ring.set();
        let q = set.primes.iter().fold([1, 0, 0, 0], |q, &p| times(q, p));
        let coeff_bits = set.coeff_bits();
        // 2^Q - q, then its quotient by q in binary, 128 digits.
        let mut rest = minus(shifted([1, 0, 0, 0], coeff_bits), q).0;
        let mut excess = 0u128;
        for _ in 0..128 {
            rest = shifted(rest, 1);
            let (less, borrow) = minus(rest, q);
            excess = excess << 1 | u128::from(1 - borrow);
            rest = if borrow == 1 { rest } else { less };
        }
        let high = ring.tables().iter().map(|t| {
            let m = t.modulus();
            // 2^128 is one more than the largest value of 128 bits.
            m.factor(m.add(m.reduce(u128::MAX), 1))
        });
        MaskSampler { q, coeff_bits, excess, high: high.collect() }
    }

    /// Uniform in `[0, q)`.
    pub fn draw(&self, rng: &mut Csprng) -> Mask {
        loop {
            let mut value = [0; 4];
            let mut left = self.coeff_bits;
            for word in value.iter_mut().take(self.coeff_bits.div_ceil(64) as usize) {
                *word = rng.next_u64() & (u64::MAX >> (64 - left.min(64)));
                left = left.saturating_sub(64);
            }
            // Rejection: q is just below a power of two, so it is rare. Whether a candidate is rejected may be known: a
            // rejected one is used for nothing, and one that is kept stays uniform.
            if ct::public(minus(value, self.q).1) == 1 {
                return Mask { value };
            }
        }
    }

    /// `R` modulo each prime.
    pub fn residues<'a>(&'a self, ring: &'a Ring, mask: &'a Mask) -> impl Iterator<Item = u64> + 'a {
        let [low, high] = halves(mask.value);
        ring.tables().iter().zip(&self.high).map(move |(t, two128)| {
            let m = t.modulus();
            m.add(m.reduce(low), m.mul(m.reduce(high), *two128))
        })
    }

    /// `floor(R 2^bits / q)`, exactly, for `1 <= bits <= 64`.
    #[must_use]
    pub fn step(&self, mask: &Mask, bits: u32) -> u64 {
        // R / 2^Q in units of 2^-128, then R / q = R / 2^Q (1 + excess): from below, by less than four units, and
        // below one.
        let top = match self.coeff_bits {
            q if q <= 128 => halves(mask.value)[0] << (128 - q),
            q => halves(unshifted(mask.value, q - 128))[0],
        };
        let guess = ((top + high_product(top, self.excess)) >> (128 - bits)) as u64;
        // The quotient or one less. R 2^bits - guess q is below 2 q, whatever is lost beyond 256 bits.
        let rest = minus(shifted(mask.value, bits), times(self.q, guess)).0;
        guess + (1 - minus(rest, self.q).1)
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.value);
    }
}

fn halves(x: Wide) -> [u128; 2] {
    [u128::from(x[0]) | u128::from(x[1]) << 64, u128::from(x[2]) | u128::from(x[3]) << 64]
}

/// The difference modulo 2^256, and 1 if it borrows.
#[inline]
fn minus(x: Wide, y: Wide) -> (Wide, u64) {
    let mut borrow = 0;
    let mut out = [0; 4];
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        let difference = u128::from(x).wrapping_sub(u128::from(y)).wrapping_sub(u128::from(borrow));
        *out = difference as u64;
        borrow = (difference >> 64) as u64 & 1;
    }
    (out, borrow)
}

/// The product modulo 2^256.
#[inline]
fn times(x: Wide, y: u64) -> Wide {
    let mut carry = 0u128;
    x.map(|word| {
        carry += u128::from(word) * u128::from(y);
        let low = carry as u64;
        carry >>= 64;
        low
    })
}

/// `x << by` modulo 2^256, for a public `by`.
#[inline]
fn shifted(x: Wide, by: u32) -> Wide {
    let (words, bits) = ((by / 64) as usize, by % 64);
    std::array::from_fn(|i| {
        let high = i.checked_sub(words).map_or(0, |i| x[i] << bits);
        let low = if bits == 0 { 0 } else { i.checked_sub(words + 1).map_or(0, |i| x[i] >> (64 - bits)) };
        high | low
    })
}

/// `x >> by`, for a public `by`.
#[inline]
fn unshifted(x: Wide, by: u32) -> Wide {
    let (words, bits) = ((by / 64) as usize, by % 64);
    let word = |i: usize| x.get(i).copied().unwrap_or(0);
    std::array::from_fn(|i| {
        let high = if bits == 0 { 0 } else { word(i + words + 1) << (64 - bits) };
        word(i + words) >> bits | high
    })
}

/// The upper half of the product, or one or two less.
#[inline]
fn high_product(x: u128, y: u128) -> u128 {
    let (x1, x0) = (x >> 64, x & u128::from(u64::MAX));
    let (y1, y0) = (y >> 64, y & u128::from(u64::MAX));
    x1 * y1 + ((x1 * y0) >> 64) + ((x0 * y1) >> 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::mpc::rlwe::PARAM_SETS;

    /// Whether `x <= y`.
    fn at_most(x: Wide, y: Wide) -> bool {
        minus(y, x).1 == 0
    }

    fn plus(x: Wide, y: Wide) -> Wide {
        minus(x, minus([0; 4], y).0).0
    }

    /// 320 bits: `x 2^bits` whole.
    fn whole(x: Wide, bits: u32) -> [u64; 5] {
        let mut out = [0; 5];
        let mut carry = 0;
        for (out, x) in out.iter_mut().zip(x) {
            let v = u128::from(x) << bits;
            *out = v as u64 | carry;
            carry = (v >> 64) as u64;
        }
        out[4] = carry;
        out
    }

    fn product(x: Wide, y: u128) -> [u64; 5] {
        let mut out = [0u64; 5];
        for (shift, y) in [(0, y as u64), (1, (y >> 64) as u64)] {
            let mut carry = 0u128;
            for i in 0..5 - shift {
                let x = x.get(i).copied().unwrap_or(0);
                carry += u128::from(x) * u128::from(y) + u128::from(out[i + shift]);
                out[i + shift] = carry as u64;
                carry >>= 64;
            }
        }
        out
    }

    fn below(x: [u64; 5], y: [u64; 5]) -> bool {
        x.iter().rev().lt(y.iter().rev())
    }

    /// `step q <= R 2^bits < (step + 1) q`, over the integers, at random, at both ends, and on both sides of
    /// boundaries.
    #[test]
    fn steps_are_exact_quotients() {
        for set in &PARAM_SETS {
            let ring = Ring::of(set);
            let sampler = MaskSampler::new(&ring);
            let mut rng = Csprng::from_seed([set.degree as u8 + set.prime_bits as u8; 32]);
            for bits in [1, 2, 17, 37, 41, 63, 64] {
                let mut masks: Vec<Wide> = (0..50).map(|_| sampler.draw(&mut rng).value).collect();
                let last = minus(sampler.q, [1, 0, 0, 0]).0;
                masks.extend([[0; 4], [1, 0, 0, 0], last]);
                // ceil(step q / 2^bits) is the first R of a step.
                for step in [1, 2, rng.next_u64(), u64::MAX] {
                    let step = step & (u64::MAX >> (64 - bits));
                    let all = product(sampler.q, step.into());
                    let first = std::array::from_fn(|i| {
                        let word = u128::from(all[i]) | u128::from(all[i + 1]) << 64;
                        (word >> bits) as u64
                    });
                    let exact = all[0] & (u64::MAX >> (64 - bits)) == 0;
                    let first = if exact { first } else { plus(first, [1, 0, 0, 0]) };
                    masks.extend([
                        first,
                        plus(first, [1, 0, 0, 0]),
                        minus(first, [u64::from(step > 0), 0, 0, 0]).0,
                    ]);
                }
                for value in masks {
                    assert!(at_most(value, last), "{}", set.name);
                    let mask = Mask { value };
                    let step = u128::from(sampler.step(&mask, bits));
                    let scaled = whole(value, bits);
                    assert!(!below(scaled, product(sampler.q, step)), "{} {bits} {value:?}", set.name);
                    assert!(below(scaled, product(sampler.q, step + 1)), "{} {bits} {value:?}", set.name);
                }
            }
        }
    }

    #[test]
    fn residues_are_those_of_the_integer() {
        for set in &PARAM_SETS {
            let ring = Ring::of(set);
            let sampler = MaskSampler::new(&ring);
            let mut rng = Csprng::from_seed([5; 32]);
            for _ in 0..100 {
                let mask = sampler.draw(&mut rng);
                for (&p, r) in set.primes.iter().zip(sampler.residues(&ring, &mask)) {
                    let long = mask
                        .value
                        .iter()
                        .rev()
                        .fold(0u128, |rest, &word| (rest << 64 | u128::from(word)) % u128::from(p));
                    assert_eq!(u128::from(r), long, "{}", set.name);
                }
            }
        }
    }

    /// Residues of a mask are independent and uniform: counts of 16 x 16 classes of two primes.
    #[test]
    fn masks_are_uniform() {
        for set in &PARAM_SETS {
            let ring = Ring::of(set);
            let sampler = MaskSampler::new(&ring);
            let mut rng = Csprng::from_seed([8; 32]);
            let mut counts = [0u64; 256];
            let mut steps = [0u64; 256];
            let draws = 51_200;
            for _ in 0..draws {
                let mask = sampler.draw(&mut rng);
                let r: Vec<u64> = sampler.residues(&ring, &mask).collect();
                let class = |i: usize| (u128::from(r[i]) * 16 / u128::from(set.primes[i])) as usize;
                counts[class(0) * 16 + class(1)] += 1;
                steps[sampler.step(&mask, 8) as usize] += 1;
            }
            for counts in [counts, steps] {
                let expected = draws as f64 / 256.0;
                let chi2: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
                // 255 degrees of freedom: beyond 360 with probability 2e-5.
                assert!(chi2 < 360.0, "{}: {chi2}", set.name);
            }
        }
    }
}

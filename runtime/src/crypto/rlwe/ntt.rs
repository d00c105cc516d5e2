//! Negacyclic number-theoretic transform (Cooley-Tukey forward, Gentleman-Sande inverse, after Longa and Naehrig,
//! CANS 2016), with Harvey's lazy butterflies.
//!
//! **Bound.** Between stages every value is in `[0, 2p)`. Forward: `V' = V w` is in `[0, 2p)` ([`Modulus::mul_lazy`]
//! takes anything below 2^52, and 2p < 2^52); `U + V'` and `U - V' + 2p` are in `[0, 4p)`, and one conditional
//! subtraction of 2p brings them back. Inverse: `U + V` and `U - V + 2p` are in `[0, 4p)`, are brought below 2p, and
//! only then is the second multiplied. p < 2^51 makes all of these fit 52 and 53 bits.
//!
//! The transformed values are in bit-reversed order; only products by position and the way back use them.

use super::modulus::{Factor, Modulus, below};
use super::simd;

/// Twiddle factors of one prime and dimension.
pub struct NttTable {
    pub(super) modulus: Modulus,
    pub(super) degree: usize,
    /// `psi^bitrev(i)`: values, then Shoup quotients.
    pub(super) forward: [Vec<u64>; 2],
    /// `psi^-bitrev(i)`.
    pub(super) inverse: [Vec<u64>; 2],
    pub(super) degree_inverse: Factor,
}

impl NttTable {
    /// `p = 1 mod 2 degree`, `degree` a power of two of at least 16.
    #[must_use]
    pub fn new(p: u64, degree: usize) -> NttTable {
        assert!(degree.is_power_of_two() && degree >= 16 && p % (2 * degree as u64) == 1);
        let modulus = Modulus::new(p);
        let exponent = (p - 1) / (2 * degree as u64);
        // A 2N-th root is primitive when its N-th power is -1.
        let psi = (2..)
            .map(|g| modulus.pow(g, exponent))
            .find(|&r| modulus.pow(r, degree as u64) == p - 1)
            .unwrap_or_default();
        let table = |root: u64| {
            let bits = degree.ilog2();
            let factors: Vec<Factor> = (0..degree)
                .map(|i| (i as u64).reverse_bits() >> (64 - bits))
                .map(|e| modulus.factor(modulus.pow(root, e)))
                .collect();
            [factors.iter().map(|f| f.value).collect(), factors.iter().map(|f| f.quotient).collect()]
        };
        NttTable {
            modulus,
            degree,
            forward: table(psi),
            inverse: table(modulus.inverse(psi)),
            degree_inverse: modulus.factor(modulus.inverse(degree as u64)),
        }
    }

    #[must_use]
    pub fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    /// Coefficients to values, in place; reduced in and out.
    pub fn forward(&self, a: &mut [u64]) {
        assert_eq!(a.len(), self.degree);
        if !simd::forward(self, a) {
            self.forward_portable(a);
        }
    }

    /// Values to coefficients, in place; reduced in and out.
    pub fn inverse(&self, a: &mut [u64]) {
        assert_eq!(a.len(), self.degree);
        if !simd::inverse(self, a) {
            self.inverse_portable(a);
        }
    }

    pub(super) fn forward_portable(&self, a: &mut [u64]) {
        let (m, two_p) = (&self.modulus, 2 * self.modulus.p());
        let mut half = self.degree;
        let mut groups = 1;
        while groups < self.degree {
            half /= 2;
            for (g, block) in a.chunks_exact_mut(2 * half).enumerate() {
                let w = Factor { value: self.forward[0][groups + g], quotient: self.forward[1][groups + g] };
                let (us, vs) = block.split_at_mut(half);
                for (u, v) in us.iter_mut().zip(vs) {
                    let t = m.mul_lazy(*v, w);
                    *v = below(*u + two_p - t, two_p);
                    *u = below(*u + t, two_p);
                }
            }
            groups *= 2;
        }
        a.iter_mut().for_each(|x| *x = below(*x, m.p()));
    }

    pub(super) fn inverse_portable(&self, a: &mut [u64]) {
        let (m, two_p) = (&self.modulus, 2 * self.modulus.p());
        let mut half = 1;
        let mut groups = self.degree / 2;
        while groups > 0 {
            for (g, block) in a.chunks_exact_mut(2 * half).enumerate() {
                let w = Factor { value: self.inverse[0][groups + g], quotient: self.inverse[1][groups + g] };
                let (us, vs) = block.split_at_mut(half);
                for (u, v) in us.iter_mut().zip(vs) {
                    let t = below(*u + two_p - *v, two_p);
                    *u = below(*u + *v, two_p);
                    *v = m.mul_lazy(t, w);
                }
            }
            half *= 2;
            groups /= 2;
        }
        a.iter_mut().for_each(|x| *x = m.mul(*x, self.degree_inverse));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::mpc::rlwe::PARAM_SETS;

    fn random(p: u64, n: usize, seed: u64) -> Vec<u64> {
        let mut s = seed | 1;
        (0..n)
            .map(|_| {
                s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (s >> 1) % p
            })
            .collect()
    }

    fn schoolbook(a: &[u64], b: &[u64], p: u64) -> Vec<u64> {
        let n = a.len();
        let mut c = vec![0i128; n];
        for i in 0..n {
            for j in 0..n {
                let t = (u128::from(a[i]) * u128::from(b[j]) % u128::from(p)) as i128;
                c[(i + j) % n] += if i + j < n { t } else { -t };
            }
        }
        c.into_iter().map(|v| v.rem_euclid(i128::from(p)) as u64).collect()
    }

    #[test]
    fn products_match_schoolbook() {
        for n in [16, 32, 64, 256] {
            for p in [PARAM_SETS[0].primes[0], PARAM_SETS[1].primes[2]] {
                let t = NttTable::new(p, n);
                for (mut a, mut b) in [
                    (random(p, n, 1), random(p, n, 2)),
                    (vec![p - 1; n], vec![p - 1; n]),
                    (vec![p - 1; n], random(p, n, 3)),
                ] {
                    let want = schoolbook(&a, &b, p);
                    t.forward(&mut a);
                    t.forward(&mut b);
                    for (x, y) in a.iter_mut().zip(&b) {
                        *x = t.modulus.mul(*x, t.modulus.factor(*y));
                    }
                    t.inverse(&mut a);
                    assert_eq!(a, want, "n = {n}, p = {p}");
                }
            }
        }
    }

    #[test]
    fn portable_and_vector_code_agree_at_the_extremes() {
        for set in &PARAM_SETS {
            for &p in set.primes {
                let t = NttTable::new(p, set.degree);
                let n = set.degree;
                let alternating = (0..n).map(|i| if i % 2 == 0 { p - 1 } else { 0 }).collect();
                let delta = (0..n).map(|i| if i == n - 1 { p - 1 } else { 0 }).collect();
                for a in [vec![p - 1; n], vec![0; n], alternating, delta, random(p, n, 5)] {
                    let (mut x, mut y) = (a.clone(), a.clone());
                    t.forward(&mut x);
                    t.forward_portable(&mut y);
                    assert_eq!(x, y);
                    assert!(x.iter().all(|&v| v < p));
                    let mut z = a.clone();
                    t.inverse(&mut z);
                    let mut w = a.clone();
                    t.inverse_portable(&mut w);
                    assert_eq!(z, w);
                    t.inverse(&mut x);
                    assert_eq!(x, a);
                }
            }
        }
    }
}

//! Negacyclic number-theoretic transform (Cooley-Tukey forward, Gentleman-Sande inverse, after Longa and Naehrig,
//! CANS 2016), with Harvey's lazy butterflies.
//!
//! **Bound.** Between stages every value is in `[0, 2p)`. Forward: `V' = V w` is in `[0, 2p)` ([`Modulus::mul_lazy`]
//! takes anything below 2^52, and 2p < 2^52); `U + V'` and `U - V' + 2p` are in `[0, 4p)`, and one conditional
//! subtraction of 2p brings them back. Inverse: `U + V` and `U - V + 2p` are in `[0, 4p)`, are brought below 2p, and
//! only then is the second multiplied. p < 2^51 makes all of these fit 52 and 53 bits.
//!
//! With AVX2 alone the arithmetic is that of f64, with bounds of its own (`simd/fma.rs`) and the same results.
//!
//! The transformed values are in bit-reversed order; only products by position and the way back use them.

use super::modulus::{Factor, Modulus, below};
use super::simd::Vector;

/// Twiddle factors of one prime and dimension.
pub struct NttTable {
    pub(super) modulus: Modulus,
    pub(super) degree: usize,
    /// `psi^bitrev(i)`: values, then Shoup quotients.
    pub(super) forward: [Vec<u64>; 2],
    /// `psi^-bitrev(i)`.
    pub(super) inverse: [Vec<u64>; 2],
    pub(super) degree_inverse: Factor,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "for vector code"))]
    pub(super) centred: CentredTable,
}

/// The factors of an [`NttTable`] for arithmetic on f64.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "for vector code"))]
pub(super) struct CentredTable {
    pub(super) forward: Centred,
    pub(super) inverse: Centred,
    pub(super) degree_inverse: (f64, f64),
    /// `2^32`, `2^52`, `2^84`.
    pub(super) powers: [(f64, f64); 3],
    /// `-2^63`.
    pub(super) minus_two63: f64,
}

/// Factors by their representative within p / 2, and that divided by p.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "for vector code"))]
pub(super) struct Centred {
    pub(super) values: Vec<f64>,
    pub(super) ratios: Vec<f64>,
}

impl CentredTable {
    fn new(m: &Modulus, forward: &[u64], inverse: &[u64], degree_inverse: Factor) -> CentredTable {
        let table = |factors: &[u64]| {
            let (values, ratios) = factors.iter().map(|&f| m.centred(f)).unzip();
            Centred { values, ratios }
        };
        CentredTable {
            forward: table(forward),
            inverse: table(inverse),
            degree_inverse: m.centred(degree_inverse.value),
            powers: [32, 52, 84].map(|e| m.centred(m.reduce(1 << e))),
            minus_two63: m.centred(m.reduce_signed(-(1 << 63))).0,
        }
    }
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
            let words = |of: fn(&Factor) -> u64| factors.iter().map(of).collect::<Vec<u64>>();
            [words(|f| f.value), words(|f| f.quotient)]
        };
        let (forward, inverse) = (table(psi), table(modulus.inverse(psi)));
        let degree_inverse = modulus.factor(modulus.inverse(degree as u64));
        let centred = CentredTable::new(&modulus, &forward[0], &inverse[0], degree_inverse);
        NttTable { modulus, degree, forward, inverse, degree_inverse, centred }
    }

    #[must_use]
    pub fn modulus(&self) -> &Modulus {
        &self.modulus
    }

    /// Coefficients to values, in place; reduced in and out.
    pub fn forward(&self, a: &mut [u64]) {
        assert_eq!(a.len(), self.degree);
        match Vector::detect() {
            Some(vector) => vector.forward(self, a),
            None => self.forward_portable(a),
        }
    }

    /// Values to coefficients, in place; reduced in and out.
    pub fn inverse(&self, a: &mut [u64]) {
        assert_eq!(a.len(), self.degree);
        match Vector::detect() {
            Some(vector) => vector.inverse(self, a),
            None => self.inverse_portable(a),
        }
    }

    fn forward_portable(&self, a: &mut [u64]) {
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

    fn inverse_portable(&self, a: &mut [u64]) {
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

    /// Every set of instructions that this processor has, on all primes and degrees in use and on small ones of both
    /// parities.
    #[test]
    fn portable_and_vector_code_agree_at_the_extremes() {
        let used = PARAM_SETS.iter().flat_map(|s| s.primes.iter().map(|&p| (p, s.degree)));
        let small = [16, 32, 64, 128]
            .into_iter()
            .flat_map(|n| [(PARAM_SETS[0].primes[0], n), (PARAM_SETS[1].primes[2], n)]);
        for (p, n) in used.chain(small) {
            let t = NttTable::new(p, n);
            let every =
                |step: usize, v: u64| (0..n).map(|i| if i % step == 0 { v } else { 0 }).collect::<Vec<u64>>();
            let signs =
                |w: &[u64], v: u64| (0..n).map(|i| if w[i] > p / 2 { v } else { p - v }).collect::<Vec<u64>>();
            let edges = [0, 1, p / 2, p / 2 + 1, p - 2, p - 1];
            let mut inputs = vec![random(p, n, 5), every(n, p - 1), every(2, p - 1), every(4, p / 2)];
            inputs.extend(edges.map(|v| vec![v; n]));
            // Close to the largest products, all of one sign.
            inputs.extend([1, p / 2, p - 1].map(|v| signs(&t.forward[0], v)));
            inputs.extend([1, p / 2, p - 1].map(|v| signs(&t.inverse[0], v)));
            inputs.extend((6..10).map(|seed| random(6, n, seed).iter().map(|&i| edges[i as usize]).collect()));
            for a in inputs {
                let (mut forward, mut inverse) = (a.clone(), a.clone());
                t.forward_portable(&mut forward);
                t.inverse_portable(&mut inverse);
                assert!(forward.iter().chain(&inverse).all(|&v| v < p));
                for vector in Vector::available() {
                    let (mut x, mut y) = (a.clone(), a.clone());
                    vector.forward(&t, &mut x);
                    assert!(x == forward, "forward, n = {n}, p = {p}");
                    vector.inverse(&t, &mut y);
                    assert!(y == inverse, "inverse, n = {n}, p = {p}");
                    vector.inverse(&t, &mut x);
                    assert!(x == a);
                }
            }
        }
    }
}

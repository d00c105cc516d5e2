//! Polynomials over the primes of a parameter set. The representation is in the type.

use super::modulus::{Factor, MASK52, below};
use super::ntt::NttTable;
use super::simd::Vector;
use picc_ir::mpc::rlwe::ParamSet;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

/// Coefficient form.
pub struct Coeff;
/// Values at the roots, in the order of the transform.
pub struct Ntt;

/// A polynomial: for each prime its N residues. No `Debug`: it may be a secret.
pub struct Poly<F> {
    words: Vec<u64>,
    form: PhantomData<F>,
}

impl<F> Poly<F> {
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    pub fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }
}

impl<F> zeroize::Zeroize for Poly<F> {
    fn zeroize(&mut self) {
        self.words.zeroize();
    }
}

/// Tables of one parameter set.
pub struct Ring {
    set: &'static ParamSet,
    tables: Vec<NttTable>,
    /// Garner: `(p_0 ... p_{i-1})^-1 mod p_i`, and `p_j mod p_i` for j < i.
    garner: Vec<(Factor, Vec<Factor>)>,
    /// `(q / p_i)^-1 mod p_i` and `floor(2^128 / p_i)`, for the switch to a power of two.
    switch: Vec<(Factor, u128)>,
}

impl Ring {
    /// The tables of `set`, built once per process.
    #[must_use]
    pub fn of(set: &'static ParamSet) -> Arc<Ring> {
        static RINGS: [OnceLock<Arc<Ring>>; 5] = [const { OnceLock::new() }; 5];
        let i = picc_ir::mpc::rlwe::PARAM_SETS.iter().position(|s| s == set);
        match i.and_then(|i| RINGS.get(i)) {
            Some(cell) => cell.get_or_init(|| Arc::new(Ring::new(set))).clone(),
            None => Arc::new(Ring::new(set)),
        }
    }

    fn new(set: &'static ParamSet) -> Ring {
        assert!(set.primes.iter().all(|p| p >> (set.prime_bits - 1) == 1), "primes of one length");
        let tables: Vec<NttTable> = set.primes.iter().map(|&p| NttTable::new(p, set.degree)).collect();
        let garner = (0..tables.len())
            .map(|i| {
                let m = tables[i].modulus();
                let before: Vec<Factor> = set.primes[..i].iter().map(|p| m.factor(p % m.p())).collect();
                let product = before.iter().fold(1, |a, f| m.mul(a, *f));
                (m.factor(m.inverse(product)), before)
            })
            .collect();
        let switch = (0..tables.len())
            .map(|i| {
                let m = tables[i].modulus();
                let others = set.primes.iter().enumerate().filter(|(j, _)| *j != i);
                let product = others.fold(1, |a, (_, p)| m.mul(a, m.factor(p % m.p())));
                // p does not divide 2^128, so the floors of 2^128 / p and (2^128 - 1) / p agree.
                (m.factor(m.inverse(product)), u128::MAX / u128::from(m.p()))
            })
            .collect();
        Ring { set, tables, garner, switch }
    }

    #[must_use]
    pub fn set(&self) -> &'static ParamSet {
        self.set
    }

    #[must_use]
    pub fn degree(&self) -> usize {
        self.set.degree
    }

    #[must_use]
    pub fn tables(&self) -> &[NttTable] {
        &self.tables
    }

    #[must_use]
    pub fn zero<F>(&self) -> Poly<F> {
        Poly { words: vec![0; self.degree() * self.tables.len()], form: PhantomData }
    }

    /// Signed coefficients of less than 34 bits, the same modulo every prime.
    #[must_use]
    pub fn small(&self, coefficients: &[i64]) -> Poly<Coeff> {
        let mut poly = self.zero();
        for (t, words) in self.tables.iter().zip(poly.words.chunks_exact_mut(self.degree())) {
            for (w, &c) in words.iter_mut().zip(coefficients) {
                *w = t.modulus().small(c);
            }
        }
        poly
    }

    #[must_use]
    pub fn ntt(&self, mut poly: Poly<Coeff>) -> Poly<Ntt> {
        self.tables.iter().zip(poly.words.chunks_exact_mut(self.degree())).for_each(|(t, w)| t.forward(w));
        Poly { words: poly.words, form: PhantomData }
    }

    #[must_use]
    pub fn coeff(&self, mut poly: Poly<Ntt>) -> Poly<Coeff> {
        self.tables.iter().zip(poly.words.chunks_exact_mut(self.degree())).for_each(|(t, w)| t.inverse(w));
        Poly { words: poly.words, form: PhantomData }
    }

    /// Precomputes a polynomial that multiplies many others.
    #[must_use]
    pub fn factors(&self, poly: &Poly<Ntt>) -> Vec<Factor> {
        let moduli = self.tables.iter().zip(poly.words.chunks_exact(self.degree()));
        moduli.flat_map(|(t, w)| w.iter().map(|&v| t.modulus().factor(v))).collect()
    }

    /// `poly * factors`, in place; also for a prefix of the primes.
    pub fn mul(&self, poly: &mut Poly<Ntt>, factors: &[Factor]) {
        let n = self.degree();
        for ((t, w), f) in self.tables.iter().zip(poly.words.chunks_exact_mut(n)).zip(factors.chunks_exact(n)) {
            w.iter_mut().zip(f).for_each(|(w, f)| *w = t.modulus().mul(*w, *f));
        }
    }

    /// `poly += x * factors`.
    pub fn mul_add(&self, poly: &mut Poly<Ntt>, x: &Poly<Ntt>, factors: &[Factor]) {
        let n = self.degree();
        for (i, t) in self.tables.iter().enumerate() {
            let (m, range) = (t.modulus(), i * n..(i + 1) * n);
            let terms = x.words[range.clone()].iter().zip(&factors[range.clone()]);
            poly.words[range].iter_mut().zip(terms).for_each(|(w, (x, f))| *w = m.add(*w, m.mul(*x, *f)));
        }
    }

    /// The residues of coefficient `at`.
    pub fn residues<'a>(&'a self, poly: &'a Poly<Coeff>, at: usize) -> impl Iterator<Item = u64> + 'a {
        poly.words.iter().skip(at).step_by(self.degree()).copied()
    }

    /// A coefficient as an integer below the product of the first `primes` primes, which must be below 2^127.
    #[must_use]
    pub fn compose(&self, poly: &Poly<Coeff>, at: usize, primes: usize) -> u128 {
        let n = self.degree();
        let mut digits = [0u64; 4];
        digits[0] = poly.words[at];
        let (mut value, mut product) = (u128::from(digits[0]), u128::from(self.tables[0].modulus().p()));
        for i in 1..primes {
            let m = self.tables[i].modulus();
            let (inverse, before) = &self.garner[i];
            // Mixed-radix digits so far, modulo this prime: Horner from the last one. Digits are below twice any prime.
            let mut partial = below(digits[i - 1], m.p());
            for j in (0..i - 1).rev() {
                partial = m.add(m.mul(partial, before[j]), below(digits[j], m.p()));
            }
            digits[i] = m.mul(m.sub(poly.words[i * n + at], partial), *inverse);
            value += product * u128::from(digits[i]);
            product = product.wrapping_mul(u128::from(m.p()));
        }
        value
    }

    /// Fixed-point `coefficient / q mod 1`, in units of 2^-128, from below; off by less than `primes * 2^51` units.
    #[must_use]
    pub fn fraction(&self, poly: &Poly<Coeff>, at: usize) -> u128 {
        let residues = self.residues(poly, at).zip(&self.tables).zip(&self.switch);
        residues.fold(0u128, |sum, ((r, t), (inverse, step))| {
            sum.wrapping_add(u128::from(t.modulus().mul(r, *inverse)).wrapping_mul(*step))
        })
    }

    /// Words of a polynomial that has only the first `primes` primes.
    #[must_use]
    pub fn prefix_zero<F>(&self, primes: usize) -> Poly<F> {
        Poly { words: vec![0; self.degree() * primes], form: PhantomData }
    }
}

/// Sums of products of both halves of ciphertexts with weights, reduced only at the end.
///
/// A sum is `high 2^52 + low`. Values are below 2^51: each product adds less than 2^52 to `low` and less than 2^50 to
/// `high`, so [`Accumulator::LIMIT`] of them fit.
pub struct Accumulator {
    vector: Option<Vector>,
    halves: [Sum; 2],
}

/// Values of both halves of a ciphertext, and what they are multiplied by.
pub struct Term<'a> {
    pub halves: [&'a [u64]; 2],
    pub weight: Multiplier<'a>,
}

/// A weight for each value, or one for all.
#[derive(Clone, Copy)]
pub enum Multiplier<'a> {
    Each(&'a [u64]),
    All(u64),
}

struct Sum {
    low: Vec<u64>,
    high: Vec<u64>,
}

impl Accumulator {
    pub const LIMIT: usize = 4000;

    /// Of `len` values in each half, a multiple of eight.
    #[must_use]
    pub fn new(len: usize) -> Accumulator {
        Accumulator::with(Vector::detect(), len)
    }

    fn with(vector: Option<Vector>, len: usize) -> Accumulator {
        let sum = || Sum { low: vec![0; len], high: vec![0; len] };
        Accumulator { vector, halves: [sum(), sum()] }
    }

    pub fn clear(&mut self) {
        for sum in &mut self.halves {
            sum.low.fill(0);
            sum.high.fill(0);
        }
    }

    /// Adds the products of the terms, each of as many values as this has.
    pub fn add(&mut self, terms: &[Term<'_>]) {
        let [a, b] = &mut self.halves;
        if let Some(vector) = self.vector {
            vector.accumulate([(&mut a.low, &mut a.high), (&mut b.low, &mut b.high)], terms);
            return;
        }
        for Term { halves, weight } in terms {
            for (sum, x) in self.halves.iter_mut().zip(halves) {
                match weight {
                    Multiplier::Each(w) => sum.add_portable(x, w.iter().copied()),
                    Multiplier::All(w) => sum.add_portable(x, std::iter::repeat(*w)),
                }
            }
        }
    }

    /// The sums, plus what `out` holds, reduced into `out`.
    pub fn finish(&self, table: &NttTable, out: [&mut [u64]; 2]) {
        for (sum, out) in self.halves.iter().zip(out) {
            if !self.vector.is_some_and(|v| v.finish(table, &sum.low, &sum.high, out)) {
                sum.finish_portable(table, out);
            }
        }
    }
}

impl Sum {
    fn add_portable(&mut self, x: &[u64], w: impl Iterator<Item = u64>) {
        for ((l, h), (x, w)) in self.low.iter_mut().zip(&mut self.high).zip(x.iter().zip(w)) {
            let product = u128::from(*x) * u128::from(w);
            *l += product as u64 & MASK52;
            *h += (product >> 52) as u64;
        }
    }

    fn finish_portable(&self, table: &NttTable, out: &mut [u64]) {
        let m = table.modulus();
        for ((o, l), h) in out.iter_mut().zip(&self.low).zip(&self.high) {
            *o = m.reduce((u128::from(*h) << 52) + u128::from(*l) + u128::from(*o));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::mpc::rlwe::PARAM_SETS;

    /// Every set of instructions that this processor has, for every prime.
    #[test]
    fn accumulators_agree_at_the_limit() {
        for &p in PARAM_SETS.iter().flat_map(|s| s.primes) {
            let table = NttTable::new(p, 16);
            let edges = [0, 1, p / 2, p - 1, (1 << 26) - 1, 1 << 26, p - 2, 12_345_678_901];
            let x: Vec<u64> = (0..64).map(|i| edges[i % 8]).collect();
            let w: Vec<u64> = (0..64).map(|i| edges[i / 8]).collect();
            let (y, most) = (vec![p - 1; 64], vec![p - 1; 64]);
            for vector in [None].into_iter().chain(Vector::available().map(Some)) {
                for n in [0, 1, 2, 999, Accumulator::LIMIT] {
                    let mut sum = Accumulator::with(vector, 64);
                    let each = || Term { halves: [&x, &y], weight: Multiplier::Each(&w) };
                    let all = || Term { halves: [&y, &x], weight: Multiplier::All(p - 1) };
                    let terms: Vec<Term<'_>> = (0..n).map(|i| if i % 2 == 1 { each() } else { all() }).collect();
                    sum.add(&terms[..n / 3]);
                    sum.add(&terms[n / 3..]);
                    let (mut a, mut b) = (x.clone(), most.clone());
                    sum.finish(&table, [&mut a, &mut b]);
                    let mul = |x: u64, y: u64| u128::from(x) * u128::from(y);
                    let (half, rest) = ((n / 2) as u128, n.div_ceil(2) as u128);
                    for i in 0..64 {
                        let want = half * mul(x[i], w[i]) + rest * mul(p - 1, p - 1) + u128::from(x[i]);
                        assert_eq!(u128::from(a[i]), want % u128::from(p), "{n} products, value {i}");
                        let want = half * mul(p - 1, w[i]) + rest * mul(x[i], p - 1) + u128::from(p - 1);
                        assert_eq!(u128::from(b[i]), want % u128::from(p), "{n} products, value {i}");
                    }
                }
                // The most that fits: all products the largest.
                let mut sum = Accumulator::with(vector, 64);
                let largest = |_| Term { halves: [&y, &y], weight: Multiplier::Each(&most) };
                sum.add(&(0..Accumulator::LIMIT).map(largest).collect::<Vec<_>>());
                let (mut a, mut b) = (most.clone(), vec![0; 64]);
                sum.finish(&table, [&mut a, &mut b]);
                assert_eq!(a, vec![Accumulator::LIMIT as u64 - 1; 64]);
                assert_eq!(b, vec![Accumulator::LIMIT as u64; 64]);
            }
        }
    }

    #[test]
    fn composition_and_fraction_match() {
        for set in PARAM_SETS.iter().filter(|s| s.composite()) {
            let ring = Ring::of(set);
            let q: u128 = set.primes.iter().map(|&p| u128::from(p)).product();
            let mut poly = ring.zero::<Coeff>();
            for v in [0, 1, q - 1, q / 2, q / 3, q / 7 * 5] {
                for (i, &p) in set.primes.iter().enumerate() {
                    poly.words[i * set.degree + 3] = (v % u128::from(p)) as u64;
                }
                assert_eq!(ring.compose(&poly, 3, set.primes.len()), v);
                // v / q to 20 bits.
                let top = ((v >> 20) << 20) / (q >> 20);
                let got = ring.fraction(&poly, 3).wrapping_add(1 << 60) >> 108;
                assert!(got.abs_diff(top) <= 1 || got == 0 && v == 0 || v == q - 1, "{got} {top}");
            }
        }
    }
}

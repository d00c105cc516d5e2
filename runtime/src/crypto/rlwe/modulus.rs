//! Arithmetic modulo one prime below 2^51.
//!
//! Products with a constant follow Shoup: `quotient = floor(value * 2^52 / p)` is precomputed, then
//! `x * value - floor(x * quotient / 2^52) * p` lies in `[0, 2p)` for every `x < 2^52`: the floor is
//! `floor(x value / p)` or one less, because `x * quotient / 2^52 > x value / p - x / 2^52 > x value / p - 1`.
//! The same 52-bit constants serve the portable code and AVX-512 IFMA, which agree bit for bit.

/// A constant modulo p, with its Shoup quotient.
#[derive(Clone, Copy, Default)]
pub struct Factor {
    pub value: u64,
    pub quotient: u64,
}

/// A prime modulus `2^33 < p < 2^51`.
#[derive(Clone, Copy)]
pub struct Modulus {
    p: u64,
    /// `floor(2^104 / p)`.
    ratio: u128,
    one: Factor,
    two52: Factor,
    two104: Factor,
}

pub(super) const MASK52: u64 = (1 << 52) - 1;

impl Modulus {
    #[must_use]
    pub fn new(p: u64) -> Modulus {
        assert!(p > 1 << 33 && p < 1 << 51, "primes of 34 to 51 bits");
        let (ratio, none) = ((1u128 << 104) / u128::from(p), Factor::default());
        let mut m = Modulus { p, ratio, one: none, two52: none, two104: none };
        m.one = m.factor(1);
        let two52 = ((1u128 << 52) % u128::from(p)) as u64;
        m.two52 = m.factor(two52);
        m.two104 = m.factor((u128::from(two52) * u128::from(two52) % u128::from(p)) as u64);
        m
    }

    #[must_use]
    pub fn p(&self) -> u64 {
        self.p
    }

    /// Precomputes a constant `value < p`, in constant time: it may be a key's.
    ///
    /// `value * ratio / 2^52` is below `value * 2^52 / p` by less than `value / 2^52 < 1/2`, so its floor is the
    /// quotient or one less; the remainder, which is below 2p, tells.
    #[must_use]
    pub fn factor(&self, value: u64) -> Factor {
        debug_assert!(value < self.p);
        let low = ((u128::from(value) * self.ratio) >> 52) as u64;
        let rest = (value << 52).wrapping_sub(low.wrapping_mul(self.p));
        Factor { value, quotient: low + ((self.p - 1).wrapping_sub(rest) >> 63) }
    }

    /// `value < p` as the representative within p / 2, and that divided by p.
    #[must_use]
    pub(super) fn centred(&self, value: u64) -> (f64, f64) {
        let signed = if value > self.p / 2 { -((self.p - value) as f64) } else { value as f64 };
        (signed, signed / self.p as f64)
    }

    /// `x * f mod p` in `[0, 2p)`, for `x < 2^52`.
    #[inline(always)]
    #[must_use]
    pub fn mul_lazy(&self, x: u64, f: Factor) -> u64 {
        debug_assert!(x <= MASK52);
        let q = ((u128::from(x) * u128::from(f.quotient)) >> 52) as u64;
        x.wrapping_mul(f.value).wrapping_sub(q.wrapping_mul(self.p))
    }

    /// `x * f mod p`, for `x < 2^52`.
    #[inline(always)]
    #[must_use]
    pub fn mul(&self, x: u64, f: Factor) -> u64 {
        below(self.mul_lazy(x, f), self.p)
    }

    /// `x + y mod p` of reduced values.
    #[inline(always)]
    #[must_use]
    pub fn add(&self, x: u64, y: u64) -> u64 {
        below(x + y, self.p)
    }

    /// `x - y mod p` of reduced values.
    #[inline(always)]
    #[must_use]
    pub fn sub(&self, x: u64, y: u64) -> u64 {
        below(x + self.p - y, self.p)
    }

    /// A signed value of magnitude below p, mod p, in constant time.
    #[inline(always)]
    #[must_use]
    pub fn small(&self, v: i64) -> u64 {
        debug_assert!(v.unsigned_abs() < self.p);
        below(self.p.wrapping_add_signed(v), self.p)
    }

    /// `v * f mod p` for a signed value of magnitude below 2^52, in constant time.
    #[inline(always)]
    #[must_use]
    pub fn mul_signed(&self, v: i64, f: Factor) -> u64 {
        let product = self.mul(v.unsigned_abs(), f);
        let negative = (v >> 63).cast_unsigned();
        (product & !negative) | (below(self.p - product, self.p) & negative)
    }

    /// Any 128-bit value mod p, in constant time.
    #[inline]
    #[must_use]
    pub fn reduce(&self, v: u128) -> u64 {
        let low = self.mul_lazy(v as u64 & MASK52, self.one);
        let mid = self.mul_lazy((v >> 52) as u64 & MASK52, self.two52);
        let high = self.mul_lazy((v >> 104) as u64, self.two104);
        // Below 6p.
        below(below(below(low + mid + high, 4 * self.p), 2 * self.p), self.p)
    }

    /// A signed value mod p, in constant time.
    #[inline]
    #[must_use]
    pub fn reduce_signed(&self, v: i128) -> u64 {
        let r = self.reduce(v.unsigned_abs());
        let negative = (v >> 127) as u64;
        let neg = below(self.p - r, self.p);
        (r & !negative) | (neg & negative)
    }

    /// `base^e mod p` (set-up only).
    #[must_use]
    pub fn pow(&self, base: u64, mut e: u64) -> u64 {
        let p = u128::from(self.p);
        let (mut base, mut r) = (u128::from(base) % p, 1u128);
        while e > 0 {
            if e & 1 == 1 {
                r = r * base % p;
            }
            base = base * base % p;
            e >>= 1;
        }
        r as u64
    }

    /// Inverse of a non-zero value (set-up only).
    #[must_use]
    pub fn inverse(&self, v: u64) -> u64 {
        self.pow(v, self.p - 2)
    }
}

/// `x` or `x - bound`, whichever is in `[0, bound)`, for `x < 2 bound`; no branch.
#[inline(always)]
pub(super) fn below(x: u64, bound: u64) -> u64 {
    x.min(x.wrapping_sub(bound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::mpc::rlwe::PARAM_SETS;

    #[test]
    fn reductions_agree_with_division() {
        for &p in PARAM_SETS.iter().flat_map(|s| s.primes) {
            let m = Modulus::new(p);
            let edges =
                [0u128, 1, u128::from(p) - 1, u128::from(p), u128::from(2 * p), 1 << 52, 1 << 104, u128::MAX];
            for v in edges
                .into_iter()
                .chain((0..200).map(|i| (0x9e37_79b9_7f4a_7c15_u128 << (i % 64)).wrapping_mul(77_777 * i)))
            {
                assert_eq!(u128::from(m.reduce(v)), v % u128::from(p));
                let s = v as i128;
                assert_eq!(i128::from(m.reduce_signed(s)), s.rem_euclid(i128::from(p)));
            }
            for v in [0, 1, -1, i64::from(i32::MIN), 1 - p as i64, p as i64 - 1] {
                assert_eq!(i128::from(m.small(v)), i128::from(v).rem_euclid(i128::from(p)));
            }
            let spread = (0..200).map(|i| 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(i) % p);
            for f in [0, 1, 2, p / 2, p / 2 + 1, p - 2, p - 1].into_iter().chain(spread) {
                assert_eq!(u128::from(m.factor(f).quotient), (u128::from(f) << 52) / u128::from(p));
                for x in [0, 1, p - 1, 2 * p - 1, MASK52] {
                    let want = (u128::from(x) * u128::from(f) % u128::from(p)) as u64;
                    assert!(m.mul_lazy(x, m.factor(f)) < 2 * p);
                    assert_eq!(m.mul(x, m.factor(f)), want);
                    let negative = ((u128::from(p) - u128::from(want)) % u128::from(p)) as u64;
                    assert_eq!(m.mul_signed(x as i64, m.factor(f)), want);
                    assert_eq!(m.mul_signed(-(x as i64), m.factor(f)), negative);
                }
            }
        }
    }
}

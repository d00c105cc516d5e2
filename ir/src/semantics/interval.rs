//! Interval arithmetic of ranges, in 128 bits: saturated bounds are far outside any ring, so they end as "unknown".

use crate::ty::Fixed;

/// All integers from `lo` to `hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub lo: i128,
    pub hi: i128,
}

impl Interval {
    pub fn of(f: Fixed) -> Interval {
        Interval { lo: i128::from(f.lo), hi: i128::from(f.hi) }
    }

    /// As a fixed-point element: the whole ring if a value may have wrapped.
    pub fn in_ring(self, ring_bits: u8, frac_bits: u8) -> Fixed {
        Fixed::ranged(ring_bits, frac_bits, self.lo, self.hi)
    }

    pub fn plus(self, o: Interval) -> Interval {
        Interval { lo: self.lo.saturating_add(o.lo), hi: self.hi.saturating_add(o.hi) }
    }

    pub fn negated(self) -> Interval {
        Interval { lo: self.hi.saturating_neg(), hi: self.lo.saturating_neg() }
    }

    pub fn times(self, o: Interval) -> Interval {
        let ends =
            [(self.lo, o.lo), (self.lo, o.hi), (self.hi, o.lo), (self.hi, o.hi)].map(|(a, b)| a.saturating_mul(b));
        Interval {
            lo: ends.into_iter().min().unwrap_or(i128::MIN),
            hi: ends.into_iter().max().unwrap_or(i128::MAX),
        }
    }

    /// Sum of `count` values.
    pub fn summed(self, count: usize) -> Interval {
        let n = i128::try_from(count).unwrap_or(i128::MAX);
        Interval { lo: self.lo.saturating_mul(n), hi: self.hi.saturating_mul(n) }
    }

    /// Sum of `least` to `most` values.
    pub fn summed_between(self, least: usize, most: usize) -> Interval {
        self.summed(least).hull(self.summed(most))
    }

    pub fn hull(self, o: Interval) -> Interval {
        Interval { lo: self.lo.min(o.lo), hi: self.hi.max(o.hi) }
    }

    pub fn with_zero(self) -> Interval {
        self.hull(Interval { lo: 0, hi: 0 })
    }

    pub fn maximum(self, o: Interval) -> Interval {
        Interval { lo: self.lo.max(o.lo), hi: self.hi.max(o.hi) }
    }
}

//! Values in limbs of at most 16 bits, so that the products of 16-bit numbers, of which vector units do most at a time,
//! multiply values of any ring by narrow weights.
//!
//! ```text
//! value  = exact limbs of `bits` bits | low 16 | high 16        signed digits, lowest first
//! sum    = sum over exact limbs i of 2^(bits i) S_i  +  2^(bits exact) (S_low + 2^16 S_high mod 2^32)
//! ```
//! The two upper limbs may wrap: only their sum mod 2^32 reaches the result. Sums `S_i` of exact limbs must not, so
//! they are taken over so many taps only, and added up in 64 bits.

/// How values are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limbs {
    /// Limbs whose sums do not wrap.
    exact: u8,
    /// Bits of each of those.
    bits: u8,
    weight_bits: u8,
}

/// More exact limbs never pay: four of 8 bits do 32 bits beside 16-bit weights, and 255 pairs at a time.
const MOST_EXACT: u8 = 4;

/// Lanes of all limbs of a value, at most: a pair shares them.
pub(super) const MOST_LANES: usize = (MOST_EXACT as usize + 2).div_ceil(2);

/// What adding up sums in 64 bits costs, in products of the same lanes.
const ADD: usize = 12;

impl Limbs {
    /// The cheapest for products mod `2^ring_bits` with signed weights of so many bits, of `pairs` pairs of channels
    /// and taps; none for weights of more than 16 bits.
    #[must_use]
    pub fn new(ring_bits: u8, weight_bits: u8, pairs: usize) -> Option<Limbs> {
        let weight_bits = weight_bits.max(1);
        if weight_bits > 16 {
            return None;
        }
        let lower = ring_bits.saturating_sub(32);
        if lower == 0 {
            return Some(Limbs { exact: 0, bits: 0, weight_bits });
        }
        let of = |exact: u8| Limbs { exact, bits: lower.div_ceil(exact), weight_bits };
        let possible = (1..=lower.min(MOST_EXACT)).map(of).filter(|limbs| limbs.bits <= 16 && limbs.run() > 0);
        possible.min_by_key(|limbs| usize::from(limbs.exact) * (pairs + ADD * pairs.div_ceil(limbs.run())))
    }

    #[must_use]
    pub fn ring_bits(self) -> u8 {
        (32 + self.lower()).min(64) as u8
    }

    pub(super) fn exact(self) -> usize {
        self.exact.into()
    }

    pub(super) fn count(self) -> usize {
        self.exact() + 2
    }

    /// Bits below the two upper limbs.
    fn lower(self) -> u32 {
        u32::from(self.exact) * u32::from(self.bits)
    }

    /// Pairs of products of an exact limb whose sum stays below 2^31: a pair is at most `2^(weight_bits + bits - 1)`.
    pub(super) fn run(self) -> usize {
        (1_usize << 32_u32.saturating_sub(u32::from(self.weight_bits) + u32::from(self.bits))) - 1
    }

    /// Where the sums of a limb belong; those of both upper ones together, where the lower of them does.
    pub(super) fn shift(self, limb: usize) -> u32 {
        limb as u32 * u32::from(self.bits)
    }

    /// Where limb `limb` lies.
    pub(super) fn cut(self, limb: usize) -> Cut {
        // Digits of v plus half of each exact digit's range are these digits plus that half.
        let half = 1_u64 << self.bits >> 1;
        let halves = (0..self.exact()).fold(0, |sum, i| sum | half << self.shift(i));
        let (shift, lower) = (self.shift(limb), self.lower());
        match limb.checked_sub(self.exact()) {
            None => Cut { add: halves, shift, mask: 2 * half - 1, less: half },
            Some(0) => Cut { add: halves, shift: lower, ..Cut::LOW },
            Some(_) => Cut { add: halves.wrapping_add(1 << (15 + lower)), shift: lower + 16, ..Cut::LOW },
        }
    }
}

/// Where a limb lies in a value: it is `(value + add >> shift & mask) - less`.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    add: u64,
    shift: u32,
    mask: u64,
    less: u64,
}

impl Cut {
    /// The low 16 bits.
    pub const LOW: Cut = Cut { add: 0, shift: 0, mask: 0xffff, less: 0 };

    #[inline(always)]
    pub fn of(self, v: u64) -> u16 {
        (v.wrapping_add(self.add) >> self.shift & self.mask).wrapping_sub(self.less) as u16
    }

    /// The same of a value mod 2^32 without exact limbs.
    #[inline(always)]
    pub fn of_word(self, v: u32) -> u16 {
        (v.wrapping_add(self.add as u32) >> self.shift) as u16
    }
}

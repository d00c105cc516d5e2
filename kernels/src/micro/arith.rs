//! How lanes multiply and add.

use super::limbs::{Cut, Limbs};
use super::space::Pool;

/// A number in a lane of a vector.
pub(super) trait Lane: Copy + Send + Sync + 'static {
    const ZERO: Self;
    /// The integer mod 2^64.
    fn from_u64(v: u64) -> Self;
    fn to_u64(self) -> u64;
    /// The same of a signed integer, of the lanes that limbs are multiplied in.
    fn signed(self) -> u64;
    /// This thread's buffers of such lanes.
    fn with_pool<R>(work: impl FnOnce(&Pool<Self>) -> R) -> R;
}

macro_rules! pool {
    ($L:ty) => {
        fn with_pool<R>(work: impl FnOnce(&Pool<$L>) -> R) -> R {
            thread_local!(static POOL: Pool<$L> = const { Pool::new(Vec::new()) });
            POOL.with(work)
        }
    };
}

impl Lane for u64 {
    const ZERO: u64 = 0;

    fn from_u64(v: u64) -> u64 {
        v
    }

    fn to_u64(self) -> u64 {
        self
    }

    fn signed(self) -> u64 {
        self
    }

    pool!(u64);
}

impl Lane for u32 {
    const ZERO: u32 = 0;

    fn from_u64(v: u64) -> u32 {
        v as u32
    }

    fn to_u64(self) -> u64 {
        self.into()
    }

    fn signed(self) -> u64 {
        i64::from(self.cast_signed()).cast_unsigned()
    }

    pool!(u32);
}

/// A signed integer of magnitude below 2^51: with 1.5 * 2^52 added it is the low bits of its own f64, which converts
/// both ways in two instructions of any vector unit.
impl Lane for f64 {
    const ZERO: f64 = 0.0;

    #[inline(always)]
    fn from_u64(v: u64) -> f64 {
        f64::from_bits(v.wrapping_add(MAGIC.to_bits())) - MAGIC
    }

    #[inline(always)]
    fn to_u64(self) -> u64 {
        (self + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits())
    }

    fn signed(self) -> u64 {
        self.to_u64()
    }

    pool!(f64);
}

const MAGIC: f64 = (3_u64 << 51) as f64;

/// The arithmetic of a product. The lanes are `u64`, `f64` or `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// u64 lanes, mod 2^64.
    Wide,
    /// u64 lanes, mod 2^52.
    Wide52,
    /// f64 lanes: the caller knows that no value or sum reaches 2^51.
    Float,
    /// u32 lanes, mod 2^32.
    Word,
    /// Values in limbs, weights of at most 16 bits; two channels in a u32 lane.
    Limbs(Limbs),
    /// 16-bit weights and values, two channels in a u32 lane; mod 2^32 (and, for any values, mod 2^16).
    Half,
}

impl Scheme {
    /// Bits of the ring in which results are right.
    #[must_use]
    pub fn ring_bits(self) -> u8 {
        match self {
            Scheme::Wide => 64,
            Scheme::Float => 51,
            Scheme::Wide52 => 52,
            Scheme::Word | Scheme::Half => 32,
            Scheme::Limbs(limbs) => limbs.ring_bits(),
        }
    }

    /// Limbs of a value, each in a lane of its own.
    pub(super) fn limbs(self) -> usize {
        match self {
            Scheme::Wide | Scheme::Wide52 | Scheme::Float | Scheme::Word | Scheme::Half => 1,
            Scheme::Limbs(limbs) => limbs.count(),
        }
    }

    /// Where limb `limb` lies in a value.
    pub(super) fn cut(self, limb: usize) -> Cut {
        match self {
            Scheme::Limbs(limbs) => limbs.cut(limb),
            Scheme::Wide | Scheme::Wide52 | Scheme::Float | Scheme::Word | Scheme::Half => Cut::LOW,
        }
    }

    /// Channels whose values share a lane.
    pub(super) fn per_lane(self) -> usize {
        match self {
            Scheme::Limbs(_) | Scheme::Half => 2,
            Scheme::Wide | Scheme::Wide52 | Scheme::Float | Scheme::Word => 1,
        }
    }
}

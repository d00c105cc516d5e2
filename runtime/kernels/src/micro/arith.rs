//! How lanes multiply and add.

/// A number in a lane of a vector.
pub(super) trait Lane: Copy + Send + Sync + 'static {
    const ZERO: Self;
    /// The integer mod 2^64.
    fn from_u64(v: u64) -> Self;
    fn to_u64(self) -> u64;
}

impl Lane for u64 {
    const ZERO: u64 = 0;

    fn from_u64(v: u64) -> u64 {
        v
    }

    fn to_u64(self) -> u64 {
        self
    }
}

impl Lane for u32 {
    const ZERO: u32 = 0;

    fn from_u64(v: u64) -> u32 {
        v as u32
    }

    fn to_u64(self) -> u64 {
        self.into()
    }
}

/// A signed integer of magnitude at most 2^53.
impl Lane for f64 {
    const ZERO: f64 = 0.0;

    fn from_u64(v: u64) -> f64 {
        v.cast_signed() as f64
    }

    fn to_u64(self) -> u64 {
        (self as i64).cast_unsigned()
    }
}

/// The arithmetic of a product. The lanes are `u64`, `f64` or `u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// u64 lanes, mod 2^64.
    Wide,
    /// u64 lanes, signed weights of at most 32 bits; mod 2^64. Weights are stored as `w + 2^31`, which takes two 32-bit
    /// products instead of three; `2^31` times the sum of the values is what sums start from.
    Narrow,
    /// u64 lanes, mod 2^52.
    Wide52,
    /// f64 lanes: the caller knows that no sum reaches 2^53.
    Float,
    /// u32 lanes, mod 2^32.
    Word,
    /// 16-bit weights; values as two signed 16-bit limbs, two channels in a u32 lane; mod 2^32.
    Limbs,
    /// 16-bit weights and values, two channels in a u32 lane; mod 2^32 (and, for any values, mod 2^16).
    Half,
}

impl Scheme {
    pub const ALL: [Scheme; 7] =
        [Scheme::Wide, Scheme::Narrow, Scheme::Wide52, Scheme::Float, Scheme::Word, Scheme::Limbs, Scheme::Half];

    /// Bits of the ring in which results are right.
    #[must_use]
    pub fn ring_bits(self) -> u8 {
        match self {
            Scheme::Wide | Scheme::Narrow => 64,
            Scheme::Float => 53,
            Scheme::Wide52 => 52,
            Scheme::Word | Scheme::Limbs | Scheme::Half => 32,
        }
    }

    /// What is added to each weight.
    pub(super) fn bias(self) -> u64 {
        match self {
            Scheme::Narrow => 1 << 31,
            Scheme::Wide | Scheme::Wide52 | Scheme::Float | Scheme::Word | Scheme::Limbs | Scheme::Half => 0,
        }
    }

    /// A weight as tiles read it, from any representative of it in a ring that holds it.
    pub(super) fn weight(self, w: u64) -> u64 {
        match self {
            Scheme::Narrow => u64::from(w as u32 ^ 1 << 31),
            Scheme::Wide | Scheme::Wide52 | Scheme::Float | Scheme::Word | Scheme::Limbs | Scheme::Half => w,
        }
    }

    /// 16-bit limbs of a value, 0 if a value is a lane of its own.
    pub(super) fn limbs(self) -> usize {
        match self {
            Scheme::Wide | Scheme::Narrow | Scheme::Wide52 | Scheme::Float | Scheme::Word => 0,
            Scheme::Half => 1,
            Scheme::Limbs => 2,
        }
    }
}

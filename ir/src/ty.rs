//! Types: shape, element and owner of a value.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::fmt;

/// Extent of each axis, outermost first. Always static: free dimensions are fixed at import.
pub type Shape = SmallVec<[usize; 4]>;

/// Fixed-point element: a signed integer `v` with `lo <= v <= hi`, held mod `2^ring_bits`, that stands for
/// `v / 2^frac_bits`. The range is a fact (or, behind `assume`, a claim made from calibration data) in units of `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fixed {
    pub ring_bits: u8,
    pub frac_bits: u8,
    pub lo: i64,
    pub hi: i64,
}

impl Fixed {
    /// A ring with nothing known about the value.
    #[must_use]
    pub fn full(ring_bits: u8, frac_bits: u8) -> Fixed {
        let (lo, hi) = ring_limits(ring_bits);
        Fixed { ring_bits, frac_bits, lo, hi }
    }

    /// The range `[lo, hi]` if the ring can hold it, otherwise the full ring (the value may have wrapped).
    #[must_use]
    pub fn ranged(ring_bits: u8, frac_bits: u8, lo: i128, hi: i128) -> Fixed {
        let (min, max) = ring_limits(ring_bits);
        match (i64::try_from(lo), i64::try_from(hi)) {
            (Ok(lo), Ok(hi)) if lo >= min && hi <= max && lo <= hi => Fixed { ring_bits, frac_bits, lo, hi },
            _ => Fixed::full(ring_bits, frac_bits),
        }
    }

    /// Largest magnitude in the range.
    #[must_use]
    pub fn max_abs(&self) -> u64 {
        self.lo.unsigned_abs().max(self.hi.unsigned_abs())
    }
}

/// Smallest and largest signed value of a ring of `ring_bits` bits (1..=64).
#[must_use]
pub fn ring_limits(ring_bits: u8) -> (i64, i64) {
    let shift = 64 - u32::from(ring_bits.clamp(1, 64));
    (i64::MIN >> shift, i64::MAX >> shift)
}

/// The signed representative of `v` mod `2^ring_bits`.
#[must_use]
#[inline]
pub fn wrap(v: i64, ring_bits: u8) -> i64 {
    let shift = 64 - u32::from(ring_bits.clamp(1, 64));
    (v << shift) >> shift
}

/// What one element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Elem {
    /// A real number (f32 in the interpreter): before quantization, and in the client's post-processing.
    Real,
    Fixed(Fixed),
}

/// Who knows a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Owner {
    Client,
    Server,
    /// Additively shared: neither party alone knows anything about it.
    Shared,
    /// Part of the program, known to everybody.
    Public,
}

impl Owner {
    /// Owner of a local linear combination: both parties can compute their part without a message.
    #[must_use]
    pub fn join(self, other: Owner) -> Owner {
        match (self, other) {
            (a, b) if a == b => a,
            (Owner::Public, o) | (o, Owner::Public) => o,
            (Owner::Shared | Owner::Client | Owner::Server, _) => Owner::Shared,
        }
    }
}

/// Type of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ty {
    pub shape: Shape,
    pub elem: Elem,
    pub owner: Owner,
}

impl Ty {
    #[must_use]
    pub fn real(shape: &[usize], owner: Owner) -> Ty {
        Ty { shape: Shape::from_slice(shape), elem: Elem::Real, owner }
    }

    #[must_use]
    pub fn fixed(shape: &[usize], fixed: Fixed, owner: Owner) -> Ty {
        Ty { shape: Shape::from_slice(shape), elem: Elem::Fixed(fixed), owner }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fixed-point element, if it is one.
    #[must_use]
    pub fn as_fixed(&self) -> Option<Fixed> {
        match self.elem {
            Elem::Fixed(f) => Some(f),
            Elem::Real => None,
        }
    }

    #[must_use]
    pub fn with_shape(&self, shape: &[usize]) -> Ty {
        Ty { shape: Shape::from_slice(shape), ..self.clone() }
    }

    #[must_use]
    pub fn with_elem(&self, elem: Elem) -> Ty {
        Ty { elem, ..self.clone() }
    }

    #[must_use]
    pub fn with_owner(&self, owner: Owner) -> Ty {
        Ty { owner, ..self.clone() }
    }
}

/// `shared [1x16x32x32] fix25.12 [-4096, 4095]`, `client [1x10] real`.
impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = match self.owner {
            Owner::Client => "client",
            Owner::Server => "server",
            Owner::Shared => "shared",
            Owner::Public => "public",
        };
        let dims: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        write!(f, "{owner} [{}] ", dims.join("x"))?;
        match self.elem {
            Elem::Real => write!(f, "real"),
            Elem::Fixed(x) => write!(f, "fix{}.{} [{}, {}]", x.ring_bits, x.frac_bits, x.lo, x.hi),
        }
    }
}

/// Why an operator cannot be applied to its arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TypeError(pub String);

impl TypeError {
    pub fn new(message: impl Into<String>) -> TypeError {
        TypeError(message.into())
    }
}

//! Which arithmetic a product runs in. Only public facts decide: the ring, types, shapes, the processor.

use super::arith::Scheme;
use super::isa::Isa;
use super::limbs::Limbs;
use picc_ir::geom::ConvGeom;

/// What is known of the factors of a product, as signed integers: from types, never from values that are secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Bits of every weight, its sign included.
    pub weight_bits: u8,
    /// Bits of every value.
    pub value_bits: u8,
    /// No value, and no sum of products in any order of summation, reaches 2^51.
    pub sums_exact: bool,
}

impl Default for Known {
    /// Nothing.
    fn default() -> Known {
        Known { weight_bits: 64, value_bits: 64, sums_exact: false }
    }
}

impl Known {
    /// With weights and values taking each other's places.
    #[must_use]
    pub fn swapped(self) -> Known {
        Known { weight_bits: self.value_bits, value_bits: self.weight_bits, ..self }
    }
}

/// The fastest arithmetic that is exact mod `2^ring_bits`; see the table in [the module](super).
#[must_use]
pub fn choose(geom: &ConvGeom, ring_bits: u8, known: Known, isa: Isa) -> Scheme {
    let channels = geom.c_in / geom.groups.max(1);
    // One channel leaves half of each pair empty.
    let paired = channels >= 2;
    let half = |bits: u8| bits <= 16;
    if paired && (ring_bits <= 16 || (ring_bits <= 32 && half(known.weight_bits) && half(known.value_bits))) {
        return Scheme::Half;
    }
    if let Some(limbs) = Limbs::new(ring_bits, known.weight_bits, channels.div_ceil(2) * geom.kh * geom.kw)
        && paired
        && limbs_win(limbs, geom, ring_bits, known.sums_exact, isa)
    {
        return Scheme::Limbs(limbs);
    }
    match ring_bits {
        0..=32 => Scheme::Word,
        33..=52 if isa == Isa::Avx512Vnni => Scheme::Wide52,
        _ if known.sums_exact => Scheme::Float,
        _ => Scheme::Wide,
    }
}

fn limbs_win(limbs: Limbs, geom: &ConvGeom, ring_bits: u8, sums_exact: bool, isa: Isa) -> bool {
    // A 1x1 kernel, or few output channels, may not make up for cutting values into limbs.
    let windows = geom.kh * geom.kw > 1;
    let many = geom.c_out / geom.groups.max(1) >= 8;
    let count = limbs.count();
    match (isa, ring_bits) {
        (Isa::Portable, _) => false,
        (Isa::Avx2, 0..=32) => windows,
        (Isa::Avx512 | Isa::Avx512Vnni, 0..=32) => true,
        (Isa::Avx2, _) => many && (!sums_exact || (windows && count == 3)),
        (Isa::Avx512, _) => many && !sums_exact,
        (Isa::Avx512Vnni, 33..=52) => many && (count == 3 || (count == 4 && windows)),
        (Isa::Avx512Vnni, _) => many && !sums_exact,
    }
}

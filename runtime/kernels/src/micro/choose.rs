//! Which arithmetic a product runs in. Only public facts decide: the ring, types, shapes, the processor.

use super::arith::Scheme;
use super::isa::Isa;
use picc_ir::geom::ConvGeom;

/// What is known of the factors of a product, as signed integers: from types, never from values that are secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Every weight fits 16 bits, its sign included.
    pub weights_half: bool,
    /// Every value does.
    pub values_half: bool,
    /// No value, and no sum of products in any order of summation, reaches 2^51.
    pub sums_exact: bool,
}

/// The fastest arithmetic that is exact mod `2^ring_bits`; see the table in [the module](super).
#[must_use]
pub fn choose(geom: &ConvGeom, ring_bits: u8, known: Known, isa: Isa) -> Scheme {
    // One channel leaves half of each pair empty.
    let paired = geom.c_in / geom.groups.max(1) >= 2;
    // A 1x1 kernel does not make up for cutting values into limbs unless products and sums are one instruction.
    let limbs_win = isa == Isa::Avx512Vnni || (isa == Isa::Avx2 && geom.kh * geom.kw > 1);
    // The sum of the values, which takes the bias back, must not cost more than what the tiles save.
    let narrow = known.weights_half && geom.c_out / geom.groups.max(1) >= 8;
    match ring_bits {
        0..=16 if paired => Scheme::Half,
        0..=32 if paired && known.weights_half && known.values_half => Scheme::Half,
        0..=32 if paired && known.weights_half && limbs_win => Scheme::Limbs,
        0..=32 => Scheme::Word,
        33..=52 if isa == Isa::Avx512Vnni => Scheme::Wide52,
        _ if known.sums_exact => Scheme::Float,
        _ if narrow && isa == Isa::Avx512Vnni => Scheme::Split,
        _ if narrow && isa == Isa::Avx2 => Scheme::Narrow,
        _ => Scheme::Wide,
    }
}

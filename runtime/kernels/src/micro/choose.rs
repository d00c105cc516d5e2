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
    /// No sum of products reaches 2^53, in any order of summation.
    pub sums_exact: bool,
}

/// The fastest arithmetic that is exact mod `2^ring_bits`; see the table in [the module](super).
#[must_use]
pub fn choose(geom: &ConvGeom, ring_bits: u8, known: Known, isa: Isa) -> Scheme {
    // One channel leaves half of each pair empty.
    let paired = geom.c_in / geom.groups.max(1) >= 2;
    // A 1x1 kernel does not make up for cutting values into limbs unless products and sums are one instruction.
    let limbs_win = isa == Isa::Avx512Vnni || (isa == Isa::Avx2 && geom.kh * geom.kw > 1);
    match ring_bits {
        0..=16 if paired => Scheme::Half,
        0..=32 if paired && known.weights_half && known.values_half => Scheme::Half,
        0..=32 if paired && known.weights_half && limbs_win => Scheme::Limbs,
        0..=32 => Scheme::Word,
        33..=52 if isa == Isa::Avx512Vnni => Scheme::Wide52,
        _ if known.sums_exact => Scheme::Float,
        // The sum of the values must not cost more than what the tiles save.
        _ if known.weights_half && isa == Isa::Avx2 && geom.c_out / geom.groups.max(1) >= 8 => Scheme::Narrow,
        _ => Scheme::Wide,
    }
}

//! Which tile computes what.

use super::arith::{Lane, Scheme};
use super::isa::Isa;
use super::portable;
use super::tile::{Tile, best};

#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// The tile of the least cost for a number of rows. A shape is rows x vectors, with what a row costs in percent: thin
/// tiles load more for each product.
macro_rules! tiles {
    ($rows:expr, $isa:expr, $lanes:literal, $m:ident :: $code:ident, $($mr:literal x $nv:literal at $cost:literal),*) => {
        // SAFETY: the constants make code of this shape, in the module of this instruction set.
        unsafe { best($rows, [$((Tile::new($isa, [$mr, $nv, $lanes], $m::$code::<$mr, $nv>), $cost)),*]) }
    };
}

/// Lanes that have tiles.
pub(super) trait Tiles: Lane {
    /// The tile of `scheme`, whose lanes these are, for `rows` rows.
    fn tile(scheme: Scheme, isa: Isa, rows: usize) -> Tile<Self>;
}

impl Tiles for u64 {
    fn tile(scheme: Scheme, isa: Isa, rows: usize) -> Tile<u64> {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni if scheme == Scheme::Wide52 => {
                tiles!(rows, isa, 8, avx512::wide52, 8 x 3 at 100, 4 x 5 at 105, 1 x 8 at 180)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx512Vnni => {
                tiles!(rows, isa, 8, avx512::wide, 8 x 3 at 100, 4 x 5 at 105, 1 x 8 at 180)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => tiles!(rows, isa, 4, avx2::wide, 4 x 1 at 100, 2 x 2 at 100, 1 x 4 at 130),
            _ => tiles!(rows, Isa::Portable, 4, portable::wide, 4 x 1 at 100, 1 x 4 at 110),
        }
    }
}

impl Tiles for f64 {
    fn tile(_scheme: Scheme, isa: Isa, rows: usize) -> Tile<f64> {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx512Vnni => {
                tiles!(rows, isa, 8, avx512::float, 8 x 3 at 100, 4 x 5 at 105, 1 x 8 at 180)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => tiles!(rows, isa, 4, avx2::float, 6 x 2 at 100, 4 x 2 at 115, 1 x 8 at 180),
            _ => tiles!(rows, Isa::Portable, 4, portable::float, 4 x 1 at 100, 1 x 4 at 110),
        }
    }
}

impl Tiles for u32 {
    fn tile(scheme: Scheme, isa: Isa, rows: usize) -> Tile<u32> {
        let pairs = scheme.per_lane() == 2;
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni if pairs => {
                tiles!(rows, isa, 16, avx512::half_vnni, 8 x 3 at 100, 4 x 5 at 105, 1 x 8 at 180)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if pairs => {
                tiles!(rows, isa, 16, avx512::half, 8 x 3 at 100, 4 x 5 at 105, 1 x 8 at 180)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx512Vnni => {
                tiles!(rows, isa, 16, avx512::word, 8 x 3 at 100, 4 x 5 at 105, 1 x 8 at 180)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if pairs => tiles!(rows, isa, 8, avx2::half, 6 x 2 at 100, 4 x 2 at 104, 1 x 8 at 180),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => tiles!(rows, isa, 8, avx2::word, 4 x 2 at 100, 1 x 8 at 180),
            _ if pairs => tiles!(rows, Isa::Portable, 8, portable::half, 4 x 1 at 100, 1 x 4 at 110),
            _ => tiles!(rows, Isa::Portable, 8, portable::word, 4 x 1 at 100, 1 x 4 at 110),
        }
    }
}

//! One tile: `MR` outputs channels times `NV` vectors of pixels, over a run of taps.
//!
//! ```text
//! c[i][j] (+)= sum over taps t of  a[t][i] * planes[offsets[t] + bases[j] ..][..LANES]
//! ```
//! The broadcast factor `a` is packed, the other is read where it lies: a window of a padded plane is a slice of it,
//! and the accumulators are used often enough that unaligned loads do not matter.

use super::isa::Isa;

/// What a tile starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Zero,
    /// The sums so far were those of the upper 16-bit limb.
    UpperLimb,
}

/// Positions of taps; their largest is known, so that one comparison bounds a whole tile.
pub(super) struct Offsets {
    list: Vec<u32>,
    max: usize,
}

impl Offsets {
    pub fn new(list: Vec<u32>) -> Offsets {
        let max = list.iter().copied().max().unwrap_or(0) as usize;
        Offsets { list, max }
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn as_slice(&self) -> &[u32] {
        &self.list
    }

    pub fn max(&self) -> usize {
        self.max
    }
}

/// Pointers into buffers whose lengths [`Tile::run`] has checked. The check of the disassembly (`tests/constant-time`)
/// knows the places of the two public ones.
#[repr(C)]
pub(super) struct Raw<L> {
    pub taps: usize,
    /// `taps * MR`
    pub a: *const L,
    pub planes: *const L,
    /// `taps`
    pub offsets: *const u32,
    /// `NV`
    pub bases: *const u32,
    /// `MR * NV * LANES`
    pub c: *mut L,
    pub start: Start,
}

/// Code of one tile and its shape.
pub(super) struct Tile<L> {
    pub rows: usize,
    pub vectors: usize,
    pub lanes: usize,
    /// Needs the features of the instruction set for which it was chosen, and buffers as in [`Raw`].
    code: unsafe fn(&Raw<L>),
}

impl<L> Clone for Tile<L> {
    fn clone(&self) -> Tile<L> {
        *self
    }
}

impl<L> Copy for Tile<L> {}

impl<L> Tile<L> {
    /// # Safety
    /// `code` only reads and writes what [`Raw`] states for this shape, and only needs features of `isa`.
    pub unsafe fn new(isa: Isa, [rows, vectors, lanes]: [usize; 3], code: unsafe fn(&Raw<L>)) -> Tile<L> {
        assert!(isa.is_available(), "{isa:?} is not available");
        Tile { rows, vectors, lanes, code }
    }

    /// Pixels of a tile.
    pub fn pixels(&self) -> usize {
        self.vectors * self.lanes
    }

    /// Elements of `c`.
    pub fn len(&self) -> usize {
        self.rows * self.pixels()
    }

    /// Taps `first..` of `offsets`, as many as `a` has factors for.
    ///
    /// # Panics
    /// If a buffer is too short: a bug of this module.
    #[inline]
    pub fn run(
        &self,
        a: &[L],
        planes: &[L],
        (offsets, first): (&Offsets, usize),
        bases: &[u32],
        c: &mut [L],
        start: Start,
    ) {
        let taps = a.len() / self.rows;
        let last = bases.iter().copied().max().unwrap_or(0) as usize;
        assert!(a.len() == taps * self.rows && first + taps <= offsets.len());
        assert!(bases.len() == self.vectors && c.len() == self.len());
        assert!(offsets.max + last + self.lanes <= planes.len());
        let raw = Raw {
            taps,
            a: a.as_ptr(),
            planes: planes.as_ptr(),
            offsets: offsets.list[first..].as_ptr(),
            bases: bases.as_ptr(),
            c: c.as_mut_ptr(),
            start,
        };
        // SAFETY: the processor has the features (`new`); `a` holds `taps * rows` factors, `offsets` `taps` positions
        // from `first`, `bases` one for each vector, `c` a whole tile; and every load lies in `planes`, because the
        // largest offset, the largest base and a vector together do.
        unsafe { (self.code)(&raw) }
    }
}

/// The shape that wastes least for `rows` rows; `cost` is that of a row in percent.
pub(super) fn best<L>(rows: usize, tiles: impl IntoIterator<Item = (Tile<L>, usize)>) -> Tile<L> {
    let padded = |t: &Tile<L>, cost: usize| rows.div_ceil(t.rows) * t.rows * cost;
    let best = tiles.into_iter().min_by_key(|(tile, cost)| padded(tile, *cost));
    best.expect("a list of shapes").0
}

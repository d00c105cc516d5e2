//! Where loads and stores go: bases that loops advance, and displacements known at compile time.
//!
//! All accesses with the same buffer and the same strides share one base pointer; they differ in displacement only.

use super::plan::Loop;
use picc_ir::kernel::{Affine, Index, Kernel, Lane};
use smallvec::SmallVec;

/// What a base points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Buffer(u32),
    Table(u32),
}

/// A base pointer: every planned loop advances it by its stride.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub source: Source,
    /// In bytes, one for each planned loop: outer loops, then reduction loops.
    pub strides: SmallVec<[i64; 8]>,
}

/// `base + offset` bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub group: usize,
    /// In bytes.
    pub offset: i64,
    pub lane: Lane,
    /// Elements of the buffer.
    pub len: usize,
}

/// Address of a load or store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Direct(Access),
    /// The entry of a table; that many elements behind the place in a buffer.
    Table {
        entry: Access,
        buffer: Access,
    },
}

impl Place {
    /// Lane of the element.
    pub fn lane(&self) -> Lane {
        match self {
            Place::Direct(access) | Place::Table { buffer: access, .. } => access.lane,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    pub all: Vec<Group>,
}

impl Groups {
    fn access(&mut self, source: Source, lane: Lane, len: usize, affine: &Affine, loops: &[Loop]) -> Access {
        let bytes = lane.bytes() as i64;
        let strides = loops.iter().map(|l| stride(affine, l.from) * bytes).collect();
        let group = Group { source, strides };
        let at = self.all.iter().position(|g| *g == group).unwrap_or_else(|| {
            self.all.push(group);
            self.all.len() - 1
        });
        Access { group: at, offset: affine.offset * bytes, lane, len }
    }

    /// The place of an access in the planned loops.
    pub fn place(&mut self, kernel: &Kernel, buffer: u32, index: &Index, loops: &[Loop]) -> Place {
        let picc_ir::kernel::Buffer { lane, len, .. } = kernel.buffers[buffer as usize];
        let source = Source::Buffer(buffer);
        match index {
            Index::Affine(affine) => Place::Direct(self.access(source, lane, len, affine, loops)),
            Index::Table { table, at, base } => {
                let entry =
                    self.access(Source::Table(*table), Lane::U32, kernel.tables[*table as usize].len(), at, loops);
                Place::Table { entry, buffer: self.access(source, lane, len, base, loops) }
            }
        }
    }
}

/// Stride of the original loop `k`, in elements.
pub(super) fn stride(affine: &Affine, k: usize) -> i64 {
    affine.strides.get(k).copied().unwrap_or(0)
}

/// The affine maps of an index: of the element; or of the table's entry and of the base.
pub(super) fn maps(index: &Index) -> impl Iterator<Item = &Affine> {
    let (first, second) = match index {
        Index::Affine(affine) => (affine, None),
        Index::Table { at, base, .. } => (at, Some(base)),
    };
    std::iter::once(first).chain(second)
}

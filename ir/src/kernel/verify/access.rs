//! Accesses of a nest: inside their buffers, allowed, initialised, and disjoint between points.

use super::{Fault, State, block};
use crate::kernel::{Access, Affine, Index, Inst, Kernel, Nest};
use std::collections::BTreeMap;

/// Longest span of elements whose stores are marked one by one.
const MAX_SPAN: u64 = 1 << 26;

/// Smallest and largest value of an affine index over a box. Exact.
fn range(affine: &Affine, extents: &[u32]) -> Result<(i128, i128), Fault> {
    if affine.strides.len() > extents.len() {
        return Err(Fault::Strides { found: affine.strides.len(), loops: extents.len() });
    }
    let (mut lo, mut hi) = (i128::from(affine.offset), i128::from(affine.offset));
    for (&stride, &extent) in affine.strides.iter().zip(extents) {
        let reach = i128::from(stride) * i128::from(extent - 1);
        lo += reach.min(0);
        hi += reach.max(0);
    }
    Ok((lo, hi))
}

/// Smallest and largest element that an index names; inside the buffer.
fn bounds(kernel: &Kernel, buffer: u32, index: &Index, extents: &[u32]) -> Result<(u64, u64), Fault> {
    let (lo, hi) = match index {
        Index::Affine(affine) => range(affine, extents)?,
        Index::Table { table, at, base } => {
            let entries = kernel.tables.get(*table as usize).ok_or(Fault::NoTable { table: *table })?;
            let (lo, hi) = range(at, extents)?;
            if lo < 0 || hi >= entries.len() as i128 {
                return Err(Fault::OutOfTable { table: *table, lo, hi, len: entries.len() });
            }
            let used = &entries[lo as usize..=hi as usize];
            let (least, most) = used.iter().fold((u32::MAX, 0), |(l, m), &e| (l.min(e), m.max(e)));
            let (lo, hi) = range(base, extents)?;
            (lo + i128::from(least), hi + i128::from(most))
        }
    };
    let len = kernel.buffers.get(buffer as usize).ok_or(Fault::NoBuffer { buffer })?.len;
    if lo < 0 || hi >= len as i128 {
        return Err(Fault::OutOfBounds { buffer, lo, hi, len });
    }
    Ok((lo as u64, hi as u64))
}

/// The same index without strides of loops of one point.
fn canonical(index: &Index, extents: &[u32]) -> Index {
    let affine = |a: &Affine| {
        let strides: Vec<i64> = a.strides.iter().zip(extents).map(|(&s, &e)| if e == 1 { 0 } else { s }).collect();
        Affine::new(a.offset, &strides)
    };
    match index {
        Index::Affine(a) => Index::Affine(affine(a)),
        Index::Table { table, at, base } => Index::Table { table: *table, at: affine(at), base: affine(base) },
    }
}

/// Strides (made positive) with the extents of their loops, by size, and the smallest value; loops of one point are
/// left out.
fn dims(affine: &Affine, extents: &[u32]) -> (u64, Vec<(u64, u64)>) {
    let mut least = i128::from(affine.offset);
    let mut dims = Vec::new();
    for (k, &extent) in extents.iter().enumerate().filter(|(_, e)| **e > 1) {
        let stride = affine.strides.get(k).copied().unwrap_or(0);
        least += (i128::from(stride) * i128::from(extent - 1)).min(0);
        dims.push((stride.unsigned_abs(), u64::from(extent)));
    }
    dims.sort_unstable();
    // The caller has shown that the index lies inside a buffer.
    (least as u64, dims)
}

/// Whether each stride is larger than what all smaller ones reach together: then different points differ.
fn nested(dims: &[(u64, u64)]) -> bool {
    let mut reach = 0u64;
    dims.iter().all(|&(stride, extent)| {
        let apart = stride > reach;
        reach = reach.saturating_add(stride.saturating_mul(extent - 1));
        apart
    })
}

/// Calls `visit` with the value of an index at every point of a box.
fn each(kernel: &Kernel, index: &Index, extents: &[u32], mut visit: impl FnMut(u64)) {
    let at = |a: &Affine, point: &[u32]| {
        let terms = a.strides.iter().zip(point).map(|(&s, &i)| s.wrapping_mul(i.into()));
        terms.fold(a.offset, i64::wrapping_add)
    };
    let mut point = vec![0u32; extents.len()];
    loop {
        visit(match index {
            Index::Affine(a) => at(a, &point) as u64,
            Index::Table { table, at: entry, base } => {
                let entry = kernel.tables[*table as usize][at(entry, &point) as usize];
                (at(base, &point) + i64::from(entry)) as u64
            }
        });
        let Some(axis) = (0..extents.len()).rev().find(|&k| point[k] + 1 < extents[k]) else { return };
        point[axis] += 1;
        point[axis + 1..].fill(0);
    }
}

/// The stores of one buffer in one nest.
#[derive(Default)]
struct Stores {
    indices: Vec<Index>,
    lo: u64,
    hi: u64,
}

impl State<'_> {
    pub(super) fn nest(&mut self, nest: &Nest) -> Result<(), Fault> {
        block::check(self.kernel, nest)?;
        let outer = &nest.loops[..];
        let all: Vec<u32> = outer.iter().chain(&nest.reduce).copied().collect();
        let mut stores: BTreeMap<u32, Stores> = BTreeMap::new();
        for inst in &nest.finish {
            if let Inst::Store { buffer, index, a: _ } = inst {
                let (lo, hi) = bounds(self.kernel, *buffer, index, outer)?;
                if self.buffer(*buffer)?.access == Access::Read {
                    return Err(Fault::ReadOnly { buffer: *buffer });
                }
                let first = Stores { indices: Vec::new(), lo, hi };
                let entry = stores.entry(*buffer).or_insert(first);
                (entry.lo, entry.hi) = (entry.lo.min(lo), entry.hi.max(hi));
                entry.indices.push(canonical(index, outer));
            }
        }
        for (block, extents) in [(&nest.body, &all[..]), (&nest.finish, outer)] {
            for inst in block {
                if let Inst::Load { buffer, index } = inst {
                    let (lo, hi) = bounds(self.kernel, *buffer, index, extents)?;
                    self.loadable(*buffer, lo, hi)?;
                    let here = canonical(index, extents);
                    if stores.get(buffer).is_some_and(|s| !s.indices.contains(&here)) {
                        return Err(Fault::LoadedElsewhere { buffer: *buffer });
                    }
                }
            }
        }
        stores.iter().try_for_each(|(&buffer, stores)| self.stores(buffer, stores, outer))
    }

    /// Shows that points store different elements, and notes what is stored.
    fn stores(&mut self, buffer: u32, stores: &Stores, extents: &[u32]) -> Result<(), Fault> {
        if let [Index::Affine(affine)] = &stores.indices[..] {
            let (least, dims) = dims(affine, extents);
            if nested(&dims) {
                return self.runs(buffer, least, &dims);
            }
        }
        let points: u64 = extents.iter().fold(1, |n, &e| n.saturating_mul(e.into()));
        self.spend(buffer, points.saturating_mul(stores.indices.len() as u64))?;
        let span = stores.hi - stores.lo + 1;
        if span > MAX_SPAN {
            return Err(Fault::TooManyStores { buffer });
        }
        let mut marks = vec![false; span as usize];
        let mut twice = false;
        for index in &stores.indices {
            each(self.kernel, index, extents, |element| {
                twice |= std::mem::replace(&mut marks[(element - stores.lo) as usize], true);
            });
        }
        if twice {
            return Err(Fault::StoredTwice { buffer });
        }
        let mut start = 0;
        while let Some(first) = marks[start..].iter().position(|m| *m).map(|i| i + start) {
            let end = marks[first..].iter().position(|m| !*m).map_or(marks.len(), |i| i + first);
            self.stored[buffer as usize].add(stores.lo + first as u64, stores.lo + end as u64);
            start = end;
        }
        Ok(())
    }

    /// Notes the runs of neighbouring elements that nested strides make.
    fn runs(&mut self, buffer: u32, least: u64, dims: &[(u64, u64)]) -> Result<(), Fault> {
        let mut len = 1;
        let joined = dims.iter().take_while(|&&(stride, extent)| {
            let touches = stride == len;
            len *= if touches { extent } else { 1 };
            touches
        });
        let rest = &dims[joined.count()..];
        let runs = rest.iter().fold(1u64, |n, &(_, extent)| n.saturating_mul(extent));
        self.spend(buffer, runs)?;
        let mut point = vec![0u64; rest.len()];
        loop {
            let start = least + rest.iter().zip(&point).map(|(&(stride, _), &i)| stride * i).sum::<u64>();
            self.stored[buffer as usize].add(start, start + len);
            let Some(axis) = (0..rest.len()).rev().find(|&k| point[k] + 1 < rest[k].1) else { return Ok(()) };
            point[axis] += 1;
            point[axis + 1..].fill(0);
        }
    }

    fn spend(&mut self, buffer: u32, count: u64) -> Result<(), Fault> {
        self.budget = self.budget.checked_sub(count).ok_or(Fault::TooManyStores { buffer })?;
        Ok(())
    }
}

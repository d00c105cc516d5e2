//! Loads and stores of a unit: dense ones as vectors, every second element as two vectors and a shuffle, others one by
//! one.

use super::access::{Access, Place};
use super::nest::{NestEmitter, Unit};
use super::plan::Unroll;
use super::value::{Ops, Parts, Val, per_vector, scalar_type, vector_type};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use picc_ir::kernel::Lane;
use smallvec::SmallVec;

/// Addresses of a unit's elements.
enum Where {
    /// Those of an access, all moved by a table's entry.
    Strided { access: Access, entry: Option<Value> },
    /// One each.
    Scattered(SmallVec<[(Value, i32); 8]>),
}

impl NestEmitter<'_, '_, '_> {
    /// Address of the first element of a unit: a value and a displacement.
    fn address(&mut self, access: &Access, unit: Unit) -> (Value, i32) {
        let group = &self.plan.groups.all[access.group];
        let mut offset = access.offset;
        for (s, at) in group.strides.iter().zip(&self.fixed) {
            offset += s * at;
        }
        if let Some(v) = self.plan.along() {
            offset += group.strides[v] * unit.at;
        }
        let base = self.bases[access.group];
        match i32::try_from(offset) {
            Ok(offset) if offset < i32::MAX - 4096 => (base, offset),
            _far => (self.b.ins().iadd_imm_s(base, offset), 0),
        }
    }

    /// Where a place begins: an address whose part that differs between elements is that of the access returned.
    fn resolve(&mut self, place: &Place, unit: Unit) -> Where {
        match place {
            Place::Direct(access) => Where::Strided { access: *access, entry: None },
            Place::Table { entry, buffer } if self.plan.step(entry) == 0 => {
                let entry = self.entry(entry, buffer.lane, unit);
                Where::Strided { access: *buffer, entry: Some(entry) }
            }
            Place::Table { entry, buffer } => {
                let addresses = (0..unit.width as i64).map(|i| {
                    let one = Unit { at: unit.at + i, width: 1 };
                    let bytes = self.entry(entry, buffer.lane, one);
                    let (base, offset) = self.address(buffer, one);
                    (self.b.ins().iadd(base, bytes), offset)
                });
                Where::Scattered(addresses.collect())
            }
        }
    }

    /// Bytes that an entry of a public table stands for.
    fn entry(&mut self, entry: &Access, lane: Lane, unit: Unit) -> Value {
        let flags = MemFlagsData::new().with_notrap().with_readonly();
        let (base, offset) = self.address(entry, unit);
        let index = self.b.ins().uload32(flags, base, offset);
        let shift = self.b.ins().iconst(types::I32, i64::from(lane.bytes().trailing_zeros()));
        self.b.ins().ishl(index, shift)
    }

    /// Address of an element of a strided access.
    fn element(&mut self, access: &Access, entry: Option<Value>, unit: Unit) -> (Value, i32) {
        let (base, offset) = self.address(access, unit);
        (entry.map_or(base, |e| self.b.ins().iadd(base, e)), offset)
    }

    pub(super) fn load(&mut self, place: &Place, unit: Unit) -> Val {
        let flags = MemFlagsData::new().with_notrap();
        let (access, entry) = match self.resolve(place, unit) {
            Where::Strided { access, entry } => (access, entry),
            Where::Scattered(addresses) => {
                let ty = scalar_type(place.lane());
                let loaded = addresses.iter().map(|&(a, offset)| self.b.ins().load(ty, flags, a, offset));
                let loaded: Parts = loaded.collect();
                return if loaded.len() == 1 { Val::Scalar(loaded[0]) } else { Val::Lanes(loaded) };
            }
        };
        let (base, offset) = self.element(&access, entry, unit);
        let (lane, step) = (access.lane, self.plan.step(&access));
        if unit.width == 1 || step == 0 {
            return Val::Scalar(self.b.ins().load(scalar_type(lane), flags, base, offset));
        }
        let (n, ty) = (per_vector(lane), vector_type(lane));
        let parts = 0..(unit.width / n) as i32;
        match step {
            1 => Val::Vector(parts.map(|i| self.b.ins().load(ty, flags, base, offset + 16 * i)).collect()),
            2 => Val::Vector(
                parts.map(|i| self.every_second(&access, entry.is_none(), base, offset + 32 * i)).collect(),
            ),
            _far => Val::Lanes(
                (0..unit.width as i64)
                    .map(|i| {
                        let (base, offset) = self.element(&access, entry, Unit { at: unit.at + i, width: 1 });
                        self.b.ins().load(scalar_type(lane), flags, base, offset)
                    })
                    .collect(),
            ),
        }
    }

    /// Least and greatest element that an access names from here on, where loops are unrolled at the current index
    /// only.
    fn reach(&self, access: &Access) -> [i64; 2] {
        let strides = &self.plan.groups.all[access.group].strides;
        let mut reach = [access.offset; 2];
        for (k, (l, s)) in self.plan.loops.iter().zip(strides).enumerate() {
            let known = k >= self.plan.outer && l.unroll == Unroll::Full;
            let [first, last] = if known { [self.fixed[k]; 2] } else { [0, l.extent - 1] };
            reach[0] += (s * first).min(s * last);
            reach[1] += (s * first).max(s * last);
        }
        reach.map(|bytes| bytes / access.lane.bytes() as i64)
    }

    /// A vector of every second element from an address on. Where the buffer has room, even and odd elements are picked
    /// from the same two vectors, so that an access to the others needs no loads of its own.
    fn every_second(&mut self, access: &Access, direct: bool, base: Value, at: i32) -> Value {
        let flags = MemFlagsData::new().with_notrap();
        let (lane, bytes) = (access.lane, access.lane.bytes() as i32);
        let (n, ty) = (per_vector(lane), vector_type(lane));
        let [at_least, at_most] = self.reach(access);
        let odd = at_least % 2 != 0;
        let room = [direct && at_least > 0, direct && at_most + 1 < access.len as i64];
        // Where both vectors begin; the result's first half is every second element of the first from `skip` on.
        let (first, second, skip) = match room {
            [_, true] if !odd => (at, at + 16, [0, 0]),
            [true, _] if odd => (at - bytes, at - bytes + 16, [1, 1]),
            // The second ends with the last element, not behind it.
            _tight => (at, at + 16 - bytes, [0, 1]),
        };
        let first = self.b.ins().load(ty, flags, base, first);
        let second = self.b.ins().load(ty, flags, base, second);
        let half = n / 2;
        let pick = |e: usize| if e < half { 2 * e + skip[0] } else { n + 2 * (e - half) + skip[1] };
        Ops { b: self.b, width: n }.shuffle(lane, first, second, pick)
    }

    pub(super) fn store(&mut self, place: &Place, unit: Unit, value: &Val) {
        let flags = MemFlagsData::new().with_notrap();
        let lane = place.lane();
        let addresses: SmallVec<[(Value, i32); 8]> = match self.resolve(place, unit) {
            Where::Scattered(addresses) => addresses,
            Where::Strided { access, entry } => {
                let dense = self.plan.step(&access) == 1 && !matches!(value, Val::Lanes(_));
                if unit.width > 1 && dense {
                    let (base, offset) = self.element(&access, entry, unit);
                    let parts = Ops { b: self.b, width: unit.width }.vector(lane, value);
                    for (i, v) in parts.into_iter().enumerate() {
                        self.b.ins().store(flags, v, base, offset + 16 * i as i32);
                    }
                    return;
                }
                let units = (0..unit.width as i64).map(|i| Unit { at: unit.at + i, width: 1 });
                units.map(|one| self.element(&access, entry, one)).collect()
            }
        };
        let elements = Ops { b: self.b, width: unit.width }.elements(lane, value);
        for (v, (address, offset)) in elements.into_iter().zip(addresses) {
            self.b.ins().store(flags, v, address, offset);
        }
    }
}

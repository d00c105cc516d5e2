//! How a nest is run: which loops remain, which one is vectorised, what is unrolled, what leaves the inner loops.
//!
//! ```text
//! collapse   neighbouring loops that walk memory as one become one; loops of extent 1 go
//! choose     the loop whose accesses are dense becomes the innermost outer loop: 128-bit vectors along it;
//!            or, when only the sum walks densely, the last reduction loop: partial sums in vectors
//! level      every instruction belongs to the outermost loop in which all its indices are known
//! ```

use super::access::{Groups, Place, Source, maps, stride};
use super::cost::{self, Along};
use picc_ir::kernel::{Accumulator, Affine, Index, Inst, Kernel, Lane, Nest};

/// A loop after collapsing: its index is that of the original loop `from`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    pub extent: i64,
    pub from: usize,
    pub unroll: Unroll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unroll {
    Full,
    /// That many points in one turn.
    By(i64),
}

/// Which loop the elements of a unit lie along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The last outer loop.
    Outer,
    /// The last reduction loop.
    Reduce,
}

/// An instruction with what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Planned<'k> {
    pub inst: &'k Inst,
    /// Lane of its result, or of what it stores.
    pub lane: Lane,
    pub place: Option<Place>,
    /// Number of loops whose indices it needs.
    pub level: usize,
    /// Evaluated for each unit; otherwise once, where its level begins.
    pub per_unit: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Plan<'k> {
    /// Outer loops, then reduction loops.
    pub loops: Vec<Loop>,
    /// Number of outer loops.
    pub outer: usize,
    pub mode: Mode,
    /// Elements of a unit: as many as a vector of the narrowest lane has; 1: no vectors.
    pub unit: usize,
    /// Units in one turn of the vectorised loop.
    pub block: usize,
    /// The last unit may overlap the one before it: no buffer is both loaded and stored.
    pub overlap: bool,
    /// Many stores of a point go to lines of one set of the cache: those of several units are done together, place by
    /// place.
    pub crowded: bool,
    pub has_body: bool,
    pub accs: &'k [Accumulator],
    pub body: Vec<Planned<'k>>,
    pub finish: Vec<Planned<'k>>,
    pub groups: Groups,
}

impl<'k> Plan<'k> {
    pub fn new(kernel: &'k Kernel, nest: &'k Nest) -> Plan<'k> {
        let maps: Vec<&Affine> = nest.body.iter().chain(&nest.finish).filter_map(index_of).flat_map(maps).collect();
        let n = nest.loops.len();
        let outer = collapse(&nest.loops, 0, &maps);
        let reduce = collapse(&nest.reduce, n, &maps);
        let choice = cost::choose(kernel, nest, &outer, &reduce);

        let mut loops = outer;
        if let Along::Outer(k) = choice.along {
            let v = loops.remove(k);
            let rest: Vec<(u64, usize)> = loops.iter().map(|l| (l.extent as u64, l.from)).collect();
            loops = merge(&rest, &maps);
            loops.push(v);
        }
        let outer = loops.len();
        loops.extend(reduce);
        let mode = if choice.along == Along::Reduce { Mode::Reduce } else { Mode::Outer };

        let stored: Vec<u32> = nest.finish.iter().filter_map(store_of).collect();
        let loaded = |b: u32| nest.body.iter().chain(&nest.finish).any(|i| load_of(i) == Some(b));
        let mut plan = Plan {
            overlap: !stored.iter().any(|&b| loaded(b)),
            crowded: false,
            has_body: !nest.reduce.is_empty(),
            accs: &nest.accs,
            body: Vec::new(),
            finish: Vec::new(),
            groups: Groups::default(),
            unit: choice.unit,
            block: 1,
            loops,
            outer,
            mode,
        };
        if plan.has_body {
            plan.body = plan.instructions(kernel, &nest.body, &stored);
        }
        plan.finish = plan.instructions(kernel, &nest.finish, &stored);
        plan.crowded = plan.overlap && plan.mode == Mode::Outer && plan.unit > 1 && cost::crowded(&plan);
        cost::unroll(&mut plan);
        plan
    }

    /// The loop that the elements of a unit lie along, if there is one.
    pub fn along(&self) -> Option<usize> {
        match self.mode {
            Mode::Outer => self.outer.checked_sub(1),
            Mode::Reduce => Some(self.loops.len() - 1),
        }
    }

    pub fn reduce(&self) -> &[Loop] {
        &self.loops[self.outer..]
    }

    fn instructions(&mut self, kernel: &Kernel, insts: &'k [Inst], stored: &[u32]) -> Vec<Planned<'k>> {
        let lanes = lanes(kernel, self.accs, insts);
        let mut planned: Vec<Planned> = Vec::with_capacity(insts.len());
        for (inst, lane) in insts.iter().zip(lanes) {
            let place = match inst {
                Inst::Load { buffer, index } | Inst::Store { buffer, index, .. } => {
                    Some(self.groups.place(kernel, *buffer, index, &self.loops))
                }
                _no_address => None,
            };
            let (mut level, mut per_unit) = (0, false);
            for r in operands(inst) {
                let of = &planned[r as usize];
                level = level.max(of.level);
                per_unit |= of.per_unit;
            }
            for access in place.iter().flat_map(|p| match p {
                Place::Direct(a) => [Some(a), None],
                Place::Table { entry, buffer } => [Some(entry), Some(buffer)],
            }) {
                let Some(access) = access else { continue };
                let strides = &self.groups.all[access.group].strides;
                level = level.max(strides.iter().rposition(|&s| s != 0).map_or(0, |k| k + 1));
                per_unit |= self.along().is_some_and(|v| strides[v] != 0);
            }
            match inst {
                Inst::Accumulate { .. } => (level, per_unit) = (self.loops.len(), true),
                Inst::Store { .. } | Inst::Total { .. } => (level, per_unit) = (self.outer, true),
                // What is stored at a point may be loaded at that point: stay there.
                Inst::Load { buffer, .. } if stored.contains(buffer) => {
                    (level, per_unit) = (level.max(self.outer), true);
                }
                _free => {}
            }
            planned.push(Planned { inst, lane, place, level, per_unit });
        }
        planned
    }
}

impl Plan<'_> {
    /// Whether elements of one unit lie `stride` apart in the group, in elements of `lane`.
    pub fn step(&self, access: &super::access::Access) -> i64 {
        let Some(v) = self.along() else { return 0 };
        self.groups.all[access.group].strides[v] / access.lane.bytes() as i64
    }

    /// Turns of the outermost loop, which may run in any parts, side by side; 1: the nest runs as a whole.
    pub fn turns(&self) -> i64 {
        match self.loops.first() {
            None => 1,
            Some(_) if self.outer == 0 => 1,
            Some(l) if self.outer == 1 && self.mode == Mode::Outer => {
                (l.extent / (self.unit * self.block) as i64).max(1)
            }
            Some(l) => l.extent,
        }
    }

    pub fn buffers(&self) -> impl Iterator<Item = Source> + '_ {
        self.groups.all.iter().map(|g| g.source)
    }
}

/// Registers that an instruction reads.
pub(super) fn operands(inst: &Inst) -> impl Iterator<Item = u32> {
    let regs: [Option<u32>; 3] = match inst {
        Inst::Const { .. } | Inst::Load { .. } | Inst::Total { .. } => [None; 3],
        Inst::Binary { a, b, .. } | Inst::Compare { a, b, .. } => [Some(a.0), Some(b.0), None],
        Inst::Shift { a, .. } | Inst::Convert { a, .. } | Inst::Store { a, .. } | Inst::Accumulate { a, .. } => {
            [Some(a.0), None, None]
        }
        Inst::Select { mask, a, b } => [Some(mask.0), Some(a.0), Some(b.0)],
    };
    regs.into_iter().flatten()
}

/// Lane of every instruction's value, or of what it stores.
pub(super) fn lanes(kernel: &Kernel, accs: &[Accumulator], insts: &[Inst]) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::with_capacity(insts.len());
    for inst in insts {
        lanes.push(match inst {
            Inst::Const { lane, .. } | Inst::Convert { lane, .. } => *lane,
            Inst::Load { buffer, .. } | Inst::Store { buffer, .. } => kernel.buffers[*buffer as usize].lane,
            Inst::Binary { a, .. } | Inst::Shift { a, .. } | Inst::Compare { a, .. } | Inst::Select { a, .. } => {
                lanes[a.0 as usize]
            }
            Inst::Total { acc } | Inst::Accumulate { acc, .. } => accs[*acc as usize].lane,
        });
    }
    lanes
}

fn index_of(inst: &Inst) -> Option<&Index> {
    match inst {
        Inst::Load { index, .. } | Inst::Store { index, .. } => Some(index),
        _no_address => None,
    }
}

pub(super) fn store_of(inst: &Inst) -> Option<u32> {
    match inst {
        Inst::Store { buffer, .. } => Some(*buffer),
        _other => None,
    }
}

fn load_of(inst: &Inst) -> Option<u32> {
    match inst {
        Inst::Load { buffer, .. } => Some(*buffer),
        _other => None,
    }
}

/// Loops without those of extent 1, neighbours merged where every access walks both as one.
fn collapse(extents: &[u32], first: usize, maps: &[&Affine]) -> Vec<Loop> {
    let loops = extents.iter().enumerate().filter(|&(_, &e)| e > 1).map(|(k, &e)| (u64::from(e), first + k));
    merge(&loops.collect::<Vec<_>>(), maps)
}

fn merge(loops: &[(u64, usize)], maps: &[&Affine]) -> Vec<Loop> {
    let mut out: Vec<Loop> = Vec::new();
    for &(extent, from) in loops {
        let extent = extent as i64;
        match out.last_mut() {
            Some(last) if maps.iter().all(|m| stride(m, last.from) == stride(m, from) * extent) => {
                last.extent *= extent;
                last.from = from;
            }
            Some(_) | None => out.push(Loop { extent, from, unroll: Unroll::By(1) }),
        }
    }
    out
}

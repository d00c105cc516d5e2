//! Emits the loops of a plan.
//!
//! Every loop counts bytes: one counter for each distinct stride, so that an address is a base plus a counter plus a
//! displacement. Loops end where a counter meets a constant; nothing else branches.

mod flat;

use super::access::Source;
use super::plan::{Mode, Plan, Planned, Unroll};
use super::value::{Ops, Parts, Val, per_vector};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use cranelift_frontend::FunctionBuilder;
use flat::{neutral, unflatten};
use picc_ir::kernel::{Inst, Lane};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// Elements that run side by side: `width` of them from `at` on, counted along the vectorised loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub at: i64,
    pub width: usize,
}

#[derive(Clone, Debug, Default)]
struct Env {
    body: Vec<Option<Val>>,
    finish: Vec<Option<Val>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Body,
    Finish,
}

pub(super) struct NestEmitter<'p, 'b, 'f> {
    pub(super) b: &'b mut FunctionBuilder<'f>,
    pub(super) plan: &'p Plan<'p>,
    /// Address of each group at the current point.
    pub(super) bases: Vec<Value>,
    /// Known part of each loop's index.
    pub(super) fixed: Vec<i64>,
    /// Values that all units share.
    shared: Env,
}

/// Turns of the outermost loop that are run, from the first up to the last, which is left out; at least one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turns {
    pub first: Value,
    pub last: Value,
}

/// Emits a nest at the current position, of which it runs `turns` ([`Plan::turns`]; all there is if that is 1);
/// `pointers` are the start addresses of what its groups point into.
pub(super) fn emit(b: &mut FunctionBuilder<'_>, plan: &Plan<'_>, turns: Turns, pointers: &dyn Fn(Source) -> Value) {
    let bases = plan.groups.all.iter().map(|g| pointers(g.source)).collect();
    let env = Env { body: vec![None; plan.body.len()], finish: vec![None; plan.finish.len()] };
    let mut e = NestEmitter { b, plan, bases, fixed: vec![0; plan.loops.len()], shared: env };
    e.shared_at(0);
    e.outer(0, (plan.turns() > 1).then_some(turns));
}

impl NestEmitter<'_, '_, '_> {
    fn outer(&mut self, k: usize, turns: Option<Turns>) {
        let plan = self.plan;
        if k == plan.outer {
            self.block(&[Unit { at: 0, width: 1 }]);
        } else if plan.mode == Mode::Outer && k + 1 == plan.outer {
            self.along(k, turns);
        } else {
            self.counted(k, plan.loops[k].extent, 1, turns, &[], |e, _none| {
                e.shared_at(k + 1);
                e.outer(k + 1, None);
                Parts::new()
            });
        }
    }

    /// The vectorised outer loop: blocks of units, single units, then single elements.
    fn along(&mut self, k: usize, turns: Option<Turns>) {
        let plan = self.plan;
        let (unit, extent) = (plan.unit as i64, plan.loops[k].extent);
        let turn = unit * plan.block as i64;
        let units: Vec<Unit> = (0..plan.block as i64).map(|i| Unit { at: i * unit, width: plan.unit }).collect();
        let trips = extent / turn;
        if trips > 0 {
            self.counted(k, trips, turn, turns, &[], |e, _none| {
                e.block(&units);
                Parts::new()
            });
        }
        let mut at = trips * turn;
        let mut rest = Vec::new();
        while extent - at >= unit {
            rest.push(Unit { at, width: plan.unit });
            at += unit;
        }
        if at < extent && plan.overlap && extent >= unit {
            // What it computes twice is the same twice.
            rest.push(Unit { at: extent - unit, width: plan.unit });
            at = extent;
        }
        rest.extend((at..extent).map(|at| Unit { at, width: 1 }));
        // What is left after the turns belongs to the last of them.
        let whole = turns.filter(|_| !rest.is_empty()).map(|turns| {
            let (tail, end) = (self.b.create_block(), self.b.create_block());
            let last = self.b.ins().icmp_imm_s(IntCC::Equal, turns.last, trips);
            self.b.ins().brif(last, tail, &[], end, &[]);
            self.b.seal_block(tail);
            self.b.switch_to_block(tail);
            end
        });
        for units in rest.chunk_by(|a, b| a.width == b.width) {
            self.block(units);
        }
        if let Some(end) = whole {
            self.b.ins().jump(end, &[]);
            self.b.seal_block(end);
            self.b.switch_to_block(end);
        }
    }

    /// Outer points side by side.
    fn block(&mut self, units: &[Unit]) {
        let plan = self.plan;
        let straight = plan.reduce().iter().all(|l| l.unroll == Unroll::Full) && plan.mode == Mode::Outer;
        if straight && units.len() > 1 && !plan.crowded {
            for &unit in units {
                self.block(&[unit]);
            }
            return;
        }
        let empty = Env { body: vec![None; plan.body.len()], finish: vec![None; plan.finish.len()] };
        let mut envs = vec![empty; units.len()];
        let mut accs: Vec<Vec<Val>> = vec![plan.accs.iter().map(|a| Val::Const(a.start)).collect(); units.len()];
        if plan.has_body {
            for level in 0..=plan.outer {
                self.units_at(level, units, &mut envs, &mut accs);
            }
            self.reduce(0, units, &mut envs, &mut accs);
        }
        let own = || plan.finish.iter().enumerate().filter(|(_, p)| p.per_unit);
        let later = |p: &Planned| plan.crowded && matches!(p.inst, Inst::Store { .. });
        for (i, &unit) in units.iter().enumerate() {
            for (at, p) in own().filter(|(_, p)| !later(p)) {
                let v = self.inst(Part::Finish, p, unit, &envs[i], &mut accs[i]);
                envs[i].finish[at] = v;
            }
        }
        // Whole lines of one place after the other.
        for (_, p) in own().filter(|(_, p)| later(p)) {
            for (i, &unit) in units.iter().enumerate() {
                self.inst(Part::Finish, p, unit, &envs[i], &mut accs[i]);
            }
        }
    }

    /// The reduction loops from the `j`-th on.
    fn reduce(&mut self, j: usize, units: &[Unit], envs: &mut [Env], accs: &mut [Vec<Val>]) {
        let plan = self.plan;
        let k = plan.outer + j;
        if k == plan.loops.len() {
            return;
        }
        if plan.mode == Mode::Reduce && k + 1 == plan.loops.len() {
            return self.reduce_along(k, units[0], &envs[0], &mut accs[0]);
        }
        let extent = plan.loops[k].extent;
        let point = |e: &mut Self, at: i64, envs: &mut [Env], accs: &mut [Vec<Val>]| {
            e.fixed[k] = at;
            e.shared_at(k + 1);
            e.units_at(k + 1, units, envs, accs);
            e.reduce(j + 1, units, envs, accs);
            e.fixed[k] = 0;
        };
        match plan.loops[k].unroll {
            Unroll::Full => (0..extent).for_each(|at| point(self, at, envs, accs)),
            Unroll::By(step) => {
                let trips = extent / step;
                let carried = self.flatten(units, accs);
                let out = self.counted(k, trips, step, None, &carried, |e, carried| {
                    unflatten(plan, units, carried, accs);
                    (0..step).for_each(|at| point(e, at, envs, accs));
                    e.flatten(units, accs)
                });
                unflatten(plan, units, &out, accs);
                (trips * step..extent).for_each(|at| point(self, at, envs, accs));
            }
        }
    }

    /// The last reduction loop in vectors: partial sums of every element of a unit, folded at the end.
    fn reduce_along(&mut self, k: usize, point: Unit, env: &Env, accs: &mut [Val]) {
        let plan = self.plan;
        let (unit, extent) = (plan.unit as i64, plan.loops[k].extent);
        let block = (plan.block as i64).min(extent / unit);
        let turn = unit * block;
        let trips = extent / turn;
        let units: Vec<Unit> = (0..block).map(|i| Unit { at: i * unit, width: plan.unit }).collect();
        let mut envs = vec![env.clone(); units.len()];
        let start = plan.accs.iter().map(|a| Val::Const(neutral(a.op, a.lane))).collect::<Vec<_>>();
        let mut partial = vec![start; units.len()];
        let carried = self.flatten(&units, &partial);
        let out = self.counted(k, trips, turn, None, &carried, |e, carried| {
            unflatten(plan, &units, carried, &mut partial);
            e.shared_at(k + 1);
            e.units_at(k + 1, &units, &mut envs, &mut partial);
            e.flatten(&units, &partial)
        });
        unflatten(plan, &units, &out, &mut partial);
        for (a, acc) in plan.accs.iter().enumerate() {
            let mut ops = Ops { b: self.b, width: plan.unit };
            let mut sum = partial[0][a].clone();
            for p in &partial[1..] {
                sum = ops.binary(acc.op, acc.lane, &sum, &p[a]);
            }
            let mut parts = ops.vector(acc.lane, &sum);
            while parts.len() > 1 {
                parts = parts.chunks(2).map(|p| ops.binary1(acc.op, p[0], p[1])).collect();
            }
            ops.width = per_vector(acc.lane);
            for element in ops.elements(acc.lane, &Val::Vector(parts)) {
                accs[a] = ops.binary(acc.op, acc.lane, &accs[a], &Val::Scalar(element));
            }
        }
        let mut one = [env.clone()];
        let mut total = [accs.to_vec()];
        for at in trips * turn..extent {
            self.units_at(k + 1, &[Unit { at, width: point.width }], &mut one, &mut total);
        }
        accs.clone_from_slice(&total[0]);
    }

    /// Instructions of a level that every unit shares.
    fn shared_at(&mut self, level: usize) {
        let plan = self.plan;
        for (part, list) in [(Part::Body, &plan.body), (Part::Finish, &plan.finish)] {
            for (at, p) in list.iter().enumerate().filter(|(_, p)| p.level == level && !p.per_unit) {
                let none = Env::default();
                let v = self.inst(part, p, Unit { at: 0, width: 1 }, &none, &mut []);
                match part {
                    Part::Body => self.shared.body[at] = v,
                    Part::Finish => self.shared.finish[at] = v,
                }
            }
        }
    }

    /// Instructions of the body at a level, for each unit.
    fn units_at(&mut self, level: usize, units: &[Unit], envs: &mut [Env], accs: &mut [Vec<Val>]) {
        let plan = self.plan;
        for (i, &unit) in units.iter().enumerate() {
            for (at, p) in plan.body.iter().enumerate().filter(|(_, p)| p.level == level && p.per_unit) {
                let v = self.inst(Part::Body, p, unit, &envs[i], &mut accs[i]);
                envs[i].body[at] = v;
            }
        }
    }

    fn inst(&mut self, part: Part, p: &Planned, unit: Unit, env: &Env, accs: &mut [Val]) -> Option<Val> {
        let plan = self.plan;
        let of = |r: u32| -> (Val, Lane) {
            let (own, shared, list) = match part {
                Part::Body => (&env.body, &self.shared.body, &plan.body),
                Part::Finish => (&env.finish, &self.shared.finish, &plan.finish),
            };
            let value = own.get(r as usize).cloned().flatten().or_else(|| shared[r as usize].clone());
            debug_assert!(value.is_some(), "register {r} used before its level");
            (value.unwrap_or(Val::Const(0)), list[r as usize].lane)
        };
        let width = unit.width;
        match p.inst {
            Inst::Const { value, .. } => Some(Val::Const(*value)),
            Inst::Load { .. } => p.place.map(|place| self.load(&place, unit)),
            Inst::Store { a, .. } => {
                let (value, _) = of(a.0);
                if let Some(place) = p.place {
                    self.store(&place, unit, &value);
                }
                None
            }
            Inst::Binary { op, a, b } => {
                let ((a, lane), (b, _)) = (of(a.0), of(b.0));
                Some(Ops { b: self.b, width }.binary(*op, lane, &a, &b))
            }
            Inst::Shift { op, a, bits } => {
                let (a, lane) = of(a.0);
                Some(Ops { b: self.b, width }.shift(*op, lane, &a, *bits))
            }
            Inst::Compare { op, a, b } => {
                let ((a, lane), (b, _)) = (of(a.0), of(b.0));
                Some(Ops { b: self.b, width }.compare(*op, lane, &a, &b))
            }
            Inst::Select { mask, a, b } => {
                let ((m, lane), (a, _), (b, _)) = (of(mask.0), of(a.0), of(b.0));
                Some(Ops { b: self.b, width }.select(lane, &m, &a, &b))
            }
            Inst::Convert { lane, signed, a } => {
                let (a, from) = of(a.0);
                Some(Ops { b: self.b, width }.convert(from, *lane, *signed, &a))
            }
            Inst::Total { acc } => Some(accs[*acc as usize].clone()),
            Inst::Accumulate { acc, a } => {
                let (a, lane) = of(a.0);
                let op = plan.accs[*acc as usize].op;
                let old = &accs[*acc as usize];
                let sum = match old {
                    // The first summand of a straight line.
                    Val::Const(c) if *c == neutral(op, lane) => a,
                    _started => Ops { b: self.b, width }.binary(op, lane, old, &a),
                };
                accs[*acc as usize] = sum;
                None
            }
        }
    }

    /// `trips` turns of loop `k`, or those of them that `turns` says, `step` points each; `carried` values go from turn
    /// to turn.
    fn counted(
        &mut self,
        k: usize,
        trips: i64,
        step: i64,
        turns: Option<Turns>,
        carried: &[Value],
        body: impl FnOnce(&mut Self, &[Value]) -> Parts,
    ) -> Parts {
        if trips == 1 {
            return body(self, carried);
        }
        let mut strides: BTreeMap<i64, Value> = BTreeMap::new();
        let header = self.b.create_block();
        let exit = self.b.create_block();
        for s in self.plan.groups.all.iter().map(|g| g.strides[k]).filter(|&s| s != 0).chain([1]) {
            // A loop whose index nobody needs still counts.
            if s != 1 || strides.is_empty() {
                strides.entry(s).or_insert_with(|| self.b.append_block_param(header, types::I64));
            }
        }
        let zero = self.b.ins().iconst(types::I64, 0);
        // Parameters are in the order in which strides were met; sort them by their position.
        let params: SmallVec<[Value; 4]> = self.b.block_params(header).iter().copied().collect();
        let stride_of = |p: Value| strides.iter().find(|(_, v)| **v == p).map_or(1, |(s, _)| *s);
        let steps: SmallVec<[i64; 4]> = params.iter().map(|&p| stride_of(p)).collect();
        let times = |e: &mut Self, turns: Value, s: i64| {
            let bytes = e.b.ins().iconst(types::I64, s * step);
            e.b.ins().imul(turns, bytes)
        };
        let mut args: Vec<BlockArg> = Vec::with_capacity(params.len() + carried.len());
        for &s in &steps {
            let start = turns.map_or(zero, |t| times(self, t.first, s));
            args.push(BlockArg::Value(start));
        }
        let part = match (turns, steps.first()) {
            (Some(turns), Some(&s)) => Some(times(self, turns.last, s)),
            _whole => None,
        };
        args.extend(carried.iter().map(|&v| BlockArg::Value(v)));
        let inner: Parts = carried.iter().map(|&v| self.append(header, v)).collect();
        let outs: Parts = carried.iter().map(|&v| self.append(exit, v)).collect();
        self.b.ins().jump(header, &args);
        self.b.switch_to_block(header);

        let saved = self.bases.clone();
        for (base, group) in self.bases.iter_mut().zip(&self.plan.groups.all) {
            let stride = group.strides[k];
            if let Some(&counter) = strides.get(&stride).filter(|_| stride != 0) {
                *base = self.b.ins().iadd(*base, counter);
            }
        }
        let results = body(self, &inner);
        self.bases = saved;

        let mut next: Vec<BlockArg> = Vec::new();
        let mut done = None;
        for (&p, &s) in params.iter().zip(&steps) {
            let n = self.b.ins().iadd_imm_s(p, s * step);
            done.get_or_insert((n, s * step * trips));
            next.push(BlockArg::Value(n));
        }
        next.extend(results.iter().map(|&v| BlockArg::Value(v)));
        let out: Vec<BlockArg> = results.iter().map(|&v| BlockArg::Value(v)).collect();
        if let Some((counter, end)) = done {
            let more = match part {
                Some(part) => self.b.ins().icmp(IntCC::NotEqual, counter, part),
                None => self.b.ins().icmp_imm_s(IntCC::NotEqual, counter, end),
            };
            self.b.ins().brif(more, header, &next, exit, &out);
        }
        self.b.seal_block(header);
        self.b.seal_block(exit);
        self.b.switch_to_block(exit);
        outs
    }
}

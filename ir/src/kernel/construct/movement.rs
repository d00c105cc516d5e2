//! Nodes that move data, or sum over what was moved: another index of the argument.

use super::expr::{Attempt, Obstacle, Val};
use super::place::{Axis, Form, Place, broadcast};
use crate::Id;
use crate::ops::{Concat, Gather, Pad, ReduceSum, Slice, SumPool, Transpose, ZeroInsert};
use std::rc::Rc;

/// Points at which a list of indices is compared with a form.
const MAX_FITTED: u64 = 1 << 20;

type Result<T> = std::result::Result<T, Obstacle>;

impl Attempt<'_, '_> {
    pub(super) fn transpose(&mut self, id: Id, op: &Transpose, place: &Place) -> Result<Val> {
        let axes = self.axes(id, place)?;
        let mut moved = axes.clone();
        op.perm.iter().zip(axes).for_each(|(&p, axis)| moved[p] = axis);
        self.moved(id, 0, moved)
    }

    pub(super) fn expand(&mut self, id: Id, place: &Place) -> Result<Val> {
        let node = self.b.node(id);
        let axes = broadcast(&self.axes(id, place)?, self.b.shape(node.args[0]), &node.ty.shape);
        self.moved(id, 0, axes)
    }

    pub(super) fn slice(&mut self, id: Id, op: &Slice, place: &Place) -> Result<Val> {
        let mut axes = self.axes(id, place)?;
        for (i, axis) in axes.iter_mut().enumerate() {
            // An axis with one element is never stepped along; its step may be any number.
            let step = if op.size[i] == 1 { 0 } else { op.step[i] as i64 };
            let start = op.start[i] as i64;
            *axis = match &axis.list {
                None => axis.form.scaled(step).shifted(start).into(),
                Some(list) => {
                    let list = list.iter().map(|v| start + step * v).collect();
                    Axis { form: axis.form.clone(), list: Some(Rc::new(list)) }
                }
            };
        }
        self.moved(id, 0, axes)
    }

    pub(super) fn pad(&mut self, id: Id, op: &Pad, place: &Place) -> Result<Val> {
        let from = self.b.shape(self.b.node(id).args[0]);
        let mut axes = self.axes(id, place)?;
        for (i, axis) in axes.iter_mut().enumerate() {
            let axis = affine(axis, id)?;
            *axis = axis.shifted(-(op.before[i] as i64));
            if !self.inside(axis, from[i] as i64, id)? {
                return Ok(Val::Zero);
            }
        }
        self.moved(id, 0, axes)
    }

    pub(super) fn concat(&mut self, id: Id, op: &Concat, place: &Place) -> Result<Val> {
        let node = self.b.node(id);
        let mut axes = self.axes(id, place)?;
        let mut part = 0;
        loop {
            let axis = affine(&mut axes[op.axis], id)?;
            let extent = self.b.shape(node.args[part])[op.axis] as i64;
            if part + 1 == node.args.len() || self.before(axis, extent, id)? {
                return self.moved(id, part, axes);
            }
            *axis = axis.shifted(-extent);
            part += 1;
        }
    }

    pub(super) fn zero_insert(&mut self, id: Id, op: &ZeroInsert, place: &Place) -> Result<Val> {
        let from = self.b.shape(self.b.node(id).args[0]);
        let mut axes = self.axes(id, place)?;
        for (i, axis) in axes.iter_mut().enumerate() {
            // An axis of extent 1 stays what it is, whatever its factor.
            let factor = if from[i] == 1 { 1 } else { op.factor[i] as i64 };
            let axis = affine(axis, id)?;
            match self.multiple(axis, factor, id)? {
                Some(form) => *axis = form,
                None => return Ok(Val::Zero),
            }
        }
        self.moved(id, 0, axes)
    }

    pub(super) fn gather(&mut self, id: Id, op: &Gather, place: &Place) -> Result<Val> {
        let mut axes = self.axes(id, place)?;
        let other = axes.iter().any(|axis| axis.list.is_some());
        let form = affine(&mut axes[op.axis], id)?.clone();
        let axis = self.gathered(op, &form)?;
        if other && axis.list.is_some() {
            // An index goes through one list.
            return Err(Obstacle::Store(id));
        }
        axes[op.axis] = axis;
        self.moved(id, 0, axes)
    }

    pub(super) fn reduce_sum(&mut self, id: Id, op: &ReduceSum, place: &Place) -> Result<Val> {
        let from = self.b.shape(self.b.node(id).args[0]);
        let extents: Vec<u32> = op.axes.iter().map(|&a| from[a] as u32).collect();
        let mut kept = self.axes(id, place)?.into_iter();
        let mut axes: Vec<Axis> = vec![Form::constant(0).into(); from.len()];
        for (i, axis) in axes.iter_mut().enumerate() {
            let gone = op.axes.contains(&i);
            if (op.keep || !gone)
                && let Some(outer) = kept.next()
                && !gone
            {
                *axis = outer;
            }
        }
        self.reduction(id, &extents, |attempt, loops| {
            let mut axes = axes.clone();
            op.axes.iter().zip(loops).for_each(|(&a, l)| axes[a] = l.clone().into());
            attempt.moved(id, 0, axes)
        })
    }

    /// A matrix product that no primitive computes: its batches are broadcast.
    pub(super) fn matmul(&mut self, id: Id, place: &Place) -> Result<Val> {
        let node = self.b.node(id);
        let axes = self.axes(id, place)?;
        let (a, b) = (self.b.shape(node.args[0]), self.b.shape(node.args[1]));
        let (rank, inner) = (axes.len(), a[a.len() - 1]);
        self.reduction(id, &[inner as u32], |attempt, loops| {
            let factor = |shape: &[usize], axis: usize| {
                let (mut index, mut all) = (axes.clone(), node.ty.shape.clone());
                (index[axis], all[axis]) = (loops[0].clone().into(), inner);
                broadcast(&index, shape, &all)
            };
            let x = attempt.moved(id, 0, factor(a, rank - 1))?;
            let y = attempt.moved(id, 1, factor(b, rank - 2))?;
            Ok(attempt.product(x, y))
        })
    }

    /// Argument `i` at another index.
    fn moved(&mut self, id: Id, i: usize, axes: Vec<Axis>) -> Result<Val> {
        let node = self.b.node(id);
        self.arg(node, node.args[i], Place::Axes(axes))
    }

    pub(super) fn sum_pool(&mut self, id: Id, op: &SumPool, place: &Place) -> Result<Val> {
        let from = self.b.shape(self.b.node(id).args[0]);
        let axes = self.axes(id, place)?;
        let extents = op.kernel.map(|k| k as u32);
        self.reduction(id, &extents, |attempt, loops| {
            let mut indices = axes.clone();
            for i in 0..2 {
                let axis = affine(&mut indices[2 + i], id)?;
                let tap = loops[i].scaled(op.dilation[i] as i64).shifted(-(op.pads[i] as i64));
                *axis = axis.scaled(op.stride[i] as i64).plus(&tap);
                if !attempt.inside(axis, from[2 + i] as i64, id)? {
                    return Ok(Val::Zero);
                }
            }
            attempt.moved(id, 0, indices)
        })
    }

    /// Whether an index lies in `0..extent` at all points (or at none).
    fn inside(&self, form: &Form, extent: i64, id: Id) -> Result<bool> {
        Ok(!self.before(form, 0, id)? && self.before(form, extent, id)?)
    }

    /// Whether an index is below `end` at all points, or at none.
    fn before(&self, form: &Form, end: i64, id: Id) -> Result<bool> {
        let (lo, hi) = form.range(&self.extents);
        if hi < end {
            return Ok(true);
        }
        if lo >= end {
            return Ok(false);
        }
        // The outer loop with the largest step tells most. Where the others do not matter it is cut at the border;
        // along the border, point by point.
        let active = form.active(&self.extents);
        let k = active
            .iter()
            .copied()
            .max_by_key(|&k| (self.is_outer(k), form.coef(k).abs()))
            .ok_or(Obstacle::NotLocal(id))?;
        let (c, n) = (form.coef(k), i64::from(self.extents[k]));
        let others = form.clone().with(k, 0);
        let (least, most) = others.range(&self.extents);
        // Points of loop k, in the order in which the index grows, that are surely below, and that are not surely
        // above.
        let below = (end - most + c.abs() - 1).div_euclid(c.abs());
        let within = (end - least + c.abs() - 1).div_euclid(c.abs());
        let (below, within) = if c > 0 {
            (below, within)
        } else {
            // From the largest point down: the index at point i is `others - |c| i`.
            ((least - end).div_euclid(-c) + 1, (most - end).div_euclid(-c) + 1)
        };
        let at = [below, within].into_iter().find(|at| (1..n).contains(at));
        match at {
            Some(at) => Err(Obstacle::Cut { k, at: at as u32 }),
            None if n <= 16 && active.len() > 1 => Err(Obstacle::Cut { k, at: 1 }),
            None => Err(Obstacle::Store(id)),
        }
    }

    /// The index divided by `by` where it is a multiple, at all points or at none.
    fn multiple(&self, form: &Form, by: i64, id: Id) -> Result<Option<Form>> {
        let steps = form.active(&self.extents);
        let mut odd = steps.iter().copied().filter(|&k| form.coef(k) % by != 0);
        let Some(k) = odd.next() else {
            // Loops of one point do not count.
            let counted = steps.iter().fold(Form::constant(form.offset), |f, &k| f.with(k, form.coef(k)));
            return Ok(counted.divided(by));
        };
        if odd.next().is_some() || self.in_body() {
            return Err(Obstacle::Store(id));
        }
        let n = i64::from(self.extents[k]);
        if n > by {
            return Err(match n % by {
                0 => Obstacle::Split { k, inner: by as u32 },
                rest => Obstacle::Cut { k, at: (n - rest) as u32 },
            });
        }
        let is_multiple = |i: i64| (form.offset + form.coef(k) * i) % by == 0;
        let first = is_multiple(0);
        let at = (1..n).find(|&i| is_multiple(i) != first);
        match at {
            Some(at) => Err(Obstacle::Cut { k, at: at as u32 }),
            // None is a multiple.
            None => Ok(None),
        }
    }

    /// What a list gives along a form: a form again if it can be, else a list.
    fn gathered(&self, op: &Gather, form: &Form) -> Result<Axis> {
        let list: Vec<i64> = op.indices.iter().map(|&i| i.into()).collect();
        let active = form.active(&self.extents);
        if let Some(fitted) = self.fitted(&list, form, &active) {
            return Ok(fitted.into());
        }
        // Each index several times: as in nearest-neighbour resizing.
        let run = list.iter().take_while(|v| **v == list[0]).count() as u32;
        if let ([k], false) = (&active[..], self.in_body())
            && run > 1
            && form.coef(*k) == 1
            && self.extents[*k].is_multiple_of(run)
            && self.extents[*k] > run
            && list.chunks(run as usize).all(|c| c.iter().all(|v| *v == c[0]))
            && form.offset % i64::from(run) == 0
        {
            return Err(Obstacle::Split { k: *k, inner: run });
        }
        Ok(Axis { form: form.clone(), list: Some(Rc::new(list)) })
    }

    /// The form whose value is the list's entry at every point.
    fn fitted(&self, list: &[i64], form: &Form, active: &[usize]) -> Option<Form> {
        let count = active.iter().fold(1u64, |n, &k| n.saturating_mul(self.extents[k].into()));
        if count > MAX_FITTED {
            return None;
        }
        let at = |i: i64| list.get(i as usize).copied().unwrap_or(0);
        let mut fitted = Form::constant(at(form.offset));
        for &k in active {
            fitted = fitted.with(k, at(form.offset + form.coef(k)) - at(form.offset));
        }
        let mut points = vec![0i64; active.len()];
        loop {
            let value = |f: &Form| active.iter().zip(&points).map(|(&k, i)| f.coef(k) * i).sum::<i64>() + f.offset;
            if at(value(form)) != value(&fitted) {
                return None;
            }
            let next = (0..active.len()).rev().find(|&a| points[a] + 1 < i64::from(self.extents[active[a]]));
            let Some(a) = next else { return Some(fitted) };
            points[a] += 1;
            points[a + 1..].fill(0);
        }
    }
}

/// The form of an axis that goes through no list.
fn affine(axis: &mut Axis, id: Id) -> Result<&mut Form> {
    match axis.list {
        None => Ok(&mut axis.form),
        Some(_) => Err(Obstacle::Store(id)),
    }
}

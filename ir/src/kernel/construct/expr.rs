//! One attempt at one nest: follows a value back to memory, or says what stands in the way.

use super::job::Domain;
use super::place::{Axis, Flat, Form, Place, Unaligned, broadcast, flat, unflattened};
use super::{Builder, Stored};
use crate::kernel::{Accumulator, BinaryOp, Index, Inst, Lane, Nest, Reg};
use crate::op::{MpcOp, Op};
use crate::{Id, Node, Owner};
use std::collections::BTreeMap;

/// Deepest chain of nodes that one expression follows, and most instructions of a block: beyond, values are stored.
const MAX_DEPTH: usize = 64;
const MAX_BLOCK: usize = 400;

/// Why this box does not make one nest.
pub(super) enum Obstacle {
    /// Loop `k` must become two, the inner one of `inner` points.
    Split {
        k: usize,
        inner: u32,
    },
    /// The points of loop `k` before `at` are of another kind than the rest.
    Cut {
        k: usize,
        at: u32,
    },
    /// The reduction runs over these boxes.
    Boxes(Vec<Vec<(u32, u32)>>),
    /// This value must be in memory.
    Store(Id),
    NotLocal(Id),
}

/// A value in a register, or known to be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Val {
    Zero,
    /// In the lane of its ring.
    Reg {
        reg: Reg,
        clean: bool,
    },
}

/// A nest under construction.
pub(super) struct Attempt<'b, 'a> {
    pub b: &'b mut Builder<'a>,
    root: Id,
    domain: &'b Domain,
    /// Extents of all loops around the block at hand.
    pub extents: Vec<u32>,
    body: Option<Vec<Inst>>,
    finish: Vec<Inst>,
    reduce: Vec<u32>,
    accs: Vec<Accumulator>,
    memo: BTreeMap<(Id, Place, bool), Val>,
    /// Outputs that this nest computes on its way.
    also: Vec<(Id, u32)>,
    depth: usize,
}

type Result<T> = std::result::Result<T, Obstacle>;

impl<'b, 'a> Attempt<'b, 'a> {
    /// The nest that stores the value `root` over `domain` into `buffer`, and what other outputs it stores whole.
    pub fn of(b: &'b mut Builder<'a>, root: Id, buffer: u32, domain: &'b Domain) -> Result<(Nest, Vec<(Id, u32)>)> {
        let mut attempt = Attempt {
            b,
            root,
            domain,
            extents: domain.extents.clone(),
            body: None,
            finish: Vec::new(),
            reduce: Vec::new(),
            accs: Vec::new(),
            memo: BTreeMap::new(),
            also: Vec::new(),
            depth: 0,
        };
        let place = domain.place();
        let val = attempt.value(root, place.clone())?;
        attempt.store(root, buffer, val, &place)?;
        let Attempt { finish, reduce, accs, also, body, .. } = attempt;
        let nest = Nest {
            loops: domain.extents.clone().into(),
            reduce: reduce.into(),
            accs,
            body: body.unwrap_or_default(),
            finish,
        };
        Ok((nest, also))
    }

    fn block(&mut self) -> &mut Vec<Inst> {
        match &mut self.body {
            Some(body) if self.extents.len() > self.domain.extents.len() => body,
            _ => &mut self.finish,
        }
    }

    pub fn is_outer(&self, k: usize) -> bool {
        k < self.domain.extents.len()
    }

    pub fn in_body(&self) -> bool {
        self.extents.len() > self.domain.extents.len()
    }

    /// The register of an instruction; an equal one before it is used again.
    pub fn push(&mut self, inst: Inst) -> Reg {
        let block = self.block();
        let at = block.iter().position(|i| *i == inst).unwrap_or_else(|| {
            block.push(inst);
            block.len() - 1
        });
        Reg(at as u32)
    }

    pub fn binary(&mut self, op: BinaryOp, a: Reg, b: Reg) -> Reg {
        self.push(Inst::Binary { op, a, b })
    }

    pub fn constant(&mut self, lane: Lane, value: u64) -> Reg {
        self.push(Inst::Const { lane, value: value & lane.mask() })
    }

    pub fn convert(&mut self, a: Reg, from: Lane, lane: Lane) -> Reg {
        if from == lane { a } else { self.push(Inst::Convert { lane, signed: false, a }) }
    }

    /// The register of a value, with the bits above the ring cleared.
    pub fn clean(&mut self, val: Val, ring: u8) -> Reg {
        let lane = Lane::of_ring(ring);
        match val {
            Val::Zero => self.constant(lane, 0),
            Val::Reg { reg, clean: true } => reg,
            Val::Reg { reg, clean: false } if u32::from(ring) == lane.bits() => reg,
            Val::Reg { reg, clean: false } => {
                let mask = self.constant(lane, u64::MAX >> (64 - ring));
                self.binary(BinaryOp::And, reg, mask)
            }
        }
    }

    fn store(&mut self, id: Id, buffer: u32, val: Val, place: &Place) -> Result<()> {
        let a = self.clean(val, self.b.ring(id));
        let lane = self.b.buffers[buffer as usize].lane;
        let a = self.convert(a, self.b.lane(id), lane);
        let form = flat(place, self.b.shape(id)).filter(|f| f.list.is_none()).ok_or(Obstacle::Store(id))?.form;
        self.finish.push(Inst::Store { buffer, index: Index::Affine(form.affine()), a });
        Ok(())
    }

    /// The index along each axis of the element of `id` at `place`.
    pub fn axes(&self, id: Id, place: &Place) -> Result<Vec<Axis>> {
        match place {
            Place::Axes(axes) => Ok(axes.clone()),
            Place::Flat(form) => {
                unflattened(form, self.b.shape(id), &self.extents).map_err(|unaligned| match unaligned {
                    Unaligned::Split { k, inner } if k < self.domain.extents.len() => Obstacle::Split { k, inner },
                    Unaligned::Split { .. } | Unaligned::Hopeless => Obstacle::Store(id),
                })
            }
        }
    }

    /// The value of `arg` as `user` reads it.
    pub fn arg(&mut self, user: &Node, arg: Id, place: Place) -> Result<Val> {
        if self.b.absent(user, arg) { Ok(Val::Zero) } else { self.value(arg, place) }
    }

    fn value(&mut self, id: Id, place: Place) -> Result<Val> {
        let key = (id, place, self.in_body());
        if let Some(val) = self.memo.get(&key) {
            return Ok(*val);
        }
        let (id, place, body) = key;
        let val = self.fresh(id, &place)?;
        self.memo.insert((id, place, body), val);
        Ok(val)
    }

    fn fresh(&mut self, id: Id, place: &Place) -> Result<Val> {
        if self.b.zero.contains(&id) {
            return Ok(Val::Zero);
        }
        if let Some(&Stored { buffer, clean }) = self.b.stored.get(&id) {
            return self.load(id, buffer, clean, place);
        }
        if !self.b.nodes.contains(&id) {
            return self.outside(id, place);
        }
        let inner = id != self.root;
        let shared = inner && self.also_stored(id, place);
        if inner && !shared {
            let output = self.b.outputs.contains(&id)
                && self.b.alias(id).is_none()
                && self.b.loads.get(&id).is_some_and(|l| *l > 1.0);
            let large = self.depth >= MAX_DEPTH || self.finish.len() >= MAX_BLOCK;
            if self.b.kept.contains(&id) || output || large || self.b.is_call(id) {
                return Err(Obstacle::Store(id));
            }
        }
        self.depth += 1;
        let val = self.op(id, place)?;
        self.depth -= 1;
        if shared {
            let buffer = self.b.target(id);
            self.also.push((id, buffer));
            self.store(id, buffer, val, place)?;
        }
        Ok(val)
    }

    /// Whether this nest can store the output `id` on its way: it computes each element once.
    fn also_stored(&self, id: Id, place: &Place) -> bool {
        let number =
            |id: Id, place: &Place| flat(place, self.b.shape(id)).filter(|f| f.list.is_none()).map(|f| f.form);
        self.b.outputs.contains(&id)
            && !self.in_body()
            && !self.b.is_call(id)
            && self.b.alias(id).is_none()
            && self.domain.whole
            && self.b.graph.ty(id).len() == self.b.graph.ty(self.root).len()
            && number(id, place).is_some_and(|n| Some(n) == number(self.root, &self.domain.place()))
    }

    fn load(&mut self, id: Id, buffer: u32, clean: bool, place: &Place) -> Result<Val> {
        let Flat { form, list } = flat(place, self.b.shape(id)).ok_or(Obstacle::Store(id))?;
        let index = match list {
            None => Index::Affine(form.affine()),
            Some((entries, at)) => {
                let entries: Vec<u32> = entries.iter().map(|&e| e as u32).collect();
                let known = self.b.tables.iter().position(|t| *t == entries);
                let table = known.unwrap_or_else(|| {
                    self.b.tables.push(entries);
                    self.b.tables.len() - 1
                });
                Index::Table { table: table as u32, at: at.affine(), base: form.affine() }
            }
        };
        let reg = self.push(Inst::Load { buffer, index });
        let from = self.b.buffers[buffer as usize].lane;
        let reg = self.convert(reg, from, self.b.lane(id));
        Ok(Val::Reg { reg, clean })
    }

    /// A value from outside the segment.
    fn outside(&mut self, id: Id, place: &Place) -> Result<Val> {
        let node = self.b.node(id);
        if let Op::Const(op) = &node.op
            && let Some(value) = op.single()
        {
            let ring = self.b.ring(id);
            let value = value.cast_unsigned() & (u64::MAX >> (64 - ring));
            let reg = self.constant(Lane::of_ring(ring), value);
            return Ok(if value == 0 { Val::Zero } else { Val::Reg { reg, clean: true } });
        }
        let buffer = self.b.input(id);
        self.load(id, buffer, node.ty.owner == Owner::Shared, place)
    }

    /// The sum of `term` over loops of these extents; `None` where a term is outside of what it sums.
    pub fn reduction(
        &mut self,
        id: Id,
        extents: &[u32],
        mut term: impl FnMut(&mut Self, &[Form]) -> Result<Val>,
    ) -> Result<Val> {
        if self.in_body() || !self.reduce.is_empty() {
            return Err(Obstacle::Store(id));
        }
        let full = || vec![extents.iter().map(|&e| (0, e)).collect::<Vec<_>>()];
        let boxes = self.domain.boxes.clone().unwrap_or_else(full);
        let outer = self.domain.extents.len();
        let mut found: Option<(Vec<Inst>, Vec<u32>, Reg)> = None;
        for (number, bounds) in boxes.iter().enumerate() {
            let indices: Vec<Form> = bounds
                .iter()
                .enumerate()
                .map(|(k, &(lo, _))| Form::of_loop(outer + k).shifted(lo.into()))
                .collect();
            self.extents.extend(bounds.iter().map(|(_, e)| e));
            self.body = Some(Vec::new());
            self.memo.retain(|(_, _, body), _| !body);
            let val = term(self, &indices);
            self.extents.truncate(outer);
            let body = self.body.take().unwrap_or_default();
            match val {
                Ok(Val::Zero) => (),
                Ok(Val::Reg { reg, .. }) if found.is_none() => {
                    found = Some((body, bounds.iter().map(|(_, e)| *e).collect(), reg));
                }
                // Parts of a sum that differ: the summands first.
                Ok(Val::Reg { .. }) => return Err(Obstacle::Store(self.b.node(id).args[0])),
                Err(Obstacle::Cut { k, at }) if k >= outer => {
                    let mut boxes = boxes.clone();
                    let mut second = boxes[number].clone();
                    let (lo, extent) = second[k - outer];
                    boxes[number][k - outer].1 = at;
                    second[k - outer] = (lo + at, extent - at);
                    boxes.push(second);
                    return Err(Obstacle::Boxes(boxes));
                }
                Err(other) => return Err(other),
            }
        }
        let Some((mut body, extents, a)) = found else { return Ok(Val::Zero) };
        body.push(Inst::Accumulate { acc: 0, a });
        self.body = Some(body);
        self.reduce = extents;
        self.accs.push(Accumulator { lane: self.b.lane(id), op: BinaryOp::Add, start: 0 });
        let reg = self.push(Inst::Total { acc: 0 });
        Ok(Val::Reg { reg, clean: false })
    }

    /// One node, its arguments followed back.
    fn op(&mut self, id: Id, place: &Place) -> Result<Val> {
        let node = self.b.node(id);
        let ring = self.b.ring(id);
        let lane = Lane::of_ring(ring);
        match &node.op {
            Op::Add(_) | Op::Sub(_) => {
                let [a, b] = self.both(id, place)?;
                let op = if matches!(node.op, Op::Add(_)) { BinaryOp::Add } else { BinaryOp::Sub };
                Ok(self.sum(op, lane, a, b))
            }
            Op::Mul(_) => {
                let [a, b] = self.both(id, place)?;
                Ok(self.product(a, b))
            }
            Op::Neg(_) => {
                let x = self.arg(node, node.args[0], place.clone())?;
                Ok(self.sum(BinaryOp::Sub, lane, Val::Zero, x))
            }
            Op::Shl(op) => {
                let x = self.arg(node, node.args[0], place.clone())?;
                Ok(self.shifted_left(x, op.bits))
            }
            Op::Reduce(_) => {
                let x = self.arg(node, node.args[0], place.clone())?;
                Ok(self.reduced(x, self.b.ring(node.args[0]), ring))
            }
            Op::Mpc(MpcOp::TruncReduceLocal(op)) => {
                let x = self.arg(node, node.args[0], place.clone())?;
                Ok(self.truncated(x, self.b.ring(node.args[0]), op.shift))
            }
            Op::Assume(_) | Op::Mpc(MpcOp::Share(_)) => self.arg(node, node.args[0], place.clone()),
            Op::Reshape(_) => {
                let form = match flat(place, &node.ty.shape) {
                    Some(Flat { form, list: None }) => form,
                    Some(Flat { .. }) | None => return Err(Obstacle::Store(id)),
                };
                self.arg(node, node.args[0], Place::Flat(form))
            }
            Op::Concat(op) => self.concat(id, op, place),
            Op::Slice(op) => self.slice(id, op, place),
            Op::Pad(op) => self.pad(id, op, place),
            Op::Transpose(op) => self.transpose(id, op, place),
            Op::Expand(_) => self.expand(id, place),
            Op::Gather(op) => self.gather(id, op, place),
            Op::ZeroInsert(op) => self.zero_insert(id, op, place),
            Op::SumPool(op) => self.sum_pool(id, op, place),
            Op::ReduceSum(op) => self.reduce_sum(id, op, place),
            Op::MatMul(_) => self.matmul(id, place),
            // Products with public factors are calls; nothing else of a segment has no expression.
            _ => Err(Obstacle::NotLocal(id)),
        }
    }

    /// The two arguments of an elementwise node, broadcast.
    fn both(&mut self, id: Id, place: &Place) -> Result<[Val; 2]> {
        let node = self.b.node(id);
        let mut vals = [Val::Zero; 2];
        for (val, &arg) in vals.iter_mut().zip(&node.args) {
            let from = self.b.shape(arg);
            let place = if *from == node.ty.shape {
                place.clone()
            } else if self.b.graph.ty(arg).len() == 1 {
                Place::Flat(Form::constant(0))
            } else {
                Place::Axes(broadcast(&self.axes(id, place)?, from, &node.ty.shape))
            };
            *val = self.arg(node, arg, place)?;
        }
        Ok(vals)
    }
}

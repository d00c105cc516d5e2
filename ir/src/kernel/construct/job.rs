//! Jobs: one value is computed into memory, in as many nests as its boxes take.

use super::expr::{Attempt, Obstacle};
use super::place::{Form, Place};
use super::{BuildError, Builder, MAX_PIECES, MAX_TRIED, Stored};
use crate::Id;
use crate::kernel::{Affine, Index, Inst, Nest, Step};

/// A box of a value's elements.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    /// Extents of the loops.
    pub extents: Vec<u32>,
    /// Index along each axis of the value.
    pub axes: Vec<Form>,
    /// Boxes of the reduction loops, `(first, extent)` each, once they were cut.
    pub boxes: Option<Vec<Vec<(u32, u32)>>>,
    /// All elements of the value.
    pub whole: bool,
}

impl Domain {
    fn whole(shape: &[usize]) -> Domain {
        // An axis fits: tensors have at most 2^31 elements.
        let extents = shape.iter().map(|&d| d as u32).collect();
        Domain { extents, axes: (0..shape.len()).map(Form::of_loop).collect(), boxes: None, whole: true }
    }

    pub fn place(&self) -> Place {
        Place::Axes(self.axes.iter().cloned().map(Into::into).collect())
    }

    fn split(mut self, k: usize, inner: u32) -> Domain {
        self.extents[k] /= inner;
        self.extents.insert(k + 1, inner);
        self.axes = self.axes.iter().map(|axis| axis.split(k, inner)).collect();
        self
    }

    /// The points before `at` along loop `k`, and those from it on.
    fn cut(self, k: usize, at: u32) -> [Domain; 2] {
        let (mut first, mut second) = (self.clone(), self);
        first.extents[k] = at;
        second.extents[k] -= at;
        for axis in &mut second.axes {
            *axis = axis.shifted(axis.coef(k) * i64::from(at));
        }
        (first.whole, second.whole) = (false, false);
        [first, second]
    }
}

enum Job {
    /// A value, box by box.
    Boxes { id: Id, buffer: u32, domains: Vec<Domain>, tried: usize },
    /// A product, once its factors are in memory.
    Call(Id),
}

impl Job {
    fn id(&self) -> Id {
        match self {
            Job::Boxes { id, .. } | Job::Call(id) => *id,
        }
    }
}

impl Builder<'_> {
    /// Computes a value, and first whatever it needs in memory.
    pub(super) fn run(&mut self, id: Id) -> Result<(), BuildError> {
        if self.stored.contains_key(&id) {
            return Ok(());
        }
        let mut jobs = vec![self.started(id)];
        while let Some(job) = jobs.pop() {
            let needed = match job {
                Job::Call(id) => match self.missing_factor(id) {
                    Some(factor) => {
                        jobs.push(Job::Call(id));
                        Some(factor)
                    }
                    None => {
                        self.call(id)?;
                        if self.outputs.contains(&id) {
                            // On its way to the caller it is cleared of the bits above the ring.
                            jobs.push(self.boxes(id));
                        }
                        None
                    }
                },
                Job::Boxes { id, buffer, mut domains, tried } => {
                    let Some(domain) = domains.pop() else {
                        self.stored.insert(id, Stored { buffer, clean: true });
                        continue;
                    };
                    self.tried += 1;
                    if tried > MAX_PIECES {
                        return Err(BuildError::Pieces(id));
                    }
                    if self.tried > MAX_TRIED {
                        return Err(BuildError::Boxes);
                    }
                    let needed = self.attempt(id, buffer, domain, &mut domains)?;
                    jobs.push(Job::Boxes { id, buffer, domains, tried: tried + 1 });
                    needed
                }
            };
            if let Some(needed) = needed {
                if self.stored.contains_key(&needed) || jobs.iter().any(|j| j.id() == needed) {
                    return Err(BuildError::Cycle(needed));
                }
                let job = self.started(needed);
                jobs.push(job);
            }
        }
        Ok(())
    }

    /// Computes one box, or says what stands in the way: other boxes, or a value that must be stored first.
    fn attempt(
        &mut self,
        id: Id,
        buffer: u32,
        domain: Domain,
        domains: &mut Vec<Domain>,
    ) -> Result<Option<Id>, BuildError> {
        match Attempt::of(self, id, buffer, &domain) {
            Ok((nest, also)) => {
                self.steps.push(Step::Nest(merged(nest)));
                let also = also.into_iter().map(|(id, buffer)| (id, Stored { buffer, clean: true }));
                self.stored.extend(also);
            }
            Err(Obstacle::Split { k, inner }) => domains.push(domain.split(k, inner)),
            Err(Obstacle::Cut { k, at }) => {
                let [first, second] = domain.cut(k, at);
                domains.extend([second, first]);
            }
            Err(Obstacle::Boxes(boxes)) => domains.push(Domain { boxes: Some(boxes), ..domain }),
            Err(Obstacle::Store(needed)) => {
                domains.push(Domain { boxes: None, ..domain });
                return Ok(Some(needed));
            }
            Err(Obstacle::NotLocal(id)) => {
                let node = self.node(id);
                return Err(BuildError::NotLocal { id, op: node.op.name(), name: node.name.clone() });
            }
        }
        Ok(None)
    }

    fn started(&mut self, id: Id) -> Job {
        if self.is_call(id) && !self.stored.contains_key(&id) { Job::Call(id) } else { self.boxes(id) }
    }

    fn boxes(&mut self, id: Id) -> Job {
        let buffer = self.target(id);
        Job::Boxes { id, buffer, domains: vec![Domain::whole(self.shape(id))], tried: 0 }
    }
}

/// The same nest with loops of one point dropped, and neighbours joined that every index walks through in one stride.
fn merged(mut nest: Nest) -> Nest {
    let mut k = 0;
    while k < nest.loops.len() + nest.reduce.len() {
        let (outer, all) = (nest.loops.len(), nest.loops.len() + nest.reduce.len());
        let here = *extent(&mut nest, k);
        let last_reduction = k >= outer && nest.reduce.len() == 1;
        if here == 1 && !last_reduction {
            drop_loop(&mut nest, k);
            continue;
        }
        let next = k + 1;
        if next < all && (k < outer) == (next < outer) {
            let inner = *extent(&mut nest, next);
            let mut joined = true;
            each_affine(&mut nest, |a| joined &= stride(a, k) == stride(a, next) * i64::from(inner));
            if let Some(both) = here.checked_mul(inner).filter(|_| joined) {
                *extent(&mut nest, next) = both;
                drop_loop(&mut nest, k);
                k = k.saturating_sub(1);
                continue;
            }
        }
        k += 1;
    }
    nest
}

fn extent(nest: &mut Nest, k: usize) -> &mut u32 {
    let outer = nest.loops.len();
    if k < outer { &mut nest.loops[k] } else { &mut nest.reduce[k - outer] }
}

fn stride(a: &Affine, k: usize) -> i64 {
    a.strides.get(k).copied().unwrap_or(0)
}

fn drop_loop(nest: &mut Nest, k: usize) {
    let outer = nest.loops.len();
    if k < outer {
        nest.loops.remove(k);
    } else {
        nest.reduce.remove(k - outer);
    }
    each_affine(nest, |a| {
        if k < a.strides.len() {
            a.strides.remove(k);
        }
        *a = Affine::new(a.offset, &a.strides);
    });
}

fn each_affine(nest: &mut Nest, mut f: impl FnMut(&mut Affine)) {
    for inst in nest.body.iter_mut().chain(&mut nest.finish) {
        if let Inst::Load { index, .. } | Inst::Store { index, .. } = inst {
            match index {
                Index::Affine(a) => f(a),
                Index::Table { table: _, at, base } => {
                    f(at);
                    f(base);
                }
            }
        }
    }
}

//! Products by the runtime's primitives.

use super::{BuildError, Builder, Stored};
use crate::geom::{ConvGeom, MatMulGeom};
use crate::kernel::{Access, Affine, Index, Inst, Nest, Primitive, Reg, Step, View};
use crate::op::Op;
use crate::ops::MatMul;
use crate::{Id, Owner};

impl Builder<'_> {
    /// Whether a node is computed by a primitive.
    pub(super) fn is_call(&self, id: Id) -> bool {
        self.primitive(id).is_some()
    }

    fn primitive(&self, id: Id) -> Option<Primitive> {
        if !self.nodes.contains(&id) || self.zero.contains(&id) {
            return None;
        }
        let node = self.node(id);
        let shape = |i: usize| node.args.get(i).map(|&a| &self.shape(a)[..]).unwrap_or_default();
        if let Op::Conv(op) = &node.op {
            let geom: ConvGeom = op.geom(shape(0), shape(1)).ok()?;
            Some(Primitive::Conv(geom))
        } else if let Op::MatMul(_) = &node.op {
            let geom: MatMulGeom = MatMul::geom(shape(0), shape(1)).ok()?;
            Some(Primitive::MatMul(geom))
        } else {
            None
        }
    }

    /// Where a factor lies, in the lane of the product.
    fn factor(&self, id: Id) -> Option<u32> {
        let fits = |stored: &Stored| self.buffers[stored.buffer as usize].lane == self.lane(id);
        let stored = self.stored.get(&id).filter(|s| fits(s)).map(|s| s.buffer);
        stored.or_else(|| self.narrowed.get(&id).copied())
    }

    /// Copies a value that lies in the caller's lane into that of the product.
    fn narrow(&mut self, id: Id, from: u32) {
        let lane = self.lane(id);
        let to = self.buffer(id, lane, Access::Scratch, None);
        let index = || Index::Affine(Affine::new(0, &[1]));
        let finish = vec![
            Inst::Load { buffer: from, index: index() },
            Inst::Convert { lane, signed: false, a: Reg(0) },
            Inst::Store { buffer: to, index: index(), a: Reg(1) },
        ];
        // A tensor has at most 2^31 elements.
        let loops = std::iter::once(self.buffers[from as usize].len as u32).collect();
        self.steps.push(Step::Nest(Nest { loops, finish, ..Nest::default() }));
        self.narrowed.insert(id, to);
    }

    /// A factor that is not in memory, or not in the lane of the product. Factors from outside are noted as they lie.
    pub(super) fn missing_factor(&mut self, id: Id) -> Option<Id> {
        let node = self.node(id);
        for &arg in &node.args {
            let outside = !self.nodes.contains(&arg);
            if outside && !self.stored.contains_key(&arg) && self.boundary_lane(arg) == self.lane(arg) {
                let buffer = self.input(arg);
                // A value that this party knows is any representative.
                let clean = self.graph.ty(arg).owner == Owner::Shared;
                self.stored.insert(arg, Stored { buffer, clean });
            }
            if self.factor(arg).is_none() {
                if let Some(Stored { buffer, .. }) = self.stored.get(&arg).copied() {
                    self.narrow(arg, buffer);
                    continue;
                }
                return Some(arg);
            }
        }
        None
    }

    /// Emits the call; its factors are in memory.
    pub(super) fn call(&mut self, id: Id) -> Result<(), BuildError> {
        let node = self.node(id);
        let primitive = self.primitive(id).ok_or(BuildError::Cycle(id))?;
        let mut args = [View { buffer: 0, offset: 0 }; 2];
        for (view, &arg) in args.iter_mut().zip(&node.args) {
            view.buffer = self.factor(arg).ok_or(BuildError::Cycle(arg))?;
        }
        let lane = self.lane(id);
        let buffer = self.buffer(id, lane, Access::Scratch, None);
        self.steps.push(Step::Call { primitive, lane, args, result: View { buffer, offset: 0 } });
        let clean = u32::from(self.ring(id)) == lane.bits();
        self.stored.insert(id, Stored { buffer, clean });
        Ok(())
    }
}

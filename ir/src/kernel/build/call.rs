//! Products by the runtime's primitives.

use super::{BuildError, Builder, Stored};
use crate::geom::{ConvGeom, MatMulGeom};
use crate::kernel::{Access, Primitive, Step, View};
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
        if let Some(stored) = self.stored.get(&id) {
            let lane = self.buffers[stored.buffer as usize].lane;
            return (lane == self.lane(id)).then_some(stored.buffer);
        }
        None
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

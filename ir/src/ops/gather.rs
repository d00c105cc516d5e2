//! Picks constant, public indices along `axis` (nearest-neighbour resize is two of these).

use crate::facts::{Facts, Movement};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::axis_of;
use crate::semantics::extent::checked;
use crate::semantics::number::Number;
use crate::semantics::strided::around;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Picks constant, public indices along `axis` (nearest-neighbour resize is two of these).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gather {
    pub axis: usize,
    pub indices: Vec<u32>,
}

impl Gather {
    fn chosen<T: Number>(&self, x: &Tensor<T>) -> Tensor<T> {
        let [outer, extent, inner] = around(&x.shape, self.axis);
        let mut shape = x.shape.clone();
        shape[self.axis] = self.indices.len();
        let mut data = Vec::with_capacity(outer * self.indices.len() * inner);
        for o in 0..outer {
            for &k in &self.indices {
                let at = (o * extent + k as usize) * inner;
                data.extend_from_slice(&x.data[at..at + inner]);
            }
        }
        Tensor::new(&shape, data)
    }
}

impl OpDef for Gather {
    const NAME: &'static str = "gather";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::moved(Movement::Repeats)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let axis = axis_of(args[0], self.axis)?;
        let mut shape = args[0].shape.clone();
        if let Some(i) = self.indices.iter().find(|&&i| usize::try_from(i).map_or(true, |i| i >= shape[axis])) {
            return Err(TypeError::new(format!("index {i} of axis {axis} of {}", args[0])));
        }
        shape[axis] = self.indices.len();
        Ok(args[0].with_shape(&checked(&shape)?))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(self.chosen(args[0]))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(self.chosen(args[0]))
    }
}

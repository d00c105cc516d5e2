//! Broadcast to `shape` (numpy's rule).

use crate::facts::{Facts, Movement};
use crate::op::{Arity, OpDef};
use crate::semantics::extent::checked;
use crate::semantics::strided::{broadcast_strides, pick};
use crate::tensor::{Tensor, broadcast};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Broadcast to `shape` (numpy's rule).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Expand {
    pub shape: Vec<usize>,
}

impl OpDef for Expand {
    const NAME: &'static str = "expand";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::moved(Movement::Repeats)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        let shape = checked(&self.shape)?;
        match broadcast(&x.shape, &shape) {
            Some(s) if s == shape => Ok(x.with_shape(&shape)),
            _ => Err(TypeError::new(format!("{x} does not broadcast to {:?}", self.shape))),
        }
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(pick(&args[0].data, &self.shape, 0, &broadcast_strides(&args[0].shape, &self.shape)))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(pick(&args[0].data, &self.shape, 0, &broadcast_strides(&args[0].shape, &self.shape)))
    }
}

//! The same values in row-major order under another shape.

use crate::facts::{Facts, Movement};
use crate::op::{Arity, OpDef};
use crate::semantics::extent::checked;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The same values in row-major order under another shape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reshape {
    pub shape: Vec<usize>,
}

impl OpDef for Reshape {
    const NAME: &'static str = "reshape";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::moved(Movement::Keeps)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let shape = checked(&self.shape)?;
        if shape.iter().product::<usize>() != args[0].len() {
            return Err(TypeError::new(format!("{} does not fill {:?}", args[0], self.shape)));
        }
        Ok(args[0].with_shape(&shape))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(Tensor::new(&self.shape, args[0].data.clone()))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(Tensor::new(&self.shape, args[0].data.clone()))
    }
}

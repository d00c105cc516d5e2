//! Axis `i` of the result is axis `perm[i]` of the argument.

use crate::facts::{Facts, Movement};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::{axis_of, one_per_axis};
use crate::semantics::number::Number;
use crate::semantics::strided::{Strides, pick, signed_strides};
use crate::tensor::Tensor;
use crate::ty::{Shape, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Axis `i` of the result is axis `perm[i]` of the argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Transpose {
    pub perm: Vec<usize>,
}

impl Transpose {
    fn permuted<T: Number>(&self, x: &Tensor<T>) -> Tensor<T> {
        let own = signed_strides(&x.shape);
        let shape: Shape = self.perm.iter().map(|&p| x.shape[p]).collect();
        let steps: Strides = self.perm.iter().map(|&p| own[p]).collect();
        pick(&x.data, &shape, 0, &steps)
    }
}

impl OpDef for Transpose {
    const NAME: &'static str = "transpose";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::moved(Movement::Keeps)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        one_per_axis("perm", self.perm.len(), x)?;
        let mut seen = vec![false; self.perm.len()];
        for &p in &self.perm {
            if std::mem::replace(&mut seen[axis_of(x, p)?], true) {
                return Err(TypeError::new(format!("{:?} is no permutation", self.perm)));
            }
        }
        let shape: Shape = self.perm.iter().map(|&p| x.shape[p]).collect();
        Ok(x.with_shape(&shape))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(self.permuted(args[0]))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(self.permuted(args[0]))
    }
}

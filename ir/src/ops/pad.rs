//! Zeros before and after along each axis.

use crate::facts::{Facts, Movement};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::one_per_axis;
use crate::semantics::elementwise::map_range;
use crate::semantics::extent::checked;
use crate::semantics::interval::Interval;
use crate::semantics::number::Number;
use crate::semantics::strided::{place, signed_strides};
use crate::tensor::{Tensor, strides};
use crate::ty::{Shape, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Zeros before and after along each axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pad {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
}

impl Pad {
    fn padded<T: Number>(&self, x: &Tensor<T>) -> Tensor<T> {
        let shape: Shape = (0..x.shape.len()).map(|i| x.shape[i] + self.before[i] + self.after[i]).collect();
        let first = strides(&shape).iter().zip(&self.before).map(|(s, b)| s * b).sum();
        place(x, &shape, first, &signed_strides(&shape))
    }
}

impl OpDef for Pad {
    const NAME: &'static str = "pad";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::moved(Movement::Inserts)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        one_per_axis("before", self.before.len(), x)?;
        one_per_axis("after", self.after.len(), x)?;
        let grown = x.shape.iter().zip(self.before.iter().zip(&self.after));
        let shape: Shape = grown.map(|(&d, (&b, &a))| d.saturating_add(b).saturating_add(a)).collect();
        Ok(map_range(&x.with_shape(&checked(&shape)?), Interval::with_zero))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(self.padded(args[0]))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(self.padded(args[0]))
    }
}

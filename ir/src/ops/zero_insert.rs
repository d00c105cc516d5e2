//! `factor[i] - 1` zeros between neighbours along axis `i` (none after the last): the first half of a transposed
//! convolution.

use crate::facts::{Facts, Movement};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::one_per_axis;
use crate::semantics::elementwise::map_range;
use crate::semantics::extent::checked;
use crate::semantics::interval::Interval;
use crate::semantics::number::Number;
use crate::semantics::strided::{Strides, place, signed_strides};
use crate::tensor::Tensor;
use crate::ty::{Shape, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// `factor[i] - 1` zeros between neighbours along axis `i` (none after the last): the first half of a transposed
/// convolution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ZeroInsert {
    pub factor: Vec<usize>,
}

impl ZeroInsert {
    fn spread<T: Number>(&self, x: &Tensor<T>) -> Tensor<T> {
        let shape: Shape = x.shape.iter().zip(&self.factor).map(|(&d, &f)| (d - 1) * f + 1).collect();
        // An axis of extent 1 is never stepped along, whatever its factor: the product may overflow there.
        let steps = signed_strides(&shape);
        let steps: Strides = steps.iter().zip(&self.factor).map(|(s, &f)| s.wrapping_mul(f as isize)).collect();
        place(x, &shape, 0, &steps)
    }
}

impl OpDef for ZeroInsert {
    const NAME: &'static str = "zero_insert";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::moved(Movement::Inserts)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        one_per_axis("factor", self.factor.len(), x)?;
        if self.factor.contains(&0) {
            return Err(TypeError::new("factor 0"));
        }
        let spread = x.shape.iter().zip(&self.factor);
        let shape: Shape = spread.map(|(&d, &f)| (d - 1).saturating_mul(f).saturating_add(1)).collect();
        Ok(map_range(&x.with_shape(&checked(&shape)?), Interval::with_zero))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(self.spread(args[0]))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(self.spread(args[0]))
    }
}

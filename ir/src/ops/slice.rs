//! For each axis: `size[i]` elements from `start[i]`, `step[i]` apart (negative steps walk backwards).

use crate::facts::{Facts, Movement};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::one_per_axis;
use crate::semantics::extent::checked;
use crate::semantics::number::Number;
use crate::semantics::strided::{Strides, pick};
use crate::tensor::{Tensor, strides};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// For each axis: `size[i]` elements from `start[i]`, `step[i]` apart (negative steps walk backwards).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slice {
    pub start: Vec<usize>,
    pub size: Vec<usize>,
    pub step: Vec<isize>,
}

impl Slice {
    fn cut<T: Number>(&self, x: &Tensor<T>) -> Tensor<T> {
        let own = strides(&x.shape);
        let first = own.iter().zip(&self.start).map(|(s, b)| s * b).sum();
        // An axis with one element is never stepped along; its step may be any number.
        let step = |i: usize| if self.size[i] == 1 { 0 } else { own[i] as isize * self.step[i] };
        let steps: Strides = (0..own.len()).map(step).collect();
        pick(&x.data, &self.size, first, &steps)
    }
}

impl OpDef for Slice {
    const NAME: &'static str = "slice";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::moved(Movement::Picks)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        one_per_axis("start", self.start.len(), x)?;
        one_per_axis("size", self.size.len(), x)?;
        one_per_axis("step", self.step.len(), x)?;
        let shape = checked(&self.size)?;
        for (i, &extent) in x.shape.iter().enumerate() {
            let reach = isize::try_from(shape[i] - 1).ok().and_then(|n| n.checked_mul(self.step[i]));
            let last = reach.and_then(|r| self.start[i].checked_add_signed(r));
            if self.step[i] == 0 || self.start[i] >= extent || last.is_none_or(|l| l >= extent) {
                return Err(TypeError::new(format!(
                    "slice of {} from {} by {} leaves axis {i} of {x}",
                    self.size[i], self.start[i], self.step[i]
                )));
            }
        }
        Ok(x.with_shape(&shape))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(self.cut(args[0]))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(self.cut(args[0]))
    }
}

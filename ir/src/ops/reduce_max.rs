//! Maximum over `axes`, which stay with extent 1 if `keep`.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::reduced;
use crate::semantics::number::Number;
use crate::semantics::strided::fold;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Maximum over `axes`, which stay with extent 1 if `keep`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReduceMax {
    pub axes: Vec<usize>,
    pub keep: bool,
}

impl OpDef for ReduceMax {
    const NAME: &'static str = "reduce_max";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::monotone(Needs::Nonlinear, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (shape, _) = reduced(args[0], &self.axes, self.keep)?;
        Ok(args[0].with_shape(&shape))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        let (shape, _) = reduced(tys[0], &self.axes, self.keep)?;
        Ok(fold(args[0], &self.axes, &shape, Number::LOWEST, Number::larger))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        let (shape, _) = reduced(tys[0], &self.axes, self.keep)?;
        Ok(fold(args[0], &self.axes, &shape, Number::LOWEST, Number::larger))
    }
}

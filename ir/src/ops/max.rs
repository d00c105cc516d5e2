//! Elementwise maximum with numpy broadcasting.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::infer_aligned;
use crate::semantics::interval::Interval;
use crate::semantics::number::Number;
use crate::semantics::strided::zip;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise maximum with numpy broadcasting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Max {}

impl OpDef for Max {
    const NAME: &'static str = "max";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts::monotone(Needs::Nonlinear, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        infer_aligned(args, Interval::maximum)
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        zip(args, Number::larger)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        zip(args, Number::larger)
    }
}

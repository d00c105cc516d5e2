//! Elementwise sum with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::infer_aligned;
use crate::semantics::interval::Interval;
use crate::semantics::number::Number;
use crate::semantics::strided::zip;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise sum with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Add {}

impl OpDef for Add {
    const NAME: &'static str = "add";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts::monotone(Needs::Linear, ErrorRule::Sum)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        infer_aligned(args, Interval::plus)
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        zip(args, Number::plus)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        zip(args, Number::plus)
    }
}

//! Elementwise difference with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::infer_aligned;
use crate::semantics::number::Number;
use crate::semantics::strided::zip;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise difference with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sub {}

impl OpDef for Sub {
    const NAME: &'static str = "sub";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts {
            needs: Needs::Linear,
            movement: Movement::None,
            interval: IntervalRule::Difference,
            error: ErrorRule::Sum,
            client: ClientPart::Follows,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        infer_aligned(args, |a, b| a.plus(b.negated()))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        zip(args, Number::minus)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        zip(args, Number::minus)
    }
}

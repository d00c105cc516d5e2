//! Elementwise negation. Local on shares.

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::map_range;
use crate::semantics::interval::Interval;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise negation. Local on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Neg {}

impl OpDef for Neg {
    const NAME: &'static str = "neg";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts {
            needs: Needs::Linear,
            movement: Movement::None,
            interval: IntervalRule::Negation,
            error: ErrorRule::Largest,
            client: ClientPart::Follows,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        Ok(map_range(args[0], Interval::negated))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(args[0].map(|v| -v))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(args[0].map(|v| v.wrapping_neg()))
    }
}

//! Elementwise quotient over the reals, with numpy broadcasting.

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::{broadcast_shape, real};
use crate::semantics::strided::zip;
use crate::tensor::Tensor;
use crate::ty::{Elem, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise quotient over the reals, with numpy broadcasting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Div {}

impl OpDef for Div {
    const NAME: &'static str = "div";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts {
            needs: Needs::Real,
            movement: Movement::None,
            interval: IntervalRule::Undefined,
            error: ErrorRule::Largest,
            client: ClientPart::Starts,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (a, b) = (real(args[0])?, real(args[1])?);
        Ok(Ty { shape: broadcast_shape(a, b)?, elem: Elem::Real, owner: a.owner.join(b.owner) })
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        zip(args, |a, b| a / b)
    }
}

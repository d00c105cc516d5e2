//! Elementwise product with numpy broadcasting; fixed point: same ring, fraction bits add up.

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::{broadcast_shape, product};
use crate::semantics::number::Number;
use crate::semantics::strided::zip;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise product with numpy broadcasting; fixed point: same ring, fraction bits add up.
/// Local when one side is public (or both have one owner); otherwise a protocol is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mul {}

impl OpDef for Mul {
    const NAME: &'static str = "mul";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts {
            needs: Needs::Product,
            movement: Movement::None,
            interval: IntervalRule::Product,
            error: ErrorRule::Product,
            client: ClientPart::Follows,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (a, b) = (args[0], args[1]);
        Ok(Ty { shape: broadcast_shape(a, b)?, elem: product(a, b, |p| p)?, owner: a.owner.join(b.owner) })
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        zip(args, Number::times)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        zip(args, Number::times)
    }
}

//! Elementwise maximum: `b + relu(a - b)`. Shapes are equal.

use crate::mpc::operands::{differences_fit, radix_exists, shared};
use crate::op::{Arity, OpDef};
use crate::ops::Max;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise maximum: `b + relu(a - b)`. Shapes are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MaxOt {
    pub radix: u8,
}

impl OpDef for MaxOt {
    const NAME: &'static str = "max.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        differences_fit(shared(args[0])?)?;
        differences_fit(shared(args[1])?)?;
        radix_exists(self.radix)?;
        if args[0].shape != args[1].shape {
            return Err(TypeError::new(format!("shapes differ: {} and {}", args[0], args[1])));
        }
        Max {}.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Max {}.eval_ring(args, tys)
    }
}

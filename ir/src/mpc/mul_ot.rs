//! Elementwise product of two shared values, or of a shared one with the server's, by OT products. Shapes are equal.

use crate::mpc::operands::shared;
use crate::op::{Arity, OpDef};
use crate::ops::Mul;
use crate::tensor::Tensor;
use crate::ty::{Owner, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise product of two shared values, or of a shared one with the server's, by OT products. Shapes are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MulOt {}

impl OpDef for MulOt {
    const NAME: &'static str = "mul.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        if !matches!(args[1].owner, Owner::Shared | Owner::Server) || args[0].shape != args[1].shape {
            return Err(TypeError::new(format!("no product of {} and {}", args[0], args[1])));
        }
        Mul {}.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Mul {}.eval_ring(args, tys)
    }
}

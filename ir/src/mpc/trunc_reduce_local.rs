//! `trunc_reduce` by shifting each share: no message, off by at most one ulp.

use crate::mpc::operands::shared;
use crate::op::{Arity, OpDef};
use crate::ops::TruncReduce;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// `trunc_reduce` by shifting each share: no message, off by at most one ulp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TruncReduceLocal {
    pub shift: u8,
}

impl OpDef for TruncReduceLocal {
    const NAME: &'static str = "trunc_reduce.local";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        TruncReduce { shift: self.shift }.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        TruncReduce { shift: self.shift }.eval_ring(args, tys)
    }
}

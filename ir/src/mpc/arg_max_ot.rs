//! Argmax as a tournament of log depth that carries the index along.

use crate::mpc::operands::{differences_fit, radix_exists, shared};
use crate::op::{Arity, OpDef};
use crate::ops::ArgMax;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Argmax as a tournament of log depth that carries the index along.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ArgMaxOt {
    pub axis: usize,
    pub keep: bool,
    pub last: bool,
    pub radix: u8,
}

impl ArgMaxOt {
    /// What it computes.
    #[must_use]
    pub fn tensor_op(&self) -> ArgMax {
        ArgMax { axis: self.axis, keep: self.keep, last: self.last }
    }
}

impl OpDef for ArgMaxOt {
    const NAME: &'static str = "arg_max.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        differences_fit(shared(args[0])?)?;
        radix_exists(self.radix)?;
        self.tensor_op().infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        self.tensor_op().eval_ring(args, tys)
    }
}

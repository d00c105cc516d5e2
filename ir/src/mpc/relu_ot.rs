//! ReLU by OT comparison with leaves of `radix` bits, then a multiplexer.

use crate::mpc::operands::{radix_exists, shared};
use crate::op::{Arity, OpDef};
use crate::ops::Relu;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// ReLU by OT comparison with leaves of `radix` bits, then a multiplexer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReluOt {
    pub radix: u8,
}

impl OpDef for ReluOt {
    const NAME: &'static str = "relu.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        radix_exists(self.radix)?;
        Relu {}.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Relu {}.eval_ring(args, tys)
    }
}

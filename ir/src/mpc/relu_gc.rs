//! ReLU by a garbled circuit, at published prices. See [`crate::mpc::cost::relu_gc`].
//!
//! Priced only: no party can run it yet, see [`crate::op::Op::is_priced_only`].

use crate::mpc::operands::shared;
use crate::op::{Arity, OpDef};
use crate::ops::Relu;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// ReLU by a garbled circuit, at published prices. See [`crate::mpc::cost::relu_gc`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReluGc {}

impl OpDef for ReluGc {
    const NAME: &'static str = "relu.gc";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        Relu {}.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Relu {}.eval_ring(args, tys)
    }
}

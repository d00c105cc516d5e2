//! Maxpool as a tournament of log depth, all windows of a level in one call.

use crate::mpc::operands::{differences_fit, radix_exists, shared};
use crate::op::{Arity, OpDef};
use crate::ops::MaxPool;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Maxpool as a tournament of log depth, all windows of a level in one call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MaxPoolOt {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
    pub radix: u8,
}

impl MaxPoolOt {
    /// What it computes.
    #[must_use]
    pub fn tensor_op(&self) -> MaxPool {
        MaxPool { kernel: self.kernel, stride: self.stride, pads: self.pads, dilation: self.dilation }
    }
}

impl OpDef for MaxPoolOt {
    const NAME: &'static str = "max_pool.ot";

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

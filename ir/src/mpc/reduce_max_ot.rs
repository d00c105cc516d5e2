//! Maximum over `axes` as a tournament of log depth.

use crate::mpc::operands::{differences_fit, radix_exists, shared};
use crate::op::{Arity, OpDef};
use crate::ops::ReduceMax;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Maximum over `axes` as a tournament of log depth.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReduceMaxOt {
    pub axes: Vec<usize>,
    pub keep: bool,
    pub radix: u8,
}

impl ReduceMaxOt {
    /// What it computes.
    #[must_use]
    pub fn tensor_op(&self) -> ReduceMax {
        ReduceMax { axes: self.axes.clone(), keep: self.keep }
    }
}

impl OpDef for ReduceMaxOt {
    const NAME: &'static str = "reduce_max.ot";

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

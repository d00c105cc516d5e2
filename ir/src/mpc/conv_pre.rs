//! Convolution with the server's weights, prepared before the input is known. See [`crate::mpc::cost::conv_pre`].
//!
//! Priced only: no party can run it yet, see [`crate::op::Op::is_priced_only`].

use crate::geom::ConvGeom;
use crate::mpc::operands::{geometry_is, shared, weights};
use crate::op::{Arity, OpDef};
use crate::ops::Conv;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Convolution with the server's weights, prepared before the input is known. See [`crate::mpc::cost::conv_pre`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConvPre {
    pub geom: ConvGeom,
    pub weight_bits: u8,
}

impl OpDef for ConvPre {
    const NAME: &'static str = "conv.pre";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        weights(args[1], self.weight_bits)?;
        let conv = Conv::of(&self.geom);
        geometry_is(&self.geom, &conv.geom(&args[0].shape, &args[1].shape)?)?;
        conv.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Conv::of(&self.geom).eval_ring(args, tys)
    }
}

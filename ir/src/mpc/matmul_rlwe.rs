//! Matrix product with the server's weights under RLWE. See [`crate::mpc::rlwe`].

use crate::geom::MatMulGeom;
use crate::mpc::operands::{geometry_is, shared, weights};
use crate::mpc::rlwe::Hiding;
use crate::op::{Arity, OpDef};
use crate::ops::MatMul;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Matrix product with the server's weights under RLWE. See [`crate::mpc::rlwe`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatMulRlwe {
    pub geom: MatMulGeom,
    pub weight_bits: u8,
    /// The weights are the left factor.
    pub weights_left: bool,
    pub hiding: Hiding,
}

impl OpDef for MatMulRlwe {
    const NAME: &'static str = "matmul.rlwe";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (x, w) = if self.weights_left { (args[1], args[0]) } else { (args[0], args[1]) };
        shared(x)?;
        weights(w, self.weight_bits)?;
        geometry_is(&self.geom, &MatMul::geom(&args[0].shape, &args[1].shape)?)?;
        MatMul {}.infer(args)
    }

    /// Without the coins of [`Hiding::FullRange`], which [`crate::eval::run_shares`] draws.
    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        MatMul {}.eval_ring(args, tys)
    }
}

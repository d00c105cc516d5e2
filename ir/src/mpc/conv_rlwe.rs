//! Convolution with the server's weights under RLWE, Cheetah's coefficient encoding. See [`crate::mpc::rlwe`].

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::geom::ConvGeom;
use crate::graph::{Graph, Id};
use crate::mpc::operands::{geometry_is, shared, weights};
use crate::mpc::protocol::{Division, Protocol, Way, conv_plan, planned};
use crate::mpc::rlwe::{Hiding, LinearPlan};
use crate::op::{Arity, OpDef};
use crate::ops::Conv;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Convolution with the server's weights under RLWE, Cheetah's coefficient encoding. See [`crate::mpc::rlwe`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConvRlwe {
    pub geom: ConvGeom,
    pub weight_bits: u8,
    pub hiding: Hiding,
}

impl OpDef for ConvRlwe {
    const NAME: &'static str = "conv.rlwe";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Filters)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        weights(args[1], self.weight_bits)?;
        let conv = Conv::of(&self.geom);
        geometry_is(&self.geom, &conv.geom(&args[0].shape, &args[1].shape)?)?;
        conv.infer(args)
    }

    /// Without the coins of [`Hiding::FullRange`], which [`crate::eval::run_shares`] draws.
    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Conv::of(&self.geom).eval_ring(args, tys)
    }
}

impl Protocol for ConvRlwe {
    fn way(&self) -> Way {
        Way::PLANNED
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(Conv::of(&self.geom), args, name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::whole(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, _units: u64) -> Result<Cost, TypeError> {
        planned(self, args)
    }

    fn plan(&self, args: &[&Ty]) -> Result<Option<LinearPlan>, TypeError> {
        conv_plan(&self.geom, args, self.weight_bits, self.hiding)
    }
}

//! Convolution with the server's weights by OT products; `receiver` is the party whose bits are the OT choices.

use crate::Party;
use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::geom::ConvGeom;
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::{geometry_is, shared, weights};
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::Conv;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Convolution with the server's weights by OT products; `receiver` is the party whose bits are the OT choices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConvOt {
    pub geom: ConvGeom,
    pub weight_bits: u8,
    pub receiver: Party,
}

impl OpDef for ConvOt {
    const NAME: &'static str = "conv.ot";

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

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Conv::of(&self.geom).eval_ring(args, tys)
    }
}

impl Protocol for ConvOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(Conv::of(&self.geom), args, name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::whole(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, _units: u64) -> Result<Cost, TypeError> {
        Ok(cost::conv_ot(&self.geom, ring_of(args[0])?.ring_bits, self.weight_bits, self.receiver))
    }
}

//! Matrix product with the server's weights, prepared before the input is known. See [`crate::mpc::cost::conv_pre`].
//!
//! Priced only: no party can run it yet, see [`crate::op::Op::is_priced_only`].

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::geom::MatMulGeom;
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::{geometry_is, shared, weights};
use crate::mpc::protocol::{Division, Protocol, Way, matmul_plan, planned, ring_of};
use crate::mpc::rlwe::{Hiding, LinearPlan};
use crate::op::{Arity, OpDef};
use crate::ops::MatMul;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Matrix product with the server's weights, prepared before the input is known. See [`crate::mpc::cost::conv_pre`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatMulPre {
    pub geom: MatMulGeom,
    pub weight_bits: u8,
    /// The weights are the left factor.
    pub weights_left: bool,
}

impl OpDef for MatMulPre {
    const NAME: &'static str = "matmul.pre";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Rows)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (x, w) = if self.weights_left { (args[1], args[0]) } else { (args[0], args[1]) };
        shared(x)?;
        weights(w, self.weight_bits)?;
        geometry_is(&self.geom, &MatMul::geom(&args[0].shape, &args[1].shape)?)?;
        MatMul {}.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        MatMul {}.eval_ring(args, tys)
    }
}

impl Protocol for MatMulPre {
    fn way(&self) -> Way {
        Way { runs: false, ..Way::PLANNED }
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(MatMul {}, args, name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::whole(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, _units: u64) -> Result<Cost, TypeError> {
        planned(self, args)
    }

    fn plan(&self, args: &[&Ty]) -> Result<Option<LinearPlan>, TypeError> {
        // What is prepared before the input is known is exact in every program.
        matmul_plan(&self.geom, args, self.weight_bits, self.weights_left, Hiding::Flood)
    }

    fn planned_cost(&self, args: &[&Ty], plan: &LinearPlan) -> Result<Cost, TypeError> {
        let x = ring_of(args[usize::from(self.weights_left)])?;
        Ok(cost::matmul_pre(&self.geom, x.ring_bits, self.weights_left, plan.traffic()))
    }
}

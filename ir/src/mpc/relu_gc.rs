//! ReLU by a garbled circuit, at published prices. See [`crate::mpc::cost::relu_gc`].
//!
//! Priced only: no party can run it yet, see [`crate::op::Op::is_priced_only`].

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::shared;
use crate::mpc::protocol::{Division, Protocol, Way};
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

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        Relu {}.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Relu {}.eval_ring(args, tys)
    }
}

impl Protocol for ReluGc {
    fn way(&self) -> Way {
        Way { runs: false, ..Way::MESSAGES }
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(Relu {}, args, name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::elements(ty)
    }

    fn cost(&self, _args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        Ok(cost::relu_gc(units))
    }
}

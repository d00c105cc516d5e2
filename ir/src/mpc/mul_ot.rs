//! Elementwise product of two shared values, or of a shared one with the server's, by OT products. Shapes are equal.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::node_cost::value_bits;
use crate::mpc::operands::shared;
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::Mul;
use crate::party::Party;
use crate::tensor::Tensor;
use crate::ty::{Owner, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise product of two shared values, or of a shared one with the server's, by OT products. Shapes are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MulOt {}

impl OpDef for MulOt {
    const NAME: &'static str = "mul.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Product)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        if !matches!(args[1].owner, Owner::Shared | Owner::Server) || args[0].shape != args[1].shape {
            return Err(TypeError::new(format!("no product of {} and {}", args[0], args[1])));
        }
        Mul {}.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Mul {}.eval_ring(args, tys)
    }
}

impl Protocol for MulOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(Mul {}, args, name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::elements(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        let ring = ring_of(args[0])?.ring_bits;
        if args[1].owner == Owner::Server {
            let bits = value_bits(ring_of(args[1])?);
            return Ok(cost::mul_server(units, ring, bits, Party::Server));
        }
        Ok(cost::mul(units, ring))
    }
}

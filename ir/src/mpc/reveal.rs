//! The other party sends its share to `to`, which learns the value: the only operator that moves data towards a party.

use crate::Party;
use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts, Needs};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::shared;
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::tensor::Tensor;
use crate::ty::{Owner, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The other party sends its share to `to`, which learns the value: the only operator that moves data towards a party.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reveal {
    pub to: Party,
}

impl OpDef for Reveal {
    const NAME: &'static str = "reveal";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::fixed_point(Needs::Boundary, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        match self.to {
            Party::Client => Ok(args[0].with_owner(Owner::Client)),
            Party::Server => Err(TypeError::new("nothing is revealed to the server")),
        }
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(args[0].clone())
    }
}

impl Protocol for Reveal {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, _ring: &mut Graph, args: &[Id], _name: &str) -> Result<Id, TypeError> {
        Ok(args[0])
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::whole(ty)
    }

    fn cost(&self, _args: &[&Ty], ty: &Ty, _units: u64) -> Result<Cost, TypeError> {
        Ok(cost::reveal(ty.len() as u64, ring_of(ty)?.ring_bits, self.to))
    }
}

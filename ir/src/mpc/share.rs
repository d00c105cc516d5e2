//! The client's plain value becomes a sharing `(x, 0)`: no message.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts, Needs};
use crate::graph::{Graph, Id};
use crate::mpc::protocol::{Division, Protocol, Way};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::fixed;
use crate::tensor::Tensor;
use crate::ty::{Owner, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The client's plain value becomes a sharing `(x, 0)`: no message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Share {}

impl OpDef for Share {
    const NAME: &'static str = "share";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::fixed_point(Needs::Boundary, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        fixed(args[0])?;
        if args[0].owner != Owner::Client {
            return Err(TypeError::new(format!("needs the client's value, got {}", args[0])));
        }
        Ok(args[0].with_owner(Owner::Shared))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(args[0].clone())
    }
}

impl Protocol for Share {
    fn way(&self) -> Way {
        Way::LOCAL
    }

    fn erased(&self, _ring: &mut Graph, args: &[Id], _name: &str) -> Result<Id, TypeError> {
        Ok(args[0])
    }

    fn division(&self, _args: &[&Ty], _ty: &Ty) -> Division {
        Division::NONE
    }

    fn cost(&self, _args: &[&Ty], _ty: &Ty, _units: u64) -> Result<Cost, TypeError> {
        Ok(Cost::default())
    }
}

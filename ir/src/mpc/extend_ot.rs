//! `extend` where the sign is known: the value is proven non-negative, or so small that an offset of a quarter of the
//! ring makes it so.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::{differences_fit, shared};
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::Extend;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// `extend` where the sign is known: the value is proven non-negative, or so small that an offset of a quarter of the
/// ring makes it so. One COT of `ring_bits - m` bits an element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExtendOt {
    pub ring_bits: u8,
}

impl OpDef for ExtendOt {
    const NAME: &'static str = "extend.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let f = shared(args[0])?;
        if f.lo < 0 {
            differences_fit(f)?;
        }
        Extend { ring_bits: self.ring_bits }.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Extend { ring_bits: self.ring_bits }.eval_ring(args, tys)
    }
}

impl Protocol for ExtendOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(Extend { ring_bits: self.ring_bits }, args, name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::elements(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        Ok(cost::extend(units, ring_of(args[0])?.ring_bits, self.ring_bits))
    }
}

//! `trunc_reduce`, bit-exact: a comparison of the low `shift` bits and a B2A.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::{radix_exists, shared};
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::TruncReduce;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// `trunc_reduce`, bit-exact: a comparison of the low `shift` bits and a B2A.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TruncReduceFaithful {
    pub shift: u8,
    pub radix: u8,
}

impl OpDef for TruncReduceFaithful {
    const NAME: &'static str = "trunc_reduce.faithful";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Shifted { shift: self.shift })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        radix_exists(self.radix)?;
        TruncReduce { shift: self.shift }.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        TruncReduce { shift: self.shift }.eval_ring(args, tys)
    }
}

impl Protocol for TruncReduceFaithful {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(TruncReduce { shift: self.shift }, args, name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::elements(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        Ok(cost::trunc_faithful(units, ring_of(args[0])?.ring_bits, self.shift, self.radix))
    }
}

//! `trunc_reduce` by shifting each share: no message, off by at most one ulp.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::shared;
use crate::mpc::protocol::{Division, Protocol, Way};
use crate::op::{Arity, OpDef};
use crate::ops::TruncReduce;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// `trunc_reduce` by shifting each share: no message, off by at most one ulp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TruncReduceLocal {
    pub shift: u8,
}

impl OpDef for TruncReduceLocal {
    const NAME: &'static str = "trunc_reduce.local";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::ShiftedShares { shift: self.shift })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        TruncReduce { shift: self.shift }.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        TruncReduce { shift: self.shift }.eval_ring(args, tys)
    }
}

impl Protocol for TruncReduceLocal {
    fn way(&self) -> Way {
        Way::LOCAL
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(TruncReduce { shift: self.shift }, args, name)
    }

    fn division(&self, _args: &[&Ty], _ty: &Ty) -> Division {
        Division::NONE
    }

    fn cost(&self, _args: &[&Ty], _ty: &Ty, _units: u64) -> Result<Cost, TypeError> {
        Ok(cost::trunc_local())
    }
}

//! Argmax as a tournament of log depth that carries the index along.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::{differences_fit, radix_exists, shared};
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::ArgMax;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Argmax as a tournament of log depth that carries the index along.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ArgMaxOt {
    pub axis: usize,
    pub keep: bool,
    pub last: bool,
    pub radix: u8,
}

impl ArgMaxOt {
    /// What it computes.
    #[must_use]
    pub fn tensor_op(&self) -> ArgMax {
        ArgMax { axis: self.axis, keep: self.keep, last: self.last }
    }
}

impl OpDef for ArgMaxOt {
    const NAME: &'static str = "arg_max.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Index { axis: self.axis })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        differences_fit(shared(args[0])?)?;
        radix_exists(self.radix)?;
        self.tensor_op().infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        self.tensor_op().eval_ring(args, tys)
    }
}

impl Protocol for ArgMaxOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(self.tensor_op(), args, name)
    }

    fn division(&self, args: &[&Ty], _ty: &Ty) -> Division {
        Division::rows(args[0], args[0].shape[self.axis] as u64)
    }

    fn cost(&self, args: &[&Ty], ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        let len = args[0].shape[self.axis] as u64;
        Ok(cost::argmax(units, len, ring_of(args[0])?.ring_bits, ring_of(ty)?.ring_bits, self.radix))
    }
}

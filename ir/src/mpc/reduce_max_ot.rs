//! Maximum over `axes` as a tournament of log depth.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::{differences_fit, radix_exists, shared};
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::ReduceMax;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Maximum over `axes` as a tournament of log depth.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReduceMaxOt {
    pub axes: Vec<usize>,
    pub keep: bool,
    pub radix: u8,
}

impl ReduceMaxOt {
    /// Elements that one maximum is taken of.
    fn row(&self, x: &Ty) -> u64 {
        self.axes.iter().map(|&a| x.shape[a] as u64).product()
    }

    /// What it computes.
    #[must_use]
    pub fn tensor_op(&self) -> ReduceMax {
        ReduceMax { axes: self.axes.clone(), keep: self.keep }
    }
}

impl OpDef for ReduceMaxOt {
    const NAME: &'static str = "reduce_max.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Largest)
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

impl Protocol for ReduceMaxOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(self.tensor_op(), args, name)
    }

    fn division(&self, args: &[&Ty], _ty: &Ty) -> Division {
        Division::rows(args[0], self.row(args[0]))
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        Ok(cost::reduce_max(units, self.row(args[0]), ring_of(args[0])?.ring_bits, self.radix))
    }
}

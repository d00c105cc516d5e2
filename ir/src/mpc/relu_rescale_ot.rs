//! ReLU of a truncated value, in any larger ring: `extend(relu(trunc_reduce x))` in the rounds of one comparison.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::{differences_fit, radix_exists, shared};
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::{Extend, Relu, TruncReduce};
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError, wrap};
use serde::{Deserialize, Serialize};

/// `extend(relu(trunc_reduce x))`, bit-exact: truncation by `shift` bits (0: none), result in a ring of `ring_bits`
/// bits, at least those that truncation leaves. Where it extends, the truncated value is below a quarter of its ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReluRescaleOt {
    pub shift: u8,
    pub ring_bits: u8,
    pub radix: u8,
}

impl OpDef for ReluRescaleOt {
    const NAME: &'static str = "relu_rescale.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(match self.shift {
            0 => ErrorRule::Largest,
            shift => ErrorRule::Shifted { shift },
        })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        radix_exists(self.radix)?;
        let truncated = TruncReduce { shift: self.shift }.infer(args)?;
        let f = shared(&truncated)?;
        if f.ring_bits < 2 {
            return Err(TypeError::new(format!("no sign is left of {} after {} bits", args[0], self.shift)));
        }
        let positive = Relu {}.infer(&[&truncated])?;
        if self.ring_bits == f.ring_bits {
            return Ok(positive);
        }
        differences_fit(f)?;
        Extend { ring_bits: self.ring_bits }.infer(&[&positive])
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        let left = shared(tys[0])?.ring_bits.saturating_sub(self.shift);
        let truncated = TruncReduce { shift: self.shift }.eval_ring(args, tys)?;
        Ok(truncated.map(|v| wrap(*v, left).max(0)))
    }
}

impl Protocol for ReluRescaleOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        let truncated =
            if self.shift == 0 { args[0] } else { ring.add(TruncReduce { shift: self.shift }, args, name)? };
        let positive = ring.add(Relu {}, &[truncated], name)?;
        if ring.ty(positive).as_fixed().is_some_and(|f| f.ring_bits == self.ring_bits) {
            return Ok(positive);
        }
        ring.add(Extend { ring_bits: self.ring_bits }, &[positive], name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::elements(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        Ok(cost::relu_rescale(units, ring_of(args[0])?.ring_bits, self.shift, self.ring_bits, self.radix))
    }
}

//! The value mod a smaller ring. Local on shares. Exact when the range fits.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::fixed;
use crate::semantics::extent::ring_exists;
use crate::semantics::interval::Interval;
use crate::tensor::Tensor;
use crate::ty::{Elem, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The value mod a smaller ring. Local on shares. Exact when the range fits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reduce {
    pub ring_bits: u8,
}

impl OpDef for Reduce {
    const NAME: &'static str = "reduce";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::fixed_point(Needs::Linear, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let f = fixed(args[0])?;
        ring_exists(self.ring_bits)?;
        if self.ring_bits >= f.ring_bits {
            return Err(TypeError::new(format!("{} bits do not reduce {}", self.ring_bits, args[0])));
        }
        Ok(args[0].with_elem(Elem::Fixed(Interval::of(f).in_ring(self.ring_bits, f.frac_bits))))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(args[0].clone())
    }
}

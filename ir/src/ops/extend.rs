//! The same signed value in a larger ring.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::fixed;
use crate::semantics::extent::ring_exists;
use crate::tensor::Tensor;
use crate::ty::{Elem, Fixed, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The same signed value in a larger ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Extend {
    pub ring_bits: u8,
}

impl OpDef for Extend {
    const NAME: &'static str = "extend";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::fixed_point(Needs::Nonlinear, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let f = fixed(args[0])?;
        ring_exists(self.ring_bits)?;
        if self.ring_bits <= f.ring_bits {
            return Err(TypeError::new(format!("{} bits do not extend {}", self.ring_bits, args[0])));
        }
        Ok(args[0].with_elem(Elem::Fixed(Fixed { ring_bits: self.ring_bits, ..f })))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(args[0].clone())
    }
}

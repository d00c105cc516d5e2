//! Claims that the value lies in `[lo, hi]` (from calibration data or a proof over the weights). Changes nothing else.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::fixed;
use crate::tensor::Tensor;
use crate::ty::{Elem, Fixed, Ty, TypeError, ring_limits};
use serde::{Deserialize, Serialize};

/// Claims that the value lies in `[lo, hi]` (from calibration data or a proof over the weights). Changes nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Assume {
    pub lo: i64,
    pub hi: i64,
}

impl OpDef for Assume {
    const NAME: &'static str = "assume";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::fixed_point(Needs::Linear, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let f = fixed(args[0])?;
        let (min, max) = ring_limits(f.ring_bits);
        if self.lo > self.hi || self.lo < min || self.hi > max {
            return Err(TypeError::new(format!(
                "[{}, {}] is no range of a ring of {} bits",
                self.lo, self.hi, f.ring_bits
            )));
        }
        let (lo, hi) = (f.lo.max(self.lo), f.hi.min(self.hi));
        if lo > hi {
            return Err(TypeError::new(format!("[{}, {}] contradicts {}", self.lo, self.hi, args[0])));
        }
        Ok(args[0].with_elem(Elem::Fixed(Fixed { lo, hi, ..f })))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(args[0].clone())
    }
}

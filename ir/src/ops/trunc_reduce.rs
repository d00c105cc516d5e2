//! Division by `2^shift`, rounded to nearest (ties up), into the ring that is `shift` bits shorter: `floor((x +
//! 2^(shift-1)) / 2^shift)`.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::fixed;
use crate::semantics::interval::Interval;
use crate::tensor::Tensor;
use crate::ty::{Elem, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Division by `2^shift`, rounded to nearest (ties up), into the ring that is `shift` bits shorter: `floor((x +
/// 2^(shift-1)) / 2^shift)`. Fraction bits shrink by `shift`: the value stands for the same real.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TruncReduce {
    pub shift: u8,
}

impl OpDef for TruncReduce {
    const NAME: &'static str = "trunc_reduce";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::fixed_point(Needs::Nonlinear, ErrorRule::Shifted { shift: self.shift })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let f = fixed(args[0])?;
        if self.shift >= f.ring_bits || self.shift > f.frac_bits {
            return Err(TypeError::new(format!("cannot truncate {} by {} bits", args[0], self.shift)));
        }
        let half = if self.shift == 0 { 0 } else { 1i128 << (self.shift - 1) };
        let rounded = |v: i64| (i128::from(v) + half) >> self.shift;
        let range = Interval { lo: rounded(f.lo), hi: rounded(f.hi) };
        Ok(args[0].with_elem(Elem::Fixed(range.in_ring(f.ring_bits - self.shift, f.frac_bits - self.shift))))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        let half = if self.shift == 0 { 0 } else { 1i64 << (self.shift - 1) };
        Ok(args[0].map(|v| v.wrapping_add(half) >> self.shift))
    }
}

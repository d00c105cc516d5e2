//! Multiplication of the integer by `2^bits` with `bits` more fraction bits: the value stands for the same real. Local
//! on shares.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::fixed;
use crate::semantics::interval::Interval;
use crate::tensor::Tensor;
use crate::ty::{Elem, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Multiplication of the integer by `2^bits` with `bits` more fraction bits: the value stands for the same real. Local
/// on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shl {
    pub bits: u8,
}

impl OpDef for Shl {
    const NAME: &'static str = "shl";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        let scale = f64::from(self.bits).exp2();
        Facts::fixed_point(Needs::Linear, ErrorRule::Scaled { l1: scale, l2_squared: scale * scale })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let f = fixed(args[0])?;
        let frac = f.frac_bits.checked_add(self.bits).ok_or_else(|| TypeError::new("too many fraction bits"))?;
        if self.bits >= f.ring_bits {
            return Err(TypeError::new(format!("a shift by {} leaves nothing of {}", self.bits, args[0])));
        }
        let scale = 1i128 << self.bits;
        let range = Interval::of(f).times(Interval { lo: scale, hi: scale });
        Ok(args[0].with_elem(Elem::Fixed(range.in_ring(f.ring_bits, frac))))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(args[0].map(|v| v.wrapping_shl(u32::from(self.bits))))
    }
}

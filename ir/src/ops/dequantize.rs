//! The real value `v / 2^frac_bits` of a fixed-point value that one party knows.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::fixed;
use crate::tensor::Tensor;
use crate::ty::{Elem, Owner, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The real value `v / 2^frac_bits` of a fixed-point value that one party knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dequantize {}

impl Dequantize {
    /// Meaning, from ring to reals.
    #[must_use]
    pub fn eval(x: &Tensor<i64>, frac_bits: u8) -> Tensor<f32> {
        let unit = (-f64::from(frac_bits)).exp2();
        x.map(|&v| (v as f64 * unit) as f32)
    }
}

impl OpDef for Dequantize {
    const NAME: &'static str = "dequantize";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::fixed_point(Needs::Real, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        fixed(x)?;
        match x.owner {
            Owner::Client | Owner::Public => Ok(x.with_elem(Elem::Real)),
            Owner::Server | Owner::Shared => {
                Err(TypeError::new(format!("needs a value that the client knows, got {x}")))
            }
        }
    }
}

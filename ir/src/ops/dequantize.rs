//! The real value `v / 2^frac_bits` of a fixed-point value that one party knows.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The real value `v / 2^frac_bits` of a fixed-point value that one party knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dequantize {}

impl OpDef for Dequantize {
    const NAME: &'static str = "dequantize";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

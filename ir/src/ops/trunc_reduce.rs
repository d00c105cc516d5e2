//! Division by `2^shift`, rounded to nearest (ties up), into the ring that is `shift` bits shorter: `floor((x + 2^(shift-1)) / 2^shift)`.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Division by `2^shift`, rounded to nearest (ties up), into the ring that is `shift` bits shorter: `floor((x + 2^(shift-1)) / 2^shift)`.
/// Fraction bits shrink by `shift`: the value stands for the same real.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TruncReduce {
    pub shift: u8,
}

impl OpDef for TruncReduce {
    const NAME: &'static str = "trunc_reduce";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

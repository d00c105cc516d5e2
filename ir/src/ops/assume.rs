//! Claims that the value lies in `[lo, hi]` (from calibration data or a proof over the weights). Changes nothing else.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
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

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

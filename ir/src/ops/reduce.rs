//! The value mod a smaller ring. Local on shares. Exact when the range fits.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
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

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

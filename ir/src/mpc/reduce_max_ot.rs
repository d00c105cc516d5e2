//! Maximum over `axes` as a tournament of log depth.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Maximum over `axes` as a tournament of log depth.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReduceMaxOt {
    pub axes: Vec<usize>,
    pub keep: bool,
    pub radix: u8,
}

impl OpDef for ReduceMaxOt {
    const NAME: &'static str = "reduce_max.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

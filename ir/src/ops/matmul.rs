//! Matrix product of the last two axes, numpy's rules for the axes before (both arguments have rank 2 or more).

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Matrix product of the last two axes, numpy's rules for the axes before (both arguments have rank 2 or more).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatMul {}

impl OpDef for MatMul {
    const NAME: &'static str = "matmul";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

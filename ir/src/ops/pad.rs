//! Zeros before and after along each axis.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Zeros before and after along each axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pad {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
}

impl OpDef for Pad {
    const NAME: &'static str = "pad";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

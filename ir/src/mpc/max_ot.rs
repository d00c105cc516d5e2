//! Elementwise maximum: `b + relu(a - b)`. Shapes are equal.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise maximum: `b + relu(a - b)`. Shapes are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MaxOt {
    pub radix: u8,
}

impl OpDef for MaxOt {
    const NAME: &'static str = "max.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

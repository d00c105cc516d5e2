//! Elementwise product of two shared values, or of a shared one with the server's, by OT products. Shapes are equal.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise product of two shared values, or of a shared one with the server's, by OT products. Shapes are equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MulOt {}

impl OpDef for MulOt {
    const NAME: &'static str = "mul.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

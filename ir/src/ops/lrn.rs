//! Local response normalisation across channels: `x / (bias + alpha / size * sum of x^2 over size channels)^beta`.

use crate::op::F32;
use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Local response normalisation across channels: `x / (bias + alpha / size * sum of x^2 over size channels)^beta`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lrn {
    pub size: usize,
    pub alpha: F32,
    pub beta: F32,
    pub bias: F32,
}

impl OpDef for Lrn {
    const NAME: &'static str = "lrn";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

//! Local response normalisation across channels: `x / (bias + alpha / size * sum of x^2 over size channels)^beta`.

use crate::op::F32;
use crate::op::{Arity, OpDef};
use crate::ops::elementwise::real;
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

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        if args[0].shape.len() < 2 || self.size == 0 {
            return Err(TypeError::new(format!("no {} channels around one of {}", self.size, args[0])));
        }
        if ![self.alpha, self.beta, self.bias].iter().all(|v| v.value().is_finite()) {
            return Err(TypeError::new("parameters are finite"));
        }
        real(args[0]).cloned()
    }
}

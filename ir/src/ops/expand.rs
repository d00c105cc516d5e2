//! Broadcast to `shape` (numpy's rule).

use crate::op::{Arity, OpDef};
use crate::ops::extent::checked;
use crate::tensor::broadcast;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Broadcast to `shape` (numpy's rule).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Expand {
    pub shape: Vec<usize>,
}

impl OpDef for Expand {
    const NAME: &'static str = "expand";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        let shape = checked(&self.shape)?;
        match broadcast(&x.shape, &shape) {
            Some(s) if s == shape => Ok(x.with_shape(&shape)),
            _ => Err(TypeError::new(format!("{x} does not broadcast to {:?}", self.shape))),
        }
    }
}

//! Elementwise maximum with numpy broadcasting.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise maximum with numpy broadcasting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Max {}

impl OpDef for Max {
    const NAME: &'static str = "max";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

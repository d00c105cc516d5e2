//! Elementwise quotient over the reals, with numpy broadcasting.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise quotient over the reals, with numpy broadcasting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Div {}

impl OpDef for Div {
    const NAME: &'static str = "div";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

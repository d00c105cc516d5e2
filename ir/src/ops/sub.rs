//! Elementwise difference with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise difference with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sub {}

impl OpDef for Sub {
    const NAME: &'static str = "sub";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

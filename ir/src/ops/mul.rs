//! Elementwise product with numpy broadcasting; fixed point: same ring, fraction bits add up.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise product with numpy broadcasting; fixed point: same ring, fraction bits add up.
/// Local when one side is public (or both have one owner); otherwise a protocol is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mul {}

impl OpDef for Mul {
    const NAME: &'static str = "mul";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

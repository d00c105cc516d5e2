//! Concatenation along `axis`; fixed point: same ring and fraction bits.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Concatenation along `axis`; fixed point: same ring and fraction bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Concat {
    pub axis: usize,
}

impl OpDef for Concat {
    const NAME: &'static str = "concat";

    fn arity(&self) -> Arity {
        Arity::AtLeast(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

//! Argmax as a tournament of log depth that carries the index along.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Argmax as a tournament of log depth that carries the index along.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ArgMaxOt {
    pub axis: usize,
    pub keep: bool,
    pub last: bool,
    pub radix: u8,
}

impl OpDef for ArgMaxOt {
    const NAME: &'static str = "arg_max.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

//! Index of the maximum along `axis` (which stays with extent 1 if `keep`); the first one wins ties, or the last one.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Index of the maximum along `axis` (which stays with extent 1 if `keep`); the first one wins ties, or the last one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ArgMax {
    pub axis: usize,
    pub keep: bool,
    pub last: bool,
}

impl OpDef for ArgMax {
    const NAME: &'static str = "arg_max";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

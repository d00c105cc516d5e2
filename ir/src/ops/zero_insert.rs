//! `factor[i] - 1` zeros between neighbours along axis `i` (none after the last): the first half of a transposed convolution.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// `factor[i] - 1` zeros between neighbours along axis `i` (none after the last): the first half of a transposed convolution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ZeroInsert {
    pub factor: Vec<usize>,
}

impl OpDef for ZeroInsert {
    const NAME: &'static str = "zero_insert";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

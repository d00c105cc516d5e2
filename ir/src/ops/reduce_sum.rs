//! Sum over `axes`, which stay with extent 1 if `keep`.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Sum over `axes`, which stay with extent 1 if `keep`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReduceSum {
    pub axes: Vec<usize>,
    pub keep: bool,
}

impl OpDef for ReduceSum {
    const NAME: &'static str = "reduce_sum";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

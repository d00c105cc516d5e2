//! Sum over windows of the last two axes of `[n, c, h, w]`; padding counts as zero. An average is this times a constant.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Sum over windows of the last two axes of `[n, c, h, w]`; padding counts as zero. An average is this times a constant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SumPool {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
}

impl OpDef for SumPool {
    const NAME: &'static str = "sum_pool";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

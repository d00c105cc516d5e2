//! For each axis: `size[i]` elements from `start[i]`, `step[i]` apart (negative steps walk backwards).

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// For each axis: `size[i]` elements from `start[i]`, `step[i]` apart (negative steps walk backwards).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slice {
    pub start: Vec<usize>,
    pub size: Vec<usize>,
    pub step: Vec<isize>,
}

impl OpDef for Slice {
    const NAME: &'static str = "slice";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

//! Elementwise maximum with numpy broadcasting.

use crate::op::{Arity, OpDef};
use crate::ops::elementwise::infer_aligned;
use crate::ops::interval::Interval;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise maximum with numpy broadcasting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Max {}

impl OpDef for Max {
    const NAME: &'static str = "max";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        infer_aligned(args, Interval::maximum)
    }
}

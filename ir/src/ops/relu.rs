//! Elementwise `max(x, 0)`.

use crate::op::{Arity, OpDef};
use crate::ops::elementwise::map_range;
use crate::ops::interval::Interval;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise `max(x, 0)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Relu {}

impl OpDef for Relu {
    const NAME: &'static str = "relu";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        Ok(map_range(args[0], |x| x.maximum(Interval { lo: 0, hi: 0 })))
    }
}

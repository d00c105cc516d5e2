//! Elementwise negation. Local on shares.

use crate::op::{Arity, OpDef};
use crate::ops::elementwise::map_range;
use crate::ops::interval::Interval;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise negation. Local on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Neg {}

impl OpDef for Neg {
    const NAME: &'static str = "neg";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        Ok(map_range(args[0], Interval::negated))
    }
}

//! Elementwise sum with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.

use crate::op::{Arity, OpDef};
use crate::ops::elementwise::infer_aligned;
use crate::ops::interval::Interval;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise sum with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Add {}

impl OpDef for Add {
    const NAME: &'static str = "add";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        infer_aligned(args, Interval::plus)
    }
}

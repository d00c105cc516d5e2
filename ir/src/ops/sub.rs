//! Elementwise difference with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.

use crate::op::{Arity, OpDef};
use crate::ops::elementwise::infer_aligned;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise difference with numpy broadcasting; fixed point: same ring and same fraction bits. Local on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sub {}

impl OpDef for Sub {
    const NAME: &'static str = "sub";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        infer_aligned(args, |a, b| a.plus(b.negated()))
    }
}

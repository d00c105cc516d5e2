//! Softmax along `axis`, over the reals.

use crate::op::{Arity, OpDef};
use crate::ops::axes::axis_of;
use crate::ops::elementwise::real;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Softmax along `axis`, over the reals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Softmax {
    pub axis: usize,
}

impl OpDef for Softmax {
    const NAME: &'static str = "softmax";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        axis_of(args[0], self.axis)?;
        real(args[0]).cloned()
    }
}

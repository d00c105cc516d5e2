//! Zeros before and after along each axis.

use crate::op::{Arity, OpDef};
use crate::ops::axes::one_per_axis;
use crate::ops::elementwise::map_range;
use crate::ops::extent::checked;
use crate::ops::interval::Interval;
use crate::ty::{Shape, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Zeros before and after along each axis.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pad {
    pub before: Vec<usize>,
    pub after: Vec<usize>,
}

impl OpDef for Pad {
    const NAME: &'static str = "pad";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        one_per_axis("before", self.before.len(), x)?;
        one_per_axis("after", self.after.len(), x)?;
        let grown = x.shape.iter().zip(self.before.iter().zip(&self.after));
        let shape: Shape = grown.map(|(&d, (&b, &a))| d.saturating_add(b).saturating_add(a)).collect();
        Ok(map_range(&x.with_shape(&checked(&shape)?), Interval::with_zero))
    }
}

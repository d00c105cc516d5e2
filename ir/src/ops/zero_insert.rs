//! `factor[i] - 1` zeros between neighbours along axis `i` (none after the last): the first half of a transposed convolution.

use crate::op::{Arity, OpDef};
use crate::ops::axes::one_per_axis;
use crate::ops::elementwise::map_range;
use crate::ops::extent::checked;
use crate::ops::interval::Interval;
use crate::ty::{Shape, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// `factor[i] - 1` zeros between neighbours along axis `i` (none after the last): the first half of a transposed convolution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ZeroInsert {
    pub factor: Vec<usize>,
}

impl OpDef for ZeroInsert {
    const NAME: &'static str = "zero_insert";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        one_per_axis("factor", self.factor.len(), x)?;
        if self.factor.contains(&0) {
            return Err(TypeError::new("factor 0"));
        }
        let spread = x.shape.iter().zip(&self.factor);
        let shape: Shape = spread.map(|(&d, &f)| (d - 1).saturating_mul(f).saturating_add(1)).collect();
        Ok(map_range(&x.with_shape(&checked(&shape)?), Interval::with_zero))
    }
}

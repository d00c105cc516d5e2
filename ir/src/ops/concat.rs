//! Concatenation along `axis`; fixed point: same ring and fraction bits.

use crate::op::{Arity, OpDef};
use crate::ops::axes::axis_of;
use crate::ops::elementwise::aligned;
use crate::ops::extent::checked;
use crate::ops::interval::Interval;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Concatenation along `axis`; fixed point: same ring and fraction bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Concat {
    pub axis: usize,
}

impl OpDef for Concat {
    const NAME: &'static str = "concat";

    fn arity(&self) -> Arity {
        Arity::AtLeast(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let first = args[0];
        let axis = axis_of(first, self.axis)?;
        let mut ty = first.clone();
        for next in &args[1..] {
            let alike = next.shape.len() == ty.shape.len()
                && (0..ty.shape.len()).all(|i| i == axis || next.shape[i] == ty.shape[i]);
            if !alike {
                return Err(TypeError::new(format!("{first} and {next} differ beside axis {axis}")));
            }
            ty.elem = aligned(&ty, next, Interval::hull)?;
            ty.owner = ty.owner.join(next.owner);
            ty.shape[axis] = ty.shape[axis].saturating_add(next.shape[axis]);
        }
        checked(&ty.shape)?;
        Ok(ty)
    }
}

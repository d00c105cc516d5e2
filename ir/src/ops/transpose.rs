//! Axis `i` of the result is axis `perm[i]` of the argument.

use crate::op::{Arity, OpDef};
use crate::ops::axes::{axis_of, one_per_axis};
use crate::ty::{Shape, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Axis `i` of the result is axis `perm[i]` of the argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Transpose {
    pub perm: Vec<usize>,
}

impl OpDef for Transpose {
    const NAME: &'static str = "transpose";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        one_per_axis("perm", self.perm.len(), x)?;
        let mut seen = vec![false; self.perm.len()];
        for &p in &self.perm {
            if std::mem::replace(&mut seen[axis_of(x, p)?], true) {
                return Err(TypeError::new(format!("{:?} is no permutation", self.perm)));
            }
        }
        let shape: Shape = self.perm.iter().map(|&p| x.shape[p]).collect();
        Ok(x.with_shape(&shape))
    }
}

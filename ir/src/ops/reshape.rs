//! The same values in row-major order under another shape.

use crate::op::{Arity, OpDef};
use crate::ops::extent::checked;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The same values in row-major order under another shape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reshape {
    pub shape: Vec<usize>,
}

impl OpDef for Reshape {
    const NAME: &'static str = "reshape";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let shape = checked(&self.shape)?;
        if shape.iter().product::<usize>() != args[0].len() {
            return Err(TypeError::new(format!("{} does not fill {:?}", args[0], self.shape)));
        }
        Ok(args[0].with_shape(&shape))
    }
}

//! Two-dimensional convolution of `[n, c, h, w]` with weights `[m, c / groups, kh, kw]`, zero padding, no bias (bias is an `add`).

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Two-dimensional convolution of `[n, c, h, w]` with weights `[m, c / groups, kh, kw]`, zero padding, no bias (bias is an `add`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Conv {
    pub stride: [usize; 2],
    /// `[top, left, bottom, right]`
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl OpDef for Conv {
    const NAME: &'static str = "conv";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

//! An elementwise function over the reals.

use crate::op::{Arity, OpDef};
use crate::ops::elementwise::real;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise functions that only the client computes, on values that it has learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Function {
    Exp,
    Log,
    Sigmoid,
    Tanh,
    Sqrt,
    Reciprocal,
    Erf,
}

/// An elementwise function over the reals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unary {
    pub function: Function,
}

impl OpDef for Unary {
    const NAME: &'static str = "unary";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        real(args[0]).cloned()
    }
}

//! Multiplication of the integer by `2^bits` with `bits` more fraction bits: the value stands for the same real. Local on shares.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Multiplication of the integer by `2^bits` with `bits` more fraction bits: the value stands for the same real. Local on shares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shl {
    pub bits: u8,
}

impl OpDef for Shl {
    const NAME: &'static str = "shl";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

//! A public constant, part of the program: owner `public`.

use crate::op::F32;
use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Values of a constant, row-major; one value stands for a whole tensor of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConstValue {
    Real(Vec<F32>),
    Int(Vec<i64>),
}

/// A public constant, part of the program: owner `public`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Const {
    pub ty: Ty,
    pub value: ConstValue,
}

impl OpDef for Const {
    const NAME: &'static str = "const";

    fn arity(&self) -> Arity {
        Arity::Exactly(0)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

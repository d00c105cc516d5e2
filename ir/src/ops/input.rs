//! A value that the client brings: owner `client`.

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// A value that the client brings: owner `client`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Input {
    pub name: String,
    pub ty: Ty,
}

impl OpDef for Input {
    const NAME: &'static str = "input";

    fn arity(&self) -> Arity {
        Arity::Exactly(0)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

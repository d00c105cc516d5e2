//! A value that the client brings: owner `client`.

use crate::facts::Facts;
use crate::op::{Arity, OpDef};
use crate::semantics::extent::checked_ty;
use crate::ty::{Owner, Ty, TypeError};
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

    fn facts(&self) -> Facts {
        Facts::source()
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        if self.ty.owner != Owner::Client {
            return Err(TypeError::new(format!("an input is the client's, not {}", self.ty)));
        }
        checked_ty(&self.ty)
    }
}

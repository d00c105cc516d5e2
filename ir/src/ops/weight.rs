//! A tensor of the server's weights file: owner `server`. Its values are never in the program.

use crate::facts::Facts;
use crate::op::{Arity, OpDef};
use crate::semantics::extent::checked_ty;
use crate::ty::{Owner, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// A tensor of the server's weights file: owner `server`. Its values are never in the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Weight {
    pub name: String,
    pub ty: Ty,
}

impl OpDef for Weight {
    const NAME: &'static str = "weight";

    fn arity(&self) -> Arity {
        Arity::Exactly(0)
    }

    fn facts(&self) -> Facts {
        Facts::source()
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        if self.ty.owner != Owner::Server {
            return Err(TypeError::new(format!("a weight is the server's, not {}", self.ty)));
        }
        checked_ty(&self.ty)
    }
}

//! The other party sends its share to `to`, which learns the value: the only operator that moves data towards a party.

use crate::Party;
use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The other party sends its share to `to`, which learns the value: the only operator that moves data towards a party.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reveal {
    pub to: Party,
}

impl OpDef for Reveal {
    const NAME: &'static str = "reveal";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

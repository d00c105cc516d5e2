//! Picks constant, public indices along `axis` (nearest-neighbour resize is two of these).

use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Picks constant, public indices along `axis` (nearest-neighbour resize is two of these).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gather {
    pub axis: usize,
    pub indices: Vec<u32>,
}

impl OpDef for Gather {
    const NAME: &'static str = "gather";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

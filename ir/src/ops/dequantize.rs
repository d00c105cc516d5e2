//! The real value `v / 2^frac_bits` of a fixed-point value that one party knows.

use crate::op::{Arity, OpDef};
use crate::ops::elementwise::fixed;
use crate::ty::{Elem, Owner, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// The real value `v / 2^frac_bits` of a fixed-point value that one party knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dequantize {}

impl OpDef for Dequantize {
    const NAME: &'static str = "dequantize";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        fixed(x)?;
        match x.owner {
            Owner::Client | Owner::Public => Ok(x.with_elem(Elem::Real)),
            Owner::Server | Owner::Shared => {
                Err(TypeError::new(format!("needs a value that the client knows, got {x}")))
            }
        }
    }
}

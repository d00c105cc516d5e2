//! Convolution with the server's weights by OT products; `receiver` is the party whose bits are the OT choices.

use crate::Party;
use crate::geom::ConvGeom;
use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Convolution with the server's weights by OT products; `receiver` is the party whose bits are the OT choices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConvOt {
    pub geom: ConvGeom,
    pub weight_bits: u8,
    pub receiver: Party,
}

impl OpDef for ConvOt {
    const NAME: &'static str = "conv.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

//! Matrix product with the server's weights by OT products; `receiver` is the party whose bits are the OT choices.

use crate::Party;
use crate::geom::MatMulGeom;
use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Matrix product with the server's weights by OT products; `receiver` is the party whose bits are the OT choices.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatMulOt {
    pub geom: MatMulGeom,
    pub weight_bits: u8,
    pub weights_left: bool,
    pub receiver: Party,
}

impl OpDef for MatMulOt {
    const NAME: &'static str = "matmul.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

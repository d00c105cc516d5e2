//! Matrix product with the server's weights under RLWE. See [`crate::mpc::rlwe`].

use crate::geom::MatMulGeom;
use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Matrix product with the server's weights under RLWE. See [`crate::mpc::rlwe`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MatMulRlwe {
    pub geom: MatMulGeom,
    pub weight_bits: u8,
    /// The weights are the left factor.
    pub weights_left: bool,
}

impl OpDef for MatMulRlwe {
    const NAME: &'static str = "matmul.rlwe";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

//! Convolution with the server's weights under RLWE, Cheetah's coefficient encoding. See [`crate::mpc::rlwe`].

use crate::geom::ConvGeom;
use crate::op::{Arity, OpDef};
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Convolution with the server's weights under RLWE, Cheetah's coefficient encoding. See [`crate::mpc::rlwe`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConvRlwe {
    pub geom: ConvGeom,
    pub weight_bits: u8,
}

impl OpDef for ConvRlwe {
    const NAME: &'static str = "conv.rlwe";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        Err(TypeError::new("untyped"))
    }
}

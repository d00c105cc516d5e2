//! ReLU by OT comparison with leaves of `radix` bits, then a multiplexer.
//!
//! With `skip_low > 0` the sign is that of `x >> skip_low`, computed on both shares alone in the ring that is
//! `skip_low` bits shorter, so the comparison gets that many bits less. The carry out of the skipped bits is lost:
//! `floor(x / 2^skip_low)` comes out right or one too small, by the shares' low bits, which are uniform.
//!
//! ```text
//!      x < 0               0 <= x < 2^skip_low                x >= 2^skip_low
//!      0                   0 or x: 0 with probability         x
//!                          1 - (x + 1) / 2^skip_low
//! ```

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::operands::{radix_exists, shared, window_fits};
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::Relu;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// ReLU by OT comparison with leaves of `radix` bits, then a multiplexer.
///
/// The reference is the exact ReLU; with `skip_low > 0` the protocol's result is up to `2^skip_low - 1` units below it,
/// and only where it is itself below `2^skip_low`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReluOt {
    pub radix: u8,
    /// Low bits that the comparison does not look at; 0 for an exact sign.
    #[serde(default)]
    pub skip_low: u8,
}

impl ReluOt {
    /// With an exact sign.
    #[must_use]
    pub fn exact(radix: u8) -> ReluOt {
        ReluOt { radix, skip_low: 0 }
    }
}

impl OpDef for ReluOt {
    const NAME: &'static str = "relu.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Compared { skip_low: self.skip_low, levels: 1 })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        window_fits(shared(args[0])?, self.skip_low)?;
        radix_exists(self.radix)?;
        Relu {}.infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Relu {}.eval_ring(args, tys)
    }
}

impl Protocol for ReluOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(Relu {}, args, name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::elements(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        Ok(cost::relu_window(units, ring_of(args[0])?.ring_bits, self.skip_low, self.radix))
    }
}

//! Elementwise square of a shared value, by OT products: `x^2 = x0^2 + x1^2 + 2 x0 x1`.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost::{self, ProductShape, RowRun};
use crate::mpc::operands::shared;
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::Mul;
use crate::party::Party;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise square of a shared value: the [`Mul`] of it with itself, with one cross term instead of two.
///
/// The bits of `receiver`'s share choose among what the other party sends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SquareOt {
    pub receiver: Party,
}

impl SquareOt {
    /// The product behind `n` squares: half of the cross term `2 x0 x1`, which the ring without its top bit holds.
    #[must_use]
    pub fn shape(n: u64, ring_bits: u8) -> ProductShape {
        let half = ring_bits.saturating_sub(1);
        ProductShape::new(half, half, [RowRun { scalars: n, row: 1 }])
    }

    /// Exact cost of `n` squares in a ring of `ring_bits` bits; `receiver`'s share chooses.
    #[must_use]
    pub fn price(n: u64, ring_bits: u8, receiver: Party) -> Cost {
        cost::product(&SquareOt::shape(n, ring_bits), receiver)
    }
}

impl OpDef for SquareOt {
    const NAME: &'static str = "square.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::protocol(ErrorRule::Product)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        shared(args[0])?;
        Mul {}.infer(&[args[0], args[0]])
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Mul {}.eval_ring(&[args[0], args[0]], &[tys[0], tys[0]])
    }
}

impl Protocol for SquareOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(Mul {}, &[args[0], args[0]], name)
    }

    fn division(&self, _args: &[&Ty], ty: &Ty) -> Division {
        Division::elements(ty)
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        Ok(SquareOt::price(units, ring_of(args[0])?.ring_bits, self.receiver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_costs_less_than_half_a_product() {
        for receiver in Party::BOTH {
            let (n, l) = (24, 20);
            let (one, two) = (SquareOt::price(n, l, receiver), cost::mul(n, l));
            let bits = (l as u64 - 1) * l as u64 / 2;
            assert_eq!(one.online.total(), 16 + n * (l as u64 - 1) / 8 + n * bits.div_ceil(8), "two frames");
            assert!(2 * one.online.total() < two.online.total());
            assert_eq!((one.online.rounds, two.online.rounds), (2, 2));
            assert_eq!(SquareOt::price(n, 1, receiver), Cost::default(), "a bit is its own square");
        }
    }
}

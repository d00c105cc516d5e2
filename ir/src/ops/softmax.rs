//! Softmax along `axis`, over the reals.

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::axis_of;
use crate::semantics::elementwise::real;
use crate::semantics::strided::around;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Softmax along `axis`, over the reals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Softmax {
    pub axis: usize,
}

impl OpDef for Softmax {
    const NAME: &'static str = "softmax";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts {
            needs: Needs::Real,
            movement: Movement::None,
            interval: IntervalRule::Undefined,
            error: ErrorRule::Largest,
            client: ClientPart::Starts,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        axis_of(args[0], self.axis)?;
        real(args[0]).cloned()
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        let [outer, extent, inner] = around(&args[0].shape, self.axis);
        let mut out = args[0].clone();
        for o in 0..outer {
            for i in 0..inner {
                let at = |k: usize| (o * extent + k) * inner + i;
                let max = (0..extent).map(|k| out.data[at(k)]).fold(f32::NEG_INFINITY, f32::max);
                let sum: f32 = (0..extent).map(|k| (out.data[at(k)] - max).exp()).sum();
                for k in 0..extent {
                    out.data[at(k)] = (out.data[at(k)] - max).exp() / sum;
                }
            }
        }
        Ok(out)
    }
}

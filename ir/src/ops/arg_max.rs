//! Index of the maximum along `axis` (which stays with extent 1 if `keep`); the first one wins ties, or the last one.

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::{axis_of, reduced};
use crate::semantics::number::Number;
use crate::semantics::strided::around;
use crate::tensor::Tensor;
use crate::ty::{Elem, Fixed, Ty, TypeError, ring_limits};
use serde::{Deserialize, Serialize};

/// Index of the maximum along `axis` (which stays with extent 1 if `keep`); the first one wins ties, or the last one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ArgMax {
    pub axis: usize,
    pub keep: bool,
    pub last: bool,
}

impl ArgMax {
    fn winners<T: Number>(&self, x: &Tensor<T>, ty: &Ty) -> Result<Tensor<usize>, TypeError> {
        let (shape, _) = reduced(ty, &[self.axis], self.keep)?;
        let [outer, extent, inner] = around(&x.shape, self.axis);
        let mut winners = Vec::with_capacity(outer * inner);
        for o in 0..outer {
            for i in 0..inner {
                let value = |k: usize| x.data[(o * extent + k) * inner + i];
                let beats =
                    |k: usize, best: usize| value(k) > value(best) || (self.last && value(k) == value(best));
                winners.push((1..extent).fold(0, |best, k| if beats(k, best) { k } else { best }));
            }
        }
        Ok(Tensor::new(&shape, winners))
    }
}

impl OpDef for ArgMax {
    const NAME: &'static str = "arg_max";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts {
            needs: Needs::Nonlinear,
            movement: Movement::None,
            interval: IntervalRule::Index { axis: self.axis },
            error: ErrorRule::Index { axis: self.axis },
            client: ClientPart::Follows,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let x = args[0];
        let (shape, count) = reduced(x, &[axis_of(x, self.axis)?], self.keep)?;
        let elem = match x.elem {
            Elem::Real => Elem::Real,
            Elem::Fixed(f) => {
                let hi = i64::try_from(count - 1).unwrap_or(i64::MAX);
                if hi > ring_limits(f.ring_bits).1 {
                    return Err(TypeError::new(format!(
                        "a ring of {} bits cannot hold the index {hi}",
                        f.ring_bits
                    )));
                }
                Elem::Fixed(Fixed { ring_bits: f.ring_bits, frac_bits: 0, lo: 0, hi })
            }
        };
        Ok(Ty { shape, elem, owner: x.owner })
    }

    fn eval_real(&self, args: &[&Tensor<f32>], tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(self.winners(args[0], tys[0])?.map(|&i| i as f32))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(self.winners(args[0], tys[0])?.map(|&i| i as i64))
    }
}

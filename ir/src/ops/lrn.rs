//! Local response normalisation across channels: `x / (bias + alpha / size * sum of x^2 over size channels)^beta`.

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::op::F32;
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::real;
use crate::semantics::strided::around;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Local response normalisation across channels: `x / (bias + alpha / size * sum of x^2 over size channels)^beta`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lrn {
    pub size: usize,
    pub alpha: F32,
    pub beta: F32,
    pub bias: F32,
}

impl OpDef for Lrn {
    const NAME: &'static str = "lrn";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        let shrink = self.bias.value().powf(self.beta.value()).recip();
        Facts {
            needs: Needs::Real,
            movement: Movement::None,
            interval: IntervalRule::Shrunk(shrink.into()),
            error: ErrorRule::Largest,
            client: ClientPart::Follows,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        if args[0].shape.len() < 2 || self.size == 0 {
            return Err(TypeError::new(format!("no {} channels around one of {}", self.size, args[0])));
        }
        if ![self.alpha, self.beta, self.bias].iter().all(|v| v.value().is_finite()) {
            return Err(TypeError::new("parameters are finite"));
        }
        real(args[0]).cloned()
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        let x = args[0];
        let [outer, channels, inner] = around(&x.shape, 1);
        let (alpha, beta, bias) = (self.alpha.value(), self.beta.value(), self.bias.value());
        // The window reaches floor((size - 1) / 2) channels back and ceil((size - 1) / 2) ahead.
        let (back, ahead) = ((self.size - 1) / 2, self.size / 2);
        let mut out = x.clone();
        for o in 0..outer {
            for c in 0..channels {
                let around = c.saturating_sub(back)..channels.min(c.saturating_add(ahead).saturating_add(1));
                for i in 0..inner {
                    let at = |c: usize| (o * channels + c) * inner + i;
                    let squares: f32 = around.clone().map(|c| x.data[at(c)] * x.data[at(c)]).sum();
                    out.data[at(c)] /= (bias + alpha / self.size as f32 * squares).powf(beta);
                }
            }
        }
        Ok(out)
    }
}

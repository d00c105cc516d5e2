//! Maximum over windows of the last two axes of `[n, c, h, w]`; padding never wins.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::number::Number;
use crate::semantics::pooling::pool;
use crate::semantics::window::Window;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Maximum over windows of the last two axes of `[n, c, h, w]`; padding never wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MaxPool {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
}

impl MaxPool {
    fn window(&self) -> Window {
        Window { kernel: self.kernel, stride: self.stride, pads: self.pads, dilation: self.dilation }
    }
}

impl OpDef for MaxPool {
    const NAME: &'static str = "max_pool";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        Facts::monotone(Needs::Nonlinear, ErrorRule::Largest)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let window = self.window();
        let shape = window.pooled(args[0])?;
        window.never_only_padding(&args[0].shape)?;
        Ok(args[0].with_shape(&shape))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        pool(args[0], &self.window(), Number::LOWEST, Number::larger)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        pool(args[0], &self.window(), Number::LOWEST, Number::larger)
    }
}

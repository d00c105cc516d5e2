//! Sum over windows of the last two axes of `[n, c, h, w]`; padding counts as zero. An average is this times a
//! constant.

use crate::facts::{ErrorRule, Facts, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::map_range;
use crate::semantics::number::Number;
use crate::semantics::pooling::pool;
use crate::semantics::window::Window;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Sum over windows of the last two axes of `[n, c, h, w]`; padding counts as zero. An average is this times a
/// constant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SumPool {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
}

impl SumPool {
    fn window(&self) -> Window {
        Window { kernel: self.kernel, stride: self.stride, pads: self.pads, dilation: self.dilation }
    }
}

impl OpDef for SumPool {
    const NAME: &'static str = "sum_pool";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        let taps = (self.kernel[0] * self.kernel[1]) as f64;
        Facts::monotone(Needs::Linear, ErrorRule::Scaled { l1: taps, l2_squared: taps })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let window = self.window();
        let shape = window.pooled(args[0])?;
        let least = if window.is_padded() { 0 } else { window.taps() };
        Ok(map_range(&args[0].with_shape(&shape), |x| x.summed_between(least, window.taps())))
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        pool(args[0], &self.window(), Number::ZERO, Number::plus)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        pool(args[0], &self.window(), Number::ZERO, Number::plus)
    }
}

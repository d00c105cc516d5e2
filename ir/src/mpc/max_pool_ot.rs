//! Maxpool as a tournament of log depth, all windows of a level in one call.
//!
//! With `skip_low > 0` each comparison looks at `(x - y) >> skip_low` only, as in [`super::ReluOt`]: where `x` is
//! larger than `y` by less than `2^skip_low`, either may win.

use crate::cost::Cost;
use crate::facts::{ErrorRule, Facts};
use crate::graph::{Graph, Id};
use crate::mpc::cost;
use crate::mpc::cost::AxisWindows;
use crate::mpc::operands::{differences_fit, radix_exists, shared, window_fits};
use crate::mpc::protocol::{Division, Protocol, Way, ring_of};
use crate::op::{Arity, OpDef};
use crate::ops::MaxPool;
use crate::tensor::Tensor;
use crate::ty::{Fixed, Shape, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Maxpool as a tournament of log depth, all windows of a level in one call.
///
/// The reference is the exact maximum; each level of the tournament may lose up to `2^skip_low - 1` units.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MaxPoolOt {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
    pub radix: u8,
    /// Low bits that comparisons do not look at; 0 for exact ones.
    #[serde(default)]
    pub skip_low: u8,
}

impl MaxPoolOt {
    /// With exact comparisons.
    #[must_use]
    pub fn exact(p: &MaxPool, radix: u8) -> MaxPoolOt {
        let &MaxPool { kernel, stride, pads, dilation } = p;
        MaxPoolOt { kernel, stride, pads, dilation, radix, skip_low: 0 }
    }

    /// Shape of the result for an argument of type `x`.
    pub(crate) fn tensor_op_shape(&self, x: &Ty) -> Result<Shape, TypeError> {
        self.tensor_op().infer(&[x]).map(|ty| ty.shape)
    }

    /// The windows along the two axes of `[n, c, h, w]`, `[vertical, horizontal]`.
    pub fn windows(&self, x: &Ty) -> Result<[AxisWindows; 2], TypeError> {
        let &[_, _, h, w] = &x.shape[..] else {
            return Err(TypeError::new(format!("needs [n, c, h, w], got {x}")));
        };
        let axis = |i: usize, len| AxisWindows {
            len,
            kernel: self.kernel[i],
            stride: self.stride[i],
            dilation: self.dilation[i],
            pad_before: self.pads[i],
            pad_after: self.pads[i + 2],
        };
        Ok([axis(0, h), axis(1, w)])
    }

    /// What it computes.
    #[must_use]
    pub fn tensor_op(&self) -> MaxPool {
        MaxPool { kernel: self.kernel, stride: self.stride, pads: self.pads, dilation: self.dilation }
    }
}

impl OpDef for MaxPoolOt {
    const NAME: &'static str = "max_pool.ot";

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn facts(&self) -> Facts {
        let levels = self.kernel.map(|k| u64::from(k.next_power_of_two().trailing_zeros())).iter().sum();
        Facts::protocol(ErrorRule::Compared { skip_low: self.skip_low, levels })
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let f = shared(args[0])?;
        differences_fit(f)?;
        let difference = i64::try_from(f.max_abs()).unwrap_or(i64::MAX).saturating_mul(2);
        window_fits(Fixed { lo: -difference, hi: difference, ..f }, self.skip_low)?;
        radix_exists(self.radix)?;
        self.tensor_op().infer(args)
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        self.tensor_op().eval_ring(args, tys)
    }
}

impl Protocol for MaxPoolOt {
    fn way(&self) -> Way {
        Way::MESSAGES
    }

    fn erased(&self, ring: &mut Graph, args: &[Id], name: &str) -> Result<Id, TypeError> {
        ring.add(self.tensor_op(), args, name)
    }

    fn division(&self, args: &[&Ty], _ty: &Ty) -> Division {
        Division::rows(args[0], args[0].shape.iter().rev().take(2).map(|&d| d as u64).product())
    }

    fn cost(&self, args: &[&Ty], _ty: &Ty, units: u64) -> Result<Cost, TypeError> {
        let [vertical, horizontal] = self.windows(args[0])?;
        cost::max_pool_window(units, &vertical, &horizontal, ring_of(args[0])?.ring_bits, self.skip_low, self.radix)
            .ok_or_else(|| TypeError::new("a window of padding only"))
    }
}

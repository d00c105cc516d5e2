//! Two-dimensional convolution of `[n, c, h, w]` with weights `[m, c / groups, kh, kw]`, zero padding, no bias (bias is
//! an `add`).

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::geom::ConvGeom;
use crate::op::{Arity, OpDef};
use crate::semantics::convolution::{convolve, convolve_ring};
use crate::semantics::elementwise::product;
use crate::semantics::extent::checked;
use crate::semantics::window::Window;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Two-dimensional convolution of `[n, c, h, w]` with weights `[m, c / groups, kh, kw]`, zero padding, no bias (bias is
/// an `add`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Conv {
    pub stride: [usize; 2],
    /// `[top, left, bottom, right]`
    pub pads: [usize; 4],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl Conv {
    /// Geometry of this convolution of `x: [n, c, h, w]` with `w: [m, c / groups, kh, kw]`.
    pub fn geom(&self, x: &[usize], w: &[usize]) -> Result<ConvGeom, TypeError> {
        let (&[n, c_in, h, width], &[c_out, per_group, kh, kw]) = (x, w) else {
            return Err(TypeError::new(format!(
                "needs [n, c, h, w] and [m, c / groups, kh, kw], got {x:?} and {w:?}"
            )));
        };
        let window = Window { kernel: [kh, kw], stride: self.stride, pads: self.pads, dilation: self.dilation };
        window.out_hw(x)?;
        let grouped = self.groups > 0
            && c_in % self.groups == 0
            && c_out % self.groups == 0
            && c_in / self.groups == per_group;
        if !grouped {
            return Err(TypeError::new(format!("{} groups do not divide {x:?} and {w:?}", self.groups)));
        }
        let &Conv { stride, pads, dilation, groups } = self;
        Ok(ConvGeom { n, c_in, h, w: width, c_out, kh, kw, stride, pads, dilation, groups })
    }

    /// The convolution of this geometry.
    #[must_use]
    pub fn of(geom: &ConvGeom) -> Conv {
        Conv { stride: geom.stride, pads: geom.pads, dilation: geom.dilation, groups: geom.groups }
    }
}

impl OpDef for Conv {
    const NAME: &'static str = "conv";

    fn arity(&self) -> Arity {
        Arity::Exactly(2)
    }

    fn facts(&self) -> Facts {
        Facts {
            needs: Needs::Product,
            movement: Movement::None,
            interval: IntervalRule::Layer,
            error: ErrorRule::Filters,
            client: ClientPart::Never,
        }
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let (x, w) = (args[0], args[1]);
        let geom = self.geom(&x.shape, &w.shape)?;
        let [oh, ow] = geom.out_hw();
        let fan_in = geom.fan_in();
        let least = if self.pads == [0; 4] { fan_in } else { 0 };
        Ok(Ty {
            shape: checked(&[geom.n, geom.c_out, oh, ow])?,
            elem: product(x, w, |p| p.summed_between(least, fan_in))?,
            owner: x.owner.join(w.owner),
        })
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(convolve(&args[0].data, &args[1].data, &self.geom(&args[0].shape, &args[1].shape)?))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(convolve_ring(&args[0].data, &args[1].data, &self.geom(&args[0].shape, &args[1].shape)?))
    }
}

//! Interval arithmetic on whole tensors: each element has its own interval, operators are their own transformers.

use picc_ir::facts::IntervalRule;
use picc_ir::op::Op;
use picc_ir::{Tensor, Ty, TypeError};

/// Element `i` lies in `[lo[i], hi[i]]`.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub lo: Tensor<f32>,
    pub hi: Tensor<f32>,
}

/// Relative widening that covers the rounding of f32 sums.
const ROUNDING: f32 = 1.0 / 4096.0;

impl Pair {
    pub fn exact(t: Tensor<f32>) -> Pair {
        Pair { lo: t.clone(), hi: t }
    }

    fn is_exact(&self) -> bool {
        self.lo.data == self.hi.data
    }

    pub fn hull(&self) -> (f32, f32) {
        let lo = self.lo.data.iter().copied().fold(f32::INFINITY, f32::min);
        let hi = self.hi.data.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let defined = !self.lo.data.iter().chain(&self.hi.data).any(|v| v.is_nan());
        if defined && lo <= hi { (lo, hi) } else { (f32::MIN, f32::MAX) }
    }

    pub fn clamp(&mut self, lo: f32, hi: f32) {
        let inside = |v: &mut f32| *v = if v.is_nan() { lo } else { v.clamp(lo, hi) };
        self.lo.data.iter_mut().for_each(inside);
        let inside = |v: &mut f32| *v = if v.is_nan() { hi } else { v.clamp(lo, hi) };
        self.hi.data.iter_mut().for_each(inside);
    }

    fn middle(&self) -> Tensor<f32> {
        zip(&self.lo, &self.hi, |a, b| a / 2.0 + b / 2.0)
    }

    fn radius(&self) -> Tensor<f32> {
        zip(&self.lo, &self.hi, |a, b| b / 2.0 - a / 2.0)
    }

    fn magnitude(&self) -> Tensor<f32> {
        zip(&self.lo, &self.hi, |a, b| a.abs().max(b.abs()))
    }
}

fn zip(a: &Tensor<f32>, b: &Tensor<f32>, f: impl Fn(f32, f32) -> f32) -> Tensor<f32> {
    Tensor { shape: a.shape.clone(), data: a.data.iter().zip(&b.data).map(|(&x, &y)| f(x, y)).collect() }
}

/// Intervals of a result from those of the arguments; `same` if both arguments are one value.
pub(super) fn image(op: &Op, args: &[&Pair], tys: &[&Ty], same: bool) -> Result<Pair, TypeError> {
    let eval = |values: &[&Tensor<f32>]| op.eval_real(values, tys);
    let pair = match op.facts().interval {
        IntervalRule::Layer => {
            let (x, w) = (args[0], args[1]);
            let (centre, spread) = match (x.is_exact(), w.is_exact()) {
                (_, true) => (eval(&[&x.middle(), &w.lo])?, eval(&[&x.radius(), &w.magnitude()])?),
                (true, _) => (eval(&[&x.lo, &w.middle()])?, eval(&[&x.magnitude(), &w.radius()])?),
                _ => {
                    let most = eval(&[&x.magnitude(), &w.magnitude()])?;
                    (most.map(|_| 0.0), most)
                }
            };
            let spread = zip(&spread, &centre, |s, c| s + (s + c.abs()) * ROUNDING);
            Pair { lo: zip(&centre, &spread, |c, s| c - s), hi: zip(&centre, &spread, |c, s| c + s) }
        }
        IntervalRule::Difference => {
            Pair { lo: eval(&[&args[0].lo, &args[1].hi])?, hi: eval(&[&args[0].hi, &args[1].lo])? }
        }
        IntervalRule::Negation => Pair { lo: eval(&[&args[0].hi])?, hi: eval(&[&args[0].lo])? },
        IntervalRule::Product => {
            let (a, b) = (args[0], args[1]);
            let ends =
                [eval(&[&a.lo, &b.lo])?, eval(&[&a.lo, &b.hi])?, eval(&[&a.hi, &b.lo])?, eval(&[&a.hi, &b.hi])?];
            let fold = |f: fn(f32, f32) -> f32| zip(&zip(&ends[0], &ends[1], f), &zip(&ends[2], &ends[3], f), f);
            let lo = if same { fold(f32::min).map(|v| v.max(0.0)) } else { fold(f32::min) };
            Pair { lo, hi: fold(f32::max) }
        }
        IntervalRule::Shrunk(factor) => {
            let factor = factor.value();
            Pair { lo: args[0].lo.map(|v| v.min(0.0) * factor), hi: args[0].hi.map(|v| v.max(0.0) * factor) }
        }
        IntervalRule::Index { axis } => {
            let index = eval(&[&args[0].lo])?;
            let most = tys[0].shape[axis].saturating_sub(1) as f32;
            Pair { lo: index.map(|_| 0.0), hi: index.map(|_| most) }
        }
        IntervalRule::Monotone => {
            let lo: Vec<&Tensor<f32>> = args.iter().map(|p| &p.lo).collect();
            let hi: Vec<&Tensor<f32>> = args.iter().map(|p| &p.hi).collect();
            Pair { lo: eval(&lo)?, hi: eval(&hi)? }
        }
        IntervalRule::Undefined => {
            return Err(TypeError::new("has no interval in the secure part of a real graph"));
        }
    };
    Ok(pair)
}

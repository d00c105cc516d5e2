//! Concatenation along `axis`; fixed point: same ring and fraction bits.

use crate::facts::{Facts, Movement};
use crate::op::{Arity, OpDef};
use crate::semantics::axes::axis_of;
use crate::semantics::elementwise::aligned;
use crate::semantics::extent::checked;
use crate::semantics::interval::Interval;
use crate::semantics::number::Number;
use crate::semantics::strided::around;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Concatenation along `axis`; fixed point: same ring and fraction bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Concat {
    pub axis: usize,
}

impl Concat {
    fn join<T: Number>(&self, args: &[&Tensor<T>]) -> Tensor<T> {
        let mut shape = args[0].shape.clone();
        shape[self.axis] = args.iter().map(|x| x.shape[self.axis]).sum();
        let [outer, ..] = around(&shape, self.axis);
        let mut data = Vec::with_capacity(shape.iter().product());
        for o in 0..outer {
            for x in args {
                let block = x.data.len() / outer;
                data.extend_from_slice(&x.data[o * block..(o + 1) * block]);
            }
        }
        Tensor::new(&shape, data)
    }
}

impl OpDef for Concat {
    const NAME: &'static str = "concat";

    fn arity(&self) -> Arity {
        Arity::AtLeast(1)
    }

    fn facts(&self) -> Facts {
        Facts::moved(Movement::Joins)
    }

    fn infer(&self, args: &[&Ty]) -> Result<Ty, TypeError> {
        let first = args[0];
        let axis = axis_of(first, self.axis)?;
        let mut ty = first.clone();
        for next in &args[1..] {
            let alike = next.shape.len() == ty.shape.len()
                && (0..ty.shape.len()).all(|i| i == axis || next.shape[i] == ty.shape[i]);
            if !alike {
                return Err(TypeError::new(format!("{first} and {next} differ beside axis {axis}")));
            }
            ty.elem = aligned(&ty, next, Interval::hull)?;
            ty.owner = ty.owner.join(next.owner);
            ty.shape[axis] = ty.shape[axis].saturating_add(next.shape[axis]);
        }
        checked(&ty.shape)?;
        Ok(ty)
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(self.join(args))
    }

    fn eval_ring(&self, args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        Ok(self.join(args))
    }
}

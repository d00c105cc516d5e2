//! A public constant, part of the program: owner `public`.

use crate::facts::Facts;
use crate::op::F32;
use crate::op::{Arity, OpDef};
use crate::semantics::extent::checked_ty;
use crate::tensor::Tensor;
use crate::ty::{Elem, Owner, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Values of a constant, row-major; one value stands for a whole tensor of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConstValue {
    Real(Vec<F32>),
    Int(Vec<i64>),
}

/// A public constant, part of the program: owner `public`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Const {
    pub ty: Ty,
    pub value: ConstValue,
}

impl Const {
    /// The value of every element, if one integer stands for all of them.
    #[must_use]
    pub fn single(&self) -> Option<i64> {
        match &self.value {
            ConstValue::Int(v) => {
                if let [one] = v[..] {
                    Some(one)
                } else {
                    None
                }
            }
            ConstValue::Real(_) => None,
        }
    }

    fn filled<T: Copy>(&self, values: Vec<T>) -> Tensor<T> {
        match values[..] {
            [one] => Tensor::full(&self.ty.shape, one),
            _ => Tensor::new(&self.ty.shape, values),
        }
    }
}

impl OpDef for Const {
    const NAME: &'static str = "const";

    fn arity(&self) -> Arity {
        Arity::Exactly(0)
    }

    fn facts(&self) -> Facts {
        Facts::source()
    }

    fn infer(&self, _args: &[&Ty]) -> Result<Ty, TypeError> {
        if self.ty.owner != Owner::Public {
            return Err(TypeError::new(format!("a constant is public, not {}", self.ty)));
        }
        let ty = checked_ty(&self.ty)?;
        let count = match (&self.value, ty.elem) {
            (ConstValue::Real(v), Elem::Real) => {
                if !v.iter().all(|v| v.value().is_finite()) {
                    return Err(TypeError::new("a constant is finite"));
                }
                v.len()
            }
            (ConstValue::Int(v), Elem::Fixed(f)) => {
                if let Some(v) = v.iter().find(|v| !(f.lo..=f.hi).contains(v)) {
                    return Err(TypeError::new(format!("{v} lies outside {ty}")));
                }
                v.len()
            }
            _ => return Err(TypeError::new(format!("values of another kind than {ty}"))),
        };
        if count != 1 && count != ty.len() {
            return Err(TypeError::new(format!("{count} values for {ty}")));
        }
        Ok(ty)
    }

    fn eval_real(&self, _args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        match &self.value {
            ConstValue::Real(v) => Ok(self.filled(v.iter().map(|v| v.value()).collect())),
            ConstValue::Int(_) => Err(TypeError::new("a fixed-point constant is not real")),
        }
    }

    fn eval_ring(&self, _args: &[&Tensor<i64>], _tys: &[&Ty]) -> Result<Tensor<i64>, TypeError> {
        match &self.value {
            ConstValue::Int(v) => Ok(self.filled(v.clone())),
            ConstValue::Real(_) => Err(TypeError::new("a real constant is in no ring")),
        }
    }
}

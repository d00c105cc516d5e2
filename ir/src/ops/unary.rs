//! An elementwise function over the reals.

use crate::facts::{ClientPart, ErrorRule, Facts, IntervalRule, Movement, Needs};
use crate::op::{Arity, OpDef};
use crate::semantics::elementwise::real;
use crate::tensor::Tensor;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Elementwise functions that only the client computes, on values that it has learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Function {
    Exp,
    Log,
    Sigmoid,
    Tanh,
    Sqrt,
    Reciprocal,
    Erf,
}

/// An elementwise function over the reals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Unary {
    pub function: Function,
}

impl Function {
    fn at(self, v: f32) -> f32 {
        match self {
            Function::Exp => v.exp(),
            Function::Log => v.ln(),
            Function::Sigmoid => 1.0 / (1.0 + (-v).exp()),
            Function::Tanh => v.tanh(),
            Function::Sqrt => v.sqrt(),
            Function::Reciprocal => 1.0 / v,
            Function::Erf => erf(v),
        }
    }
}

/// Abramowitz and Stegun, formula 7.1.26: absolute error below 1.5e-7.
fn erf(v: f32) -> f32 {
    let x = f64::from(v.abs());
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let coefficients = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let polynomial = coefficients.iter().fold(0.0, |sum, c| (sum + c) * t);
    let magnitude = (1.0 - polynomial * (-x * x).exp()) as f32;
    if v < 0.0 { -magnitude } else { magnitude }
}

impl OpDef for Unary {
    const NAME: &'static str = "unary";

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
        real(args[0]).cloned()
    }

    fn eval_real(&self, args: &[&Tensor<f32>], _tys: &[&Ty]) -> Result<Tensor<f32>, TypeError> {
        Ok(args[0].map(|&v| self.function.at(v)))
    }
}

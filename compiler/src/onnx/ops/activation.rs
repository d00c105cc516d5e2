//! Activations, as combinations of ReLU where they are piecewise linear.

use super::elementwise::absolute;
use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::{Known, Value};
use crate::onnx::node::NodeView;
use picc_ir::ops::{Div, Function};

pub fn relu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    one(importer.relu(node.input(0)?)?)
}

/// `a x + (1 - a) relu(x)`.
pub fn leaky_relu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let alpha = node.float("alpha", 0.01)?;
    let x = node.input(0)?;
    let positive = importer.relu(x)?;
    if alpha == 0.0 {
        return one(positive);
    }
    let linear = importer.scale(x, alpha)?;
    let rest = importer.scale(&positive, 1.0 - alpha)?;
    one(importer.add(&linear, &rest)?)
}

/// As LeakyRelu, with slopes that are weights.
pub fn prelu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    node.known(1, "slope")?;
    let (x, slope) = (node.input(0)?, node.input(1)?);
    let positive = importer.relu(x)?;
    let linear = importer.mul(x, slope)?;
    let one_minus = importer.neg(slope)?;
    let one_minus = importer.shift(&one_minus, 1.0)?;
    let rest = importer.mul(&positive, &one_minus)?;
    one(importer.add(&linear, &rest)?)
}

/// `Clip`; its bounds are attributes before opset 11, inputs from then on, and public either way.
pub fn clip(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (lo, hi) = if node.opset < 11 {
        // The defaults are the largest finite numbers: no bound.
        (node.optional_float("min")?, node.optional_float("max")?)
    } else {
        let bound = |k: Option<&Known>| k.map(|k| k.scalar("a bound")).transpose();
        (bound(node.optional_known(1, "min")?)?, bound(node.optional_known(2, "max")?)?)
    };
    let lo = lo.filter(|&v| v > f32::MIN);
    let hi = hi.filter(|&v| v < f32::MAX);
    one(clamp(importer, node.input(0)?, lo, hi)?)
}

/// `lo + relu(x - lo) - relu(x - hi)`; the second comparison is needed only where there is an upper bound.
pub fn clamp(importer: &mut Importer, x: &Value, lo: Option<f32>, hi: Option<f32>) -> Result<Value, Cause> {
    let invalid = lo.is_some_and(f32::is_nan) || hi.is_some_and(f32::is_nan);
    if invalid || lo.is_some_and(f32::is_infinite) || hi.is_some_and(f32::is_infinite) {
        return Err(Cause::malformed(format!("bounds {lo:?} and {hi:?}")));
    }
    match (lo, hi) {
        (None, None) => Ok(x.clone()),
        (Some(lo), None) => {
            let moved = importer.shift(x, -lo)?;
            let positive = importer.relu(&moved)?;
            importer.shift(&positive, lo)
        }
        (None, Some(hi)) => {
            let moved = importer.shift(x, -hi)?;
            let excess = importer.relu(&moved)?;
            importer.sub(x, &excess)
        }
        (Some(lo), Some(hi)) if lo >= hi => {
            // Everything is the upper bound.
            let zero = importer.scale(x, 0.0)?;
            importer.shift(&zero, hi)
        }
        (Some(lo), Some(hi)) => {
            let above = importer.shift(x, -lo)?;
            let above = importer.relu(&above)?;
            let excess = importer.shift(x, -hi)?;
            let excess = importer.relu(&excess)?;
            let between = importer.sub(&above, &excess)?;
            importer.shift(&between, lo)
        }
    }
}

/// `clip(alpha x + beta, 0, 1)`.
pub fn hard_sigmoid(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (alpha, beta) = (node.float("alpha", 0.2)?, node.float("beta", 0.5)?);
    one(linear_step(importer, node.input(0)?, alpha, beta)?)
}

fn linear_step(importer: &mut Importer, x: &Value, alpha: f32, beta: f32) -> Result<Value, Cause> {
    let scaled = importer.scale(x, alpha)?;
    let moved = importer.shift(&scaled, beta)?;
    clamp(importer, &moved, Some(0.0), Some(1.0))
}

/// `x * clip(x / 6 + 1/2, 0, 1)`: the product of two secret values.
pub fn hard_swish(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let gate = linear_step(importer, x, 1.0 / 6.0, 0.5)?;
    one(importer.mul(x, &gate)?)
}

/// `x` above alpha, otherwise 0: continuous, and therefore a ReLU, for alpha 0 only.
pub fn thresholded_relu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let alpha = node.float("alpha", 1.0)?;
    if alpha != 0.0 {
        return Err(Cause::unsupported(
            format!("it jumps at alpha = {alpha}; a secret comparison alone is not a supported operator"),
            "use Relu (alpha 0), or Shrink with bias = lambd",
        ));
    }
    one(importer.relu(node.input(0)?)?)
}

/// Soft shrinkage (bias = lambd): `relu(x - lambd) - relu(-x - lambd)`.
pub fn shrink(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let (bias, lambda) = (node.float("bias", 0.0)?, node.float("lambd", 0.5)?);
    if bias != lambda {
        return Err(Cause::unsupported(
            format!("it jumps for bias {bias} and lambd {lambda}; a secret comparison alone is not supported"),
            "use soft shrinkage: bias = lambd",
        ));
    }
    let x = node.input(0)?;
    let above = importer.shift(x, -lambda)?;
    let above = importer.relu(&above)?;
    let below = importer.neg(x)?;
    let below = importer.shift(&below, -lambda)?;
    let below = importer.relu(&below)?;
    one(importer.sub(&above, &below)?)
}

/// `positive * relu(x) + negative * (exp(min(x, 0) / width) - 1)`.
fn exponential(
    importer: &mut Importer,
    x: &Value,
    positive: f32,
    negative: f32,
    width: f32,
) -> Result<Value, Cause> {
    if width == 0.0 {
        return Err(Cause::attribute("alpha", "is 0"));
    }
    let above = importer.relu(x)?;
    let below = importer.sub(x, &above)?;
    let below = importer.scale(&below, 1.0 / width)?;
    let exp = importer.function(Function::Exp, &below)?;
    let exp = importer.shift(&exp, -1.0)?;
    let exp = importer.scale(&exp, negative)?;
    let above = importer.scale(&above, positive)?;
    importer.add(&above, &exp)
}

pub fn elu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let alpha = node.float("alpha", 1.0)?;
    one(exponential(importer, node.input(0)?, 1.0, alpha, 1.0)?)
}

pub fn celu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let alpha = node.float("alpha", 1.0)?;
    one(exponential(importer, node.input(0)?, 1.0, alpha, alpha)?)
}

pub fn selu(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let alpha = node.float("alpha", 1.673_263_2)?;
    let gamma = node.float("gamma", 1.050_701)?;
    one(exponential(importer, node.input(0)?, gamma, alpha * gamma, 1.0)?)
}

/// `log(1 + exp(x)) = relu(x) + log(1 + exp(-|x|))`: no large exponentials.
pub fn softplus(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let positive = importer.relu(x)?;
    let magnitude = absolute(importer, x)?;
    let exponent = importer.neg(&magnitude)?;
    let exp = importer.function(Function::Exp, &exponent)?;
    let sum = importer.shift(&exp, 1.0)?;
    let log = importer.function(Function::Log, &sum)?;
    one(importer.add(&positive, &log)?)
}

/// `x / (1 + |x|)`.
pub fn softsign(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let x = node.input(0)?;
    let magnitude = absolute(importer, x)?;
    let divisor = importer.shift(&magnitude, 1.0)?;
    one(importer.emit(Div {}, &[x, &divisor])?)
}

//! Normalisations whose statistics are constants, and local response normalisation.

use super::one;
use crate::onnx::error::Cause;
use crate::onnx::importer::Importer;
use crate::onnx::known::Value;
use crate::onnx::node::{NodeView, extent};
use picc_ir::op::F32;
use picc_ir::ops::{Function, Lrn};

/// `BatchNormalization` at inference: a factor and a summand for each channel, both computed now.
pub fn batch_normalization(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    node.only_first_output("of the running statistics")?;
    if node.flag("training_mode", false)? {
        return Err(Cause::unsupported("training mode", "export the model for inference: model.eval()"));
    }
    if node.opset < 9 && !node.flag("spatial", true)? {
        return Err(Cause::unsupported(
            "statistics for each position (spatial = 0)",
            "re-export with opset 9 or newer",
        ));
    }
    let x = node.input(0)?;
    let shape = importer.shape(x);
    let Some(&channels) = shape.get(1) else {
        return Err(Cause::malformed(format!("an input of shape {shape:?} has no channels")));
    };
    let mut parameters = Vec::with_capacity(4);
    for (i, what) in [(1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")] {
        node.known(i, what)?;
        let p = node.input(i)?;
        if importer.shape(p)[..] != [channels] {
            return Err(Cause::malformed(format!(
                "{what} of shape {:?} for {channels} channels",
                importer.shape(p)
            )));
        }
        parameters.push(p.clone());
    }
    let [scale, bias, mean, variance] = &parameters[..] else { return Err(Cause::malformed("parameters")) };
    let spread = importer.shift(variance, node.float("epsilon", 1e-5)?)?;
    let spread = importer.function(Function::Sqrt, &spread)?;
    let spread = importer.function(Function::Reciprocal, &spread)?;
    let factor = importer.mul(scale, &spread)?;
    let moved = importer.mul(mean, &factor)?;
    let summand = importer.sub(bias, &moved)?;
    let mut wide = vec![1; shape.len()];
    wide[1] = channels;
    let factor = importer.reshape(&factor, &wide)?;
    let summand = importer.reshape(&summand, &wide)?;
    let y = importer.mul(x, &factor)?;
    one(importer.add(&y, &summand)?)
}

/// `LRN`.
pub fn lrn(importer: &mut Importer, node: &NodeView<'_>) -> Result<Vec<Value>, Cause> {
    let op = Lrn {
        size: extent(node.optional_int("size")?.ok_or_else(|| Cause::attribute("size", "is missing"))?, "size")?,
        alpha: F32::from(node.float("alpha", 1e-4)?),
        beta: F32::from(node.float("beta", 0.75)?),
        bias: F32::from(node.float("bias", 1.0)?),
    };
    one(importer.emit(op, &[node.input(0)?])?)
}

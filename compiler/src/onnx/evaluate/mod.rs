//! Operators of known values: whatever depends on weights and constants alone is computed at import.
//!
//! ```text
//! all inputs known?  -- yes --> a row here?  -- yes --> computed here, over f64
//!        | no                     | no
//!        v                        v
//! the operator's importer    the same importer: every operator that it emits is folded
//! ```
//! So a row is needed only where an operator has no importer for secret values, or one that does less. What comes of a
//! weight stays a weight: see [`of_known`].

mod einsum;
mod elementwise;
mod norm;
mod reduce;
mod scatter;
mod select;

use super::error::Cause;
use super::importer::Importer;
use super::known::{Data, Known, Value};
use super::node::NodeView;
use super::table::Import;
use picc_ir::Tensor;
use std::sync::Arc;

#[rustfmt::skip]
const TABLE: &[(&str, Import)] = &[
    // Elementwise
    ("Sin",                       |i, n| elementwise::map(i, n, f64::sin)),
    ("Cos",                       |i, n| elementwise::map(i, n, f64::cos)),
    ("Tan",                       |i, n| elementwise::map(i, n, f64::tan)),
    ("Asin",                      |i, n| elementwise::map(i, n, f64::asin)),
    ("Acos",                      |i, n| elementwise::map(i, n, f64::acos)),
    ("Atan",                      |i, n| elementwise::map(i, n, f64::atan)),
    ("Sinh",                      |i, n| elementwise::map(i, n, f64::sinh)),
    ("Cosh",                      |i, n| elementwise::map(i, n, f64::cosh)),
    ("Asinh",                     |i, n| elementwise::map(i, n, f64::asinh)),
    ("Acosh",                     |i, n| elementwise::map(i, n, f64::acosh)),
    ("Atanh",                     |i, n| elementwise::map(i, n, f64::atanh)),
    ("Mish",                      |i, n| elementwise::map(i, n, elementwise::mish)),
    ("Swish",                     elementwise::swish),
    ("Gelu",                      elementwise::gelu),
    ("ThresholdedRelu",           elementwise::thresholded_relu),
    ("Shrink",                    elementwise::shrink),
    ("Clip",                      elementwise::clip),
    ("IsNaN",                     elementwise::is_nan),
    ("IsInf",                     elementwise::is_inf),
    ("BitwiseAnd",                |i, n| elementwise::bits(i, n, |a, b| a & b)),
    ("BitwiseOr",                 |i, n| elementwise::bits(i, n, |a, b| a | b)),
    ("BitwiseXor",                |i, n| elementwise::bits(i, n, |a, b| a ^ b)),
    ("BitwiseNot",                elementwise::bitwise_not),
    ("BitShift",                  elementwise::bit_shift),
    // Along axes
    ("ReduceSum",                 |i, n| reduce::reduce(i, n, reduce::SUM)),
    ("ReduceMean",                |i, n| reduce::reduce(i, n, reduce::MEAN)),
    ("ReduceMax",                 |i, n| reduce::reduce(i, n, reduce::MAX)),
    ("ReduceMin",                 |i, n| reduce::reduce(i, n, reduce::MIN)),
    ("ReduceProd",                |i, n| reduce::reduce(i, n, reduce::PROD)),
    ("ReduceL1",                  |i, n| reduce::reduce(i, n, reduce::L1)),
    ("ReduceL2",                  |i, n| reduce::reduce(i, n, reduce::L2)),
    ("ReduceSumSquare",           |i, n| reduce::reduce(i, n, reduce::SUM_SQUARE)),
    ("ReduceLogSum",              |i, n| reduce::reduce(i, n, reduce::LOG_SUM)),
    ("ReduceLogSumExp",           |i, n| reduce::reduce(i, n, reduce::LOG_SUM_EXP)),
    ("CumSum",                    |i, n| reduce::running(i, n, |a, b| a + b, i64::wrapping_add, 0)),
    ("CumProd",                   |i, n| reduce::running(i, n, |a, b| a * b, i64::wrapping_mul, 1)),
    ("Hardmax",                   reduce::hardmax),
    ("TopK",                      select::top_k),
    ("Einsum",                    einsum::einsum),
    // Normalisations
    ("LayerNormalization",        norm::layer),
    ("RMSNormalization",          norm::root_mean_square),
    ("InstanceNormalization",     norm::instance),
    ("GroupNormalization",        norm::group),
    ("MeanVarianceNormalization", norm::mean_variance),
    ("LpNormalization",           norm::lp),
    // Selections
    ("ScatterElements",           scatter::elements),
    ("Scatter",                   scatter::elements),
    ("ScatterND",                 scatter::nd),
    ("OneHot",                    select::one_hot),
    ("Compress",                  select::compress),
];

/// The row of an operator of the default domain.
fn find(operator: &str) -> Option<Import> {
    TABLE.iter().find(|row| row.0 == operator).map(|row| row.1)
}

/// Whether an operator can be computed of known values, if of no others.
pub(super) fn has(operator: &str) -> bool {
    find(operator).is_some()
}

/// What computes a node: the row of its operator here if all its inputs are known, otherwise `importer`.
pub(super) fn choose(
    (domain, operator): (&str, &str),
    node: &NodeView<'_>,
    importer: Result<Import, Cause>,
) -> Result<Import, Cause> {
    match find(operator) {
        Some(here) if domain.is_empty() && is_known(node) => Ok(here),
        _ => importer,
    }
}

/// Whether a node has inputs, and all are known.
fn is_known(node: &NodeView<'_>) -> bool {
    let mut inputs = node.inputs.iter().flatten().peekable();
    inputs.peek().is_some() && inputs.all(|v| matches!(v, Value::Known(_)))
}

/// Results of a node of known values. Numbers that come of the server's numbers are the server's: whatever an operator
/// says, only shapes leave its inputs.
pub(super) fn of_known(node: &NodeView<'_>, mut outputs: Vec<Value>) -> Vec<Value> {
    let secret = |v: &Value| matches!(v, Value::Known(Known { data: Data::Float(_), public: false, .. }));
    let of_shapes = matches!(node.proto.op_type.as_str(), "Shape" | "Size" | "EyeLike");
    if is_known(node) && !of_shapes && node.inputs.iter().flatten().any(secret) {
        for output in &mut outputs {
            if let Value::Known(k) = output {
                k.public = false;
            }
        }
    }
    outputs
}

/// Reals as a known tensor, public if everything that it comes of is.
fn reals(importer: &mut Importer, y: &Tensor<f64>, from: &[&Known]) -> Result<Value, Cause> {
    let public = from.iter().all(|k| k.public);
    importer.computed(Data::Float(Arc::new(y.map(|&v| v as f32))), public, from)
}

/// Integers of the type of the first of `from`, public if everything that they come of is.
fn integers(importer: &mut Importer, y: Tensor<i64>, from: &[&Known]) -> Result<Value, Cause> {
    let public = from.iter().all(|k| k.public);
    let dtype = from.first().map(|k| k.dtype);
    let y = match dtype {
        Some(dtype) => y.map(|&v| super::known::wrap(v, dtype)),
        None => y,
    };
    importer.computed(Data::Int(Arc::new(y)), public, from)
}

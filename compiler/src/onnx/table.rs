//! The table of ONNX operators: one row each. Adding an operator is a function in `ops/` and a row here.

use super::error::Cause;
use super::evaluate;
use super::importer::Importer;
use super::known::Value;
use super::node::NodeView;
use super::ops::{
    activation, constant, conv, elementwise, gather_nd, logic, matmul, movement, norm, pool, quantize,
};
use super::ops::{reduce, reshape, resize, softmax};

/// What an operator's importer is: outputs from a node with resolved inputs.
pub type Import = fn(&mut Importer, &NodeView<'_>) -> Result<Vec<Value>, Cause>;

/// Last opset of an operator that is still in the standard.
const NOW: i64 = i64::MAX;

/// Operator, first and last opset in which it means what the importer implements, importer.
#[rustfmt::skip]
const TABLE: &[(&str, i64, i64, Import)] = &[
    // Linear layers
    ("Conv",                  7, NOW, conv::conv),
    ("ConvTranspose",         7, NOW, conv::conv_transpose),
    ("Gemm",                  7, NOW, matmul::gemm),
    ("MatMul",                7, NOW, matmul::matmul),
    ("BatchNormalization",    7, NOW, norm::batch_normalization),
    ("LRN",                   7, NOW, norm::lrn),
    // Pooling
    ("MaxPool",               7, NOW, pool::max_pool),
    ("AveragePool",           7, NOW, pool::average_pool),
    ("GlobalAveragePool",     7, NOW, pool::global_average_pool),
    ("GlobalMaxPool",         7, NOW, pool::global_max_pool),
    // Arithmetic
    ("Add",                   7, NOW, elementwise::add),
    ("Sub",                   7, NOW, elementwise::sub),
    ("Mul",                   7, NOW, elementwise::mul),
    ("Div",                   7, NOW, elementwise::div),
    ("Neg",                   7, NOW, elementwise::neg),
    ("Abs",                   7, NOW, elementwise::abs),
    ("Sum",                   7, NOW, elementwise::sum),
    ("Mean",                  7, NOW, elementwise::mean),
    ("Max",                   7, NOW, elementwise::max),
    ("Min",                   7, NOW, elementwise::min),
    ("Pow",                   7, NOW, elementwise::pow),
    ("Exp",                   7, NOW, elementwise::exp),
    ("Log",                   7, NOW, elementwise::log),
    ("Sqrt",                  7, NOW, elementwise::sqrt),
    ("Reciprocal",            7, NOW, elementwise::reciprocal),
    ("Erf",                   9, NOW, elementwise::erf),
    ("Sigmoid",               7, NOW, elementwise::sigmoid),
    ("Tanh",                  7, NOW, elementwise::tanh),
    // Activations
    ("Relu",                  7, NOW, activation::relu),
    ("LeakyRelu",             7, NOW, activation::leaky_relu),
    ("PRelu",                 7, NOW, activation::prelu),
    ("Clip",                  7, NOW, activation::clip),
    ("HardSigmoid",           7, NOW, activation::hard_sigmoid),
    ("HardSwish",            14, NOW, activation::hard_swish),
    ("ThresholdedRelu",      10, NOW, activation::thresholded_relu),
    ("Shrink",                9, NOW, activation::shrink),
    ("Elu",                   7, NOW, activation::elu),
    ("Selu",                  7, NOW, activation::selu),
    ("Celu",                 12, NOW, activation::celu),
    ("Softplus",              7, NOW, activation::softplus),
    ("Softsign",              7, NOW, activation::softsign),
    ("Softmax",               7, NOW, softmax::softmax),
    ("LogSoftmax",            7, NOW, softmax::log_softmax),
    // Reductions
    ("ReduceSum",             7, NOW, reduce::sum),
    ("ReduceMean",            7, NOW, reduce::mean),
    ("ReduceMax",             7, NOW, reduce::max),
    ("ReduceMin",             7, NOW, reduce::min),
    ("ReduceL1",              7, NOW, reduce::l1),
    ("ReduceSumSquare",       7, NOW, reduce::sum_square),
    ("ArgMax",                7, NOW, reduce::arg_max),
    ("ArgMin",                7, NOW, reduce::arg_min),
    // Shapes
    ("Reshape",               7, NOW, reshape::reshape),
    ("Flatten",               7, NOW, reshape::flatten),
    ("Squeeze",               7, NOW, reshape::squeeze),
    ("Unsqueeze",             7, NOW, reshape::unsqueeze),
    ("Identity",              7, NOW, reshape::identity),
    ("Dropout",               7, NOW, reshape::dropout),
    ("Cast",                  7, NOW, reshape::cast),
    ("CastLike",             15, NOW, reshape::cast_like),
    ("Transpose",             7, NOW, movement::transpose),
    ("DepthToSpace",          7, NOW, movement::depth_to_space),
    ("SpaceToDepth",          7, NOW, movement::space_to_depth),
    ("Concat",                7, NOW, movement::concat),
    ("Slice",                 7, NOW, movement::slice),
    ("Split",                 7, NOW, movement::split),
    ("Gather",                7, NOW, movement::gather),
    ("GatherElements",       11, NOW, gather_nd::gather_elements),
    ("GatherND",             11, NOW, gather_nd::gather_nd),
    ("Expand",                8, NOW, movement::expand),
    ("Tile",                  7, NOW, movement::tile),
    ("Pad",                   7, NOW, movement::pad),
    ("Upsample",              7,   9, resize::upsample),
    ("Resize",               10, NOW, resize::resize),
    // Constants and what is computed from shapes
    ("Constant",              7, NOW, constant::constant),
    ("ConstantOfShape",       9, NOW, constant::constant_of_shape),
    ("Shape",                 7, NOW, constant::shape),
    ("Size",                  7, NOW, constant::size),
    ("Range",                11, NOW, constant::range),
    ("EyeLike",               9, NOW, constant::eye_like),
    ("Trilu",                14, NOW, constant::trilu),
    ("NonZero",               9, NOW, constant::non_zero),
    ("Equal",                 7, NOW, logic::equal),
    ("Less",                  7, NOW, logic::less),
    ("LessOrEqual",          12, NOW, logic::less_or_equal),
    ("Greater",               7, NOW, logic::greater),
    ("GreaterOrEqual",       12, NOW, logic::greater_or_equal),
    ("And",                   7, NOW, logic::and),
    ("Or",                    7, NOW, logic::or),
    ("Xor",                   7, NOW, logic::xor),
    ("Not",                   7, NOW, logic::not),
    ("Where",                 9, NOW, logic::select),
    ("Mod",                  10, NOW, logic::modulo),
    ("Floor",                 7, NOW, logic::floor),
    ("Ceil",                  7, NOW, logic::ceil),
    ("Round",                11, NOW, logic::round),
    ("Sign",                  9, NOW, logic::sign),
    // Quantized models
    ("QuantizeLinear",       10, NOW, quantize::quantize_linear),
    ("DequantizeLinear",     10, NOW, quantize::dequantize_linear),
    ("QLinearConv",          10, NOW, quantize::qlinear_conv),
    ("QLinearMatMul",        10, NOW, quantize::qlinear_matmul),
];

const NORMALISE: &str = "it divides by the spread of secret values, for which there is no protocol yet";
const FOLD_NORM: &str = "train with BatchNormalization, whose statistics are constants at inference";
const RECURRENT: &str = "recurrent layers are not supported";
const RANDOM: &str = "its result is random";
const INFERENCE: &str = "export the model for inference";
const STEP: &str = "it jumps; a secret comparison alone is not a supported operator";
const OF_CONSTANTS: &str = "it is computed of constants only, and here it depends on the model's input";
const EXPRESS: &str = "express it with operators that are supported for secret values";
const CUT: &str = "cut the node off the model and let the client compute it on the answer";

/// Operators that are known not to work: operator, whether its first output has its input's shape, why, way out.
#[rustfmt::skip]
const REFUSED: &[(&str, bool, &str, &str)] = &[
    ("LayerNormalization",        true,  NORMALISE, FOLD_NORM),
    ("RMSNormalization",          true,  NORMALISE, FOLD_NORM),
    ("InstanceNormalization",     true,  NORMALISE, FOLD_NORM),
    ("GroupNormalization",        true,  NORMALISE, FOLD_NORM),
    ("MeanVarianceNormalization", true,  NORMALISE, FOLD_NORM),
    ("LpNormalization",           true,  NORMALISE, FOLD_NORM),
    ("ReduceL2",                  false, "the square root of a secret value has no protocol yet", CUT),
    ("ReduceProd",                false, "a product of secret values along an axis is not supported", "multiply slices of it with Mul"),
    ("ReduceLogSum",              false, "the logarithm of a secret value has no protocol yet", CUT),
    ("ReduceLogSumExp",           false, "exponentials of secret values have no protocol yet", CUT),
    ("LpPool",                    false, "powers and roots of secret values have no protocol yet", "use AveragePool or MaxPool"),
    ("GlobalLpPool",              false, "powers and roots of secret values have no protocol yet", "use GlobalAveragePool"),
    ("Gelu",                      true,  "erf of a secret value has no protocol yet", "use Relu and fine-tune the model"),
    ("Mish",                      true,  "exponentials of secret values have no protocol yet", "use HardSwish or Relu and fine-tune the model"),
    ("Swish",                     true,  "exponentials of secret values have no protocol yet", "use HardSwish or Relu and fine-tune the model"),
    ("Attention",                 false, "softmax of secret values has no protocol yet", "use a convolutional model"),
    ("Hardmax",                   true,  STEP, "end the model with ArgMax"),
    ("TopK",                      false, "sorting secret values has no protocol yet", "output all scores, or use ArgMax"),
    ("NonMaxSuppression",         false, "it selects by secret values", CUT),
    ("LSTM",                      false, RECURRENT, "use a convolutional model"),
    ("GRU",                       false, RECURRENT, "use a convolutional model"),
    ("RNN",                       false, RECURRENT, "use a convolutional model"),
    ("Loop",                      false, "loops are not supported", "export with fixed shapes, so that the exporter unrolls them"),
    ("Scan",                      false, "loops are not supported", "export with fixed shapes, so that the exporter unrolls them"),
    ("RandomNormal",              false, RANDOM, INFERENCE),
    ("RandomNormalLike",          true,  RANDOM, INFERENCE),
    ("RandomUniform",             false, RANDOM, INFERENCE),
    ("RandomUniformLike",         true,  RANDOM, INFERENCE),
    ("Multinomial",               false, RANDOM, INFERENCE),
    ("Bernoulli",                 true,  RANDOM, INFERENCE),
    ("DynamicQuantizeLinear",     true,  "its scale depends on secret values", "quantize statically, with calibration data (QDQ format)"),
    ("ConvInteger",               false, "its inputs are quantized dynamically", "quantize statically, with calibration data (QDQ format)"),
    ("MatMulInteger",             false, "its inputs are quantized dynamically", "quantize statically, with calibration data (QDQ format)"),
    ("Einsum",                    false, "general tensor contractions are not supported", "write it with MatMul and Transpose"),
    ("GridSample",                false, "it reads at positions that depend on secret values", ""),
    ("MaxUnpool",                 false, "it writes at positions that depend on secret values", "use Resize with mode nearest"),
    ("Acos",                      true,  "it has no protocol", CUT),
    ("Asin",                      true,  "it has no protocol", CUT),
    ("Atan",                      true,  "it has no protocol", CUT),
    ("Cos",                       true,  "it has no protocol", CUT),
    ("Sin",                       true,  "it has no protocol", CUT),
    ("Tan",                       true,  "it has no protocol", CUT),
];

/// The importer of an operator of the default domain in an opset, or why there is none.
pub(super) fn find(domain: &str, operator: &str, opset: i64) -> Result<Import, Cause> {
    let unknown = || Cause::UnknownOperator { domain: domain.to_owned(), name: operator.to_owned() };
    if !domain.is_empty() {
        return Err(unknown());
    }
    match TABLE.iter().find(|row| row.0 == operator) {
        Some(&(_, since, until, import)) if (since..=until).contains(&opset) => Ok(import),
        Some(&(_, since, until, _)) => Err(Cause::Opset { since, until, found: opset }),
        None => {
            let of_constants = || evaluate::has(operator).then_some((OF_CONSTANTS, EXPRESS));
            let refused = refusal(operator).or_else(of_constants);
            Err(refused.map_or_else(unknown, |(why, way_out)| Cause::Refused { why, way_out }))
        }
    }
}

/// Whether a refused operator leaves the shape of its input as it is.
pub(super) fn keeps_shape(operator: &str) -> bool {
    REFUSED.iter().any(|row| row.0 == operator && row.1)
}

/// Whether an operator of one value moves elements, or picks the largest: it works on integers as on what they mean.
pub(super) fn moves(operator: &str) -> bool {
    matches!(
        operator,
        "Reshape"
            | "Flatten"
            | "Squeeze"
            | "Unsqueeze"
            | "Identity"
            | "Transpose"
            | "Slice"
            | "Split"
            | "Gather"
            | "GatherElements"
            | "GatherND"
            | "DepthToSpace"
            | "SpaceToDepth"
            | "Expand"
            | "Tile"
            | "MaxPool"
            | "GlobalMaxPool"
            | "ReduceMax"
            | "Shape"
            | "Size"
            | "Resize"
            | "Upsample"
    )
}

/// Whether an operator of the default domain has an importer in some opset.
#[must_use]
pub fn is_supported(operator: &str) -> bool {
    operator == "If" || TABLE.iter().any(|row| row.0 == operator)
}

/// Why an operator is known not to work, and the way out.
#[must_use]
pub fn refusal(operator: &str) -> Option<(&'static str, &'static str)> {
    REFUSED.iter().find(|row| row.0 == operator).map(|row| (row.2, row.3))
}

/// Names of all operators that have an importer.
pub fn supported_operators() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0)
}

//! Weights: real-valued as imported, integers as compiled. The compiled ones are `model.piw`, a safetensors file
//! that names the digest of the program it belongs to.

use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// Weights of an imported model, by name.
pub type RealWeights = BTreeMap<String, Tensor<f32>>;

/// Quantized weights, by the name of their `weight` node.
pub type RingWeights = BTreeMap<String, Tensor<i64>>;

//! Importers of the operators, by concept. Each takes a node with resolved inputs and returns its outputs.

pub mod activation;
pub mod constant;
pub mod conv;
pub mod elementwise;
pub mod gather_nd;
pub mod logic;
pub mod matmul;
pub mod movement;
pub mod norm;
pub mod pool;
pub mod quantize;
pub mod reduce;
pub mod reshape;
pub mod resize;
pub mod softmax;
mod window;

use super::error::Cause;
use super::known::Value;

/// The outputs of a node that has one.
fn one(value: Value) -> Result<Vec<Value>, Cause> {
    Ok(vec![value])
}

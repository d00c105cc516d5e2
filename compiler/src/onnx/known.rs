//! Values of a model during import: known at import, or computed by the graph.

use super::error::Cause;
use onnx_protobuf::tensor_proto::DataType;
use picc_ir::{Id, Shape, Tensor};
use std::sync::Arc;

/// Elements of a known tensor.
#[derive(Clone, Debug)]
pub enum Data {
    /// `FLOAT`, `DOUBLE`, `FLOAT16` and `BFLOAT16`.
    Float(Arc<Tensor<f32>>),
    /// All integers, and `BOOL` as 0 and 1. Unsigned 64-bit values are held by their bits.
    Int(Arc<Tensor<i64>>),
}

/// A tensor whose values the importer knows.
#[derive(Clone, Debug)]
pub struct Known {
    pub data: Data,
    pub dtype: DataType,
    /// Not part of the trained model: an attribute, a literal in the graph, or derived from shapes.
    /// Anything else becomes a weight, which only the server knows.
    pub public: bool,
    /// Where it came from; the name of the weight that it may become.
    pub name: String,
}

impl Known {
    /// A floating-point tensor.
    #[must_use]
    pub fn float(tensor: Tensor<f32>, public: bool, name: &str) -> Known {
        Known { data: Data::Float(Arc::new(tensor)), dtype: DataType::FLOAT, public, name: name.to_owned() }
    }

    /// An integer tensor (INT64), public: integers are structure.
    #[must_use]
    pub fn int(tensor: Tensor<i64>) -> Known {
        Known { data: Data::Int(Arc::new(tensor)), dtype: DataType::INT64, public: true, name: String::new() }
    }

    /// A vector of integers.
    #[must_use]
    pub fn ints(values: Vec<i64>) -> Known {
        Known::int(Tensor { shape: Shape::from_slice(&[values.len()]), data: values })
    }

    #[must_use]
    pub fn shape(&self) -> &Shape {
        match &self.data {
            Data::Float(t) => &t.shape,
            Data::Int(t) => &t.shape,
        }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Float(t) => t.data.len(),
            Data::Int(t) => t.data.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as reals; integers are converted.
    #[must_use]
    pub fn to_float(&self) -> Arc<Tensor<f32>> {
        match &self.data {
            Data::Float(t) => t.clone(),
            Data::Int(t) => Arc::new(t.map(|&v| v as f32)),
        }
    }

    /// The elements as reals, for computing with them.
    #[must_use]
    pub fn to_real(&self) -> Tensor<f64> {
        match &self.data {
            Data::Float(t) => t.map(|&v| f64::from(v)),
            Data::Int(t) => t.map(|&v| v as f64),
        }
    }

    /// The integers, or why there are none.
    pub fn to_ints(&self) -> Result<&Tensor<i64>, Cause> {
        match &self.data {
            Data::Int(t) => Ok(t),
            Data::Float(_) => Err(Cause::malformed(format!("`{}` holds floats where integers belong", self.name))),
        }
    }

    /// The only element as a real.
    pub fn scalar(&self, what: &str) -> Result<f32, Cause> {
        match &self.to_float().data[..] {
            &[v] => Ok(v),
            other => Err(Cause::malformed(format!("{what} has {} elements instead of one", other.len()))),
        }
    }
}

/// What a name of the ONNX graph stands for.
#[derive(Clone, Debug)]
pub enum Value {
    Known(Known),
    /// Computed from the client's input.
    Node(Id),
    /// Computed from the client's input and quantized: the node holds the real values that it stands for.
    Quantized(Id, Arc<Quantization>),
    /// The result of something that could not be imported; its shape, if it is known.
    Poison,
}

/// How integers stand for reals: `(q - zero_point) * scale`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantization {
    pub scale: Tensor<f32>,
    pub zero_point: Tensor<f32>,
    pub axis: i64,
}

/// The value as an integer of another width.
#[must_use]
pub fn wrap(v: i64, to: DataType) -> i64 {
    match to {
        DataType::BOOL => i64::from(v != 0),
        DataType::UINT4 => v & 15,
        DataType::INT4 => v << 60 >> 60,
        DataType::INT8 => i64::from(v as i8),
        DataType::UINT8 => i64::from(v as u8),
        DataType::INT16 => i64::from(v as i16),
        DataType::UINT16 => i64::from(v as u16),
        DataType::INT32 => i64::from(v as i32),
        DataType::UINT32 => i64::from(v as u32),
        _ => v,
    }
}

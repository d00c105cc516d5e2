//! The protobuf messages of a model file.

use super::{ExportError, OPSET};
use onnx_protobuf::attribute_proto::AttributeType;
use onnx_protobuf::tensor_proto::DataType;
use onnx_protobuf::tensor_shape_proto::{Dimension, dimension};
use onnx_protobuf::{
    AttributeProto, GraphProto, Message, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, type_proto,
};
use protobuf::MessageField;

/// A vector of 64-bit integers.
pub(super) struct Integers<'a> {
    pub name: &'a str,
    pub values: &'a [i64],
}

/// An extent or an index as ONNX has it. Extents are far below 2^63.
pub(super) fn int(v: usize) -> i64 {
    i64::try_from(v).unwrap_or(i64::MAX)
}

pub(super) fn ints(v: &[usize]) -> Vec<i64> {
    v.iter().copied().map(int).collect()
}

/// A graph under construction.
#[derive(Default)]
pub(super) struct File {
    graph: GraphProto,
}

impl File {
    pub fn input(&mut self, name: &str, shape: &[usize]) {
        self.graph.input.push(described(name, shape, DataType::FLOAT));
    }

    pub fn output(&mut self, name: &str, shape: &[usize], integer: bool) {
        let kind = if integer { DataType::INT64 } else { DataType::FLOAT };
        self.graph.output.push(described(name, shape, kind));
    }

    pub fn floats(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        self.graph.initializer.push(tensor(name, shape, data));
    }

    pub fn integers(&mut self, v: &Integers) {
        self.graph.initializer.push(TensorProto {
            name: v.name.to_owned(),
            dims: vec![int(v.values.len())],
            data_type: DataType::INT64 as i32,
            raw_data: v.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
    }

    pub fn constant(&mut self, output: &str, name: &str, shape: &[usize], data: &[f32]) {
        self.node("Constant", &[], output, name);
        self.attribute("value", AttributeType::TENSOR, |a| a.t = MessageField::some(tensor("", shape, data)));
    }

    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, name: &str) {
        self.graph.node.push(NodeProto {
            op_type: operator.to_owned(),
            name: name.to_owned(),
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..NodeProto::default()
        });
    }

    /// An attribute of the last node.
    fn attribute(&mut self, name: &str, kind: AttributeType, set: impl FnOnce(&mut AttributeProto)) {
        let mut attribute =
            AttributeProto { name: name.to_owned(), type_: kind.into(), ..AttributeProto::default() };
        set(&mut attribute);
        if let Some(node) = self.graph.node.last_mut() {
            node.attribute.push(attribute);
        }
    }

    pub fn int(&mut self, name: &str, v: i64) {
        self.attribute(name, AttributeType::INT, |a| a.i = v);
    }

    pub fn ints(&mut self, name: &str, v: Vec<i64>) {
        self.attribute(name, AttributeType::INTS, |a| a.ints = v);
    }

    pub fn float(&mut self, name: &str, v: f32) {
        self.attribute(name, AttributeType::FLOAT, |a| a.f = v);
    }

    pub fn bytes(mut self, model: &str) -> Result<Vec<u8>, ExportError> {
        self.graph.name = model.to_owned();
        let import = OperatorSetIdProto { version: OPSET, ..OperatorSetIdProto::default() };
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![import],
            producer_name: "picc".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: MessageField::some(self.graph),
            ..ModelProto::default()
        };
        model.write_to_bytes().map_err(|e| ExportError::Write(e.to_string()))
    }
}

fn tensor(name: &str, shape: &[usize], data: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: ints(shape),
        data_type: DataType::FLOAT as i32,
        raw_data: data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

fn described(name: &str, shape: &[usize], kind: DataType) -> ValueInfoProto {
    let dim = |d: &usize| Dimension { value: Some(dimension::Value::DimValue(int(*d))), ..Dimension::default() };
    let shape = TensorShapeProto { dim: shape.iter().map(dim).collect(), ..TensorShapeProto::default() };
    let tensor = type_proto::Tensor {
        elem_type: kind as i32,
        shape: MessageField::some(shape),
        ..type_proto::Tensor::default()
    };
    let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), type_: MessageField::some(ty), ..ValueInfoProto::default() }
}

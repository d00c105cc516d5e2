//! Small ONNX models, written as one reads them. Attributes belong to the node before them.
#![allow(dead_code, reason = "each test file uses a part")]

use onnx_protobuf::attribute_proto::AttributeType;
use onnx_protobuf::tensor_proto::{DataLocation, DataType};
use onnx_protobuf::tensor_shape_proto::{Dimension, dimension};
use onnx_protobuf::{
    AttributeProto, FunctionProto, GraphProto, Message, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};
use protobuf::MessageField;

pub struct Builder {
    pub model: ModelProto,
}

impl Builder {
    /// An empty model of an opset.
    pub fn new(opset: i64) -> Builder {
        let import = OperatorSetIdProto { version: opset, ..OperatorSetIdProto::default() };
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![import],
            graph: MessageField::some(GraphProto::default()),
            ..ModelProto::default()
        };
        Builder { model }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.model.write_to_bytes().unwrap()
    }

    fn graph(&mut self) -> &mut GraphProto {
        self.model.graph.mut_or_insert_default()
    }

    /// A float input of this shape.
    pub fn input(self, name: &str, shape: &[i64]) -> Builder {
        let shape: Vec<Option<i64>> = shape.iter().map(|&d| Some(d)).collect();
        self.free_input(name, &shape)
    }

    /// An input with free axes.
    pub fn free_input(mut self, name: &str, shape: &[Option<i64>]) -> Builder {
        let dim = |d: &Option<i64>| Dimension {
            value: Some(match d {
                Some(d) => dimension::Value::DimValue(*d),
                None => dimension::Value::DimParam("N".to_owned()),
            }),
            ..Dimension::default()
        };
        let shape = TensorShapeProto { dim: shape.iter().map(dim).collect(), ..TensorShapeProto::default() };
        let tensor = type_proto::Tensor {
            elem_type: DataType::FLOAT as i32,
            shape: MessageField::some(shape),
            ..type_proto::Tensor::default()
        };
        let ty = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        let type_ = MessageField::some(ty);
        self.graph().input.push(ValueInfoProto { name: name.to_owned(), type_, ..ValueInfoProto::default() });
        self
    }

    pub fn output(mut self, name: &str) -> Builder {
        self.graph().output.push(ValueInfoProto { name: name.to_owned(), ..ValueInfoProto::default() });
        self
    }

    /// A float initializer.
    pub fn weight(mut self, name: &str, shape: &[i64], data: &[f32]) -> Builder {
        self.graph().initializer.push(floats(name, shape, data));
        self
    }

    /// A vector of 64-bit integers.
    pub fn integers(mut self, name: &str, data: &[i64]) -> Builder {
        self.graph().initializer.push(TensorProto {
            name: name.to_owned(),
            dims: vec![data.len() as i64],
            data_type: DataType::INT64 as i32,
            int64_data: data.to_vec(),
            ..TensorProto::default()
        });
        self
    }

    /// A scalar (one value) or vector of 8-bit integers.
    pub fn bytes_tensor(mut self, name: &str, dtype: DataType, data: &[u8]) -> Builder {
        self.graph().initializer.push(TensorProto {
            name: name.to_owned(),
            dims: if data.len() == 1 { Vec::new() } else { vec![data.len() as i64] },
            data_type: dtype as i32,
            raw_data: data.to_vec(),
            ..TensorProto::default()
        });
        self
    }

    /// Floats that lie in another file from `offset` on.
    pub fn external(mut self, name: &str, shape: &[i64], location: &str, offset: usize) -> Builder {
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: key.to_owned(),
            value,
            ..StringStringEntryProto::default()
        };
        let external_data = vec![entry("location", location.to_owned()), entry("offset", offset.to_string())];
        self.graph().initializer.push(TensorProto {
            name: name.to_owned(),
            dims: shape.to_vec(),
            data_type: DataType::FLOAT as i32,
            data_location: DataLocation::EXTERNAL.into(),
            external_data,
            ..TensorProto::default()
        });
        self
    }

    /// A `Constant` node of floats.
    pub fn constant(self, name: &str, shape: &[i64], data: &[f32]) -> Builder {
        let value = MessageField::some(floats("", shape, data));
        self.node("Constant", &[], &[name]).attribute("value", AttributeType::TENSOR, |a| a.t = value)
    }

    pub fn node(mut self, operator: &str, inputs: &[&str], outputs: &[&str]) -> Builder {
        self.graph().node.push(node(operator, inputs, outputs));
        self
    }

    /// A node in front of the last one.
    pub fn before(mut self, operator: &str, inputs: &[&str], outputs: &[&str]) -> Builder {
        let nodes = &mut self.graph().node;
        nodes.insert(nodes.len() - 1, node(operator, inputs, outputs));
        self
    }

    fn last(&mut self) -> &mut NodeProto {
        self.graph().node.last_mut().unwrap()
    }

    pub fn domain(mut self, domain: &str) -> Builder {
        self.last().domain = domain.to_owned();
        self
    }

    fn attribute(mut self, name: &str, kind: AttributeType, set: impl FnOnce(&mut AttributeProto)) -> Builder {
        let mut attribute =
            AttributeProto { name: name.to_owned(), type_: kind.into(), ..AttributeProto::default() };
        set(&mut attribute);
        self.last().attribute.push(attribute);
        self
    }

    pub fn int(self, name: &str, v: i64) -> Builder {
        self.attribute(name, AttributeType::INT, |a| a.i = v)
    }

    pub fn ints(self, name: &str, v: &[i64]) -> Builder {
        self.attribute(name, AttributeType::INTS, |a| a.ints = v.to_vec())
    }

    pub fn float(self, name: &str, v: f32) -> Builder {
        self.attribute(name, AttributeType::FLOAT, |a| a.f = v)
    }

    pub fn floats(self, name: &str, v: &[f32]) -> Builder {
        self.attribute(name, AttributeType::FLOATS, |a| a.floats = v.to_vec())
    }

    pub fn string(self, name: &str, v: &str) -> Builder {
        self.attribute(name, AttributeType::STRING, |a| a.s = v.as_bytes().to_vec())
    }

    /// A subgraph of one node, whose output is `out`.
    pub fn branch(self, name: &str, operator: &str, inputs: &[&str]) -> Builder {
        let graph = GraphProto {
            node: vec![node(operator, inputs, &["out"])],
            output: vec![ValueInfoProto { name: "out".to_owned(), ..ValueInfoProto::default() }],
            ..GraphProto::default()
        };
        self.attribute(name, AttributeType::GRAPH, |a| a.g = MessageField::some(graph))
    }

    /// A function of the domain `local`: nodes of one output each.
    pub fn function(
        mut self,
        name: &str,
        inputs: &[&str],
        outputs: &[&str],
        nodes: &[(&str, &[&str], &str)],
    ) -> Builder {
        let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
        let body = |&(operator, inputs, output): &(&str, &[&str], &str)| {
            let mut body = node(operator, inputs, &[output]);
            if operator == name {
                body.domain = "local".to_owned();
            }
            body
        };
        self.model.functions.push(FunctionProto {
            name: name.to_owned(),
            domain: "local".to_owned(),
            input: owned(inputs),
            output: owned(outputs),
            node: nodes.iter().map(body).collect(),
            ..FunctionProto::default()
        });
        self
    }
}

fn floats(name: &str, shape: &[i64], data: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: shape.to_vec(),
        data_type: DataType::FLOAT as i32,
        float_data: data.to_vec(),
        ..TensorProto::default()
    }
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        input: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: outputs.iter().map(|&o| o.to_owned()).collect(),
        ..NodeProto::default()
    }
}

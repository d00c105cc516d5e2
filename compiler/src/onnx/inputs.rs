//! Inputs of a model: their shapes, as the model states them and as the user wants them.

use super::error::ImportError;
use super::node::MAX_EXTENT;
use onnx_protobuf::tensor_shape_proto::dimension;
use onnx_protobuf::{ValueInfoProto, type_proto};
use picc_ir::Shape;
use std::str::FromStr;

/// A shape that the user chose: `1x3x224x224` for the only input, `name:1x3x224x224` for one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputShape {
    pub name: Option<String>,
    pub shape: Vec<usize>,
}

/// Why text is no input shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no shape; write 1x3x224x224, or name:1x3x224x224 for one of several inputs")]
pub struct ParseInputShapeError(String);

impl FromStr for InputShape {
    type Err = ParseInputShapeError;

    fn from_str(text: &str) -> Result<InputShape, ParseInputShapeError> {
        // Names may hold colons (`x:0`): the last one separates the shape.
        let (name, dims) = match text.rsplit_once(':') {
            Some((name, dims)) => (Some(name.to_owned()), dims),
            None => (None, text),
        };
        let dim = |d: &str| d.parse::<usize>().ok().filter(|&d| d > 0 && d as u64 <= MAX_EXTENT as u64);
        let shape: Option<Vec<usize>> = dims.split('x').map(dim).collect();
        shape.map(|shape| InputShape { name, shape }).ok_or_else(|| ParseInputShapeError(text.to_owned()))
    }
}

/// Extents that a model states; `None` for a free one. `None` altogether if it says nothing.
pub(super) fn stated(info: &ValueInfoProto) -> Option<Vec<Option<usize>>> {
    let Some(type_proto::Value::TensorType(tensor)) = info.type_.as_ref()?.value.as_ref() else { return None };
    let dims = &tensor.shape.as_ref()?.dim;
    Some(
        dims.iter()
            .map(|d| match d.value {
                Some(dimension::Value::DimValue(v)) if v > 0 && v <= MAX_EXTENT => usize::try_from(v).ok(),
                _ => None,
            })
            .collect(),
    )
}

/// Element type that a model states for a value.
pub(super) fn element_type(info: &ValueInfoProto) -> Option<i32> {
    match info.type_.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(tensor) => Some(tensor.elem_type),
        _ => None,
    }
}

/// The shape of an input: the user's if there is one, otherwise the model's with a free batch axis set to one.
pub(super) fn resolve(info: &ValueInfoProto, only: bool, wanted: &[InputShape]) -> Result<Shape, ImportError> {
    let named = |w: &&InputShape| w.name.as_deref() == Some(&info.name) || (only && w.name.is_none());
    if let Some(w) = wanted.iter().find(named) {
        return Ok(Shape::from_slice(&w.shape));
    }
    let error = |problem: String| ImportError::Input {
        name: info.name.clone(),
        problem,
        way_out: "give its shape: --input-shape 1x3x224x224, or --input-shape name:1x3x224x224",
    };
    let stated = stated(info).ok_or_else(|| error("the model does not state its shape".to_owned()))?;
    let fixed = stated.iter().enumerate().map(|(axis, d)| match (axis, d) {
        (_, &Some(d)) => Ok(d),
        (0, None) => Ok(1),
        (axis, None) => Err(error(format!("axis {axis} is free"))),
    });
    fixed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_shapes_are_read_with_and_without_a_name() {
        let read = |text: &str| text.parse::<InputShape>();
        assert_eq!(read("1x3x8x8").unwrap(), InputShape { name: None, shape: vec![1, 3, 8, 8] });
        assert_eq!(read("x:0:2x5").unwrap(), InputShape { name: Some("x:0".into()), shape: vec![2, 5] });
        for bad in ["", "1x", "1x0", "axb", "1,3", "x:", "1x99999999999999"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

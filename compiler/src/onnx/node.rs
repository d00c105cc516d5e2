//! One ONNX node as its importer sees it: inputs already resolved, attributes by name.

use super::error::Cause;
use super::known::{Known, Value};
use onnx_protobuf::attribute_proto::AttributeType;
use onnx_protobuf::{AttributeProto, NodeProto, TensorProto};

/// Extents, pads and strides beyond this are refused: no real model has them, and products of two cannot overflow.
pub const MAX_EXTENT: i64 = 1 << 28;

/// A node with resolved inputs.
pub struct NodeView<'m> {
    pub proto: &'m NodeProto,
    pub opset: i64,
    /// Inputs in order; `None` where the model leaves an optional one out.
    pub inputs: Vec<Option<Value>>,
    /// Which outputs are used by anything.
    pub used: Vec<bool>,
}

impl<'m> NodeView<'m> {
    /// A required input.
    pub fn input(&self, index: usize) -> Result<&Value, Cause> {
        self.optional(index).ok_or(Cause::MissingInput(index))
    }

    #[must_use]
    pub fn optional(&self, index: usize) -> Option<&Value> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// A required input that must be known at import.
    pub fn known(&self, index: usize, what: &'static str) -> Result<&Known, Cause> {
        self.optional_known(index, what)?.ok_or(Cause::MissingInput(index))
    }

    /// An optional input that must be known at import if it is there.
    pub fn optional_known(&self, index: usize, what: &'static str) -> Result<Option<&Known>, Cause> {
        match self.optional(index) {
            None => Ok(None),
            Some(Value::Known(k)) => Ok(Some(k)),
            Some(_) => Err(Cause::NotConstant { index, what }),
        }
    }

    /// An optional vector of integers.
    pub fn optional_ints(&self, index: usize, what: &'static str) -> Result<Option<Vec<i64>>, Cause> {
        match self.optional_known(index, what)? {
            Some(k) => Ok(Some(k.to_ints()?.data.clone())),
            None => Ok(None),
        }
    }

    /// Integers that are an attribute before opset `moved`, an input from then on.
    pub fn ints_moved(&self, name: &'static str, moved: i64, index: usize) -> Result<Option<Vec<i64>>, Cause> {
        if self.opset < moved { self.ints(name) } else { self.optional_ints(index, name) }
    }

    /// Refuses the use of an output that is not computed.
    pub fn only_first_output(&self, what: &'static str) -> Result<(), Cause> {
        match self.used.iter().skip(1).any(|&u| u) {
            true => Err(Cause::unsupported(format!("the output {what} is used"), "")),
            false => Ok(()),
        }
    }

    fn attribute(&self, name: &str, kind: AttributeType) -> Result<Option<&'m AttributeProto>, Cause> {
        let Some(attribute) = self.proto.attribute.iter().find(|a| a.name == name) else { return Ok(None) };
        if !attribute.ref_attr_name.is_empty() {
            return Err(Cause::attribute(name, "refers to an attribute of a function"));
        }
        match attribute.type_.enum_value_or_default() {
            AttributeType::UNDEFINED => Ok(Some(attribute)),
            found if found == kind => Ok(Some(attribute)),
            found => Err(Cause::attribute(name, format!("has type {found:?} instead of {kind:?}"))),
        }
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.proto.attribute.iter().any(|a| a.name == name)
    }

    pub fn optional_int(&self, name: &str) -> Result<Option<i64>, Cause> {
        Ok(self.attribute(name, AttributeType::INT)?.map(|a| a.i))
    }

    pub fn int(&self, name: &str, default: i64) -> Result<i64, Cause> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    /// A flag: an integer that is zero or not.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Cause> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    pub fn optional_float(&self, name: &str) -> Result<Option<f32>, Cause> {
        match self.attribute(name, AttributeType::FLOAT)?.map(|a| a.f) {
            Some(v) if !v.is_finite() => Err(Cause::attribute(name, "is not finite")),
            v => Ok(v),
        }
    }

    pub fn float(&self, name: &str, default: f32) -> Result<f32, Cause> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>, Cause> {
        Ok(self.attribute(name, AttributeType::INTS)?.map(|a| a.ints.clone()))
    }

    pub fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, Cause> {
        Ok(self.attribute(name, AttributeType::FLOATS)?.map(|a| a.floats.clone()))
    }

    pub fn tensor(&self, name: &str) -> Result<Option<&'m TensorProto>, Cause> {
        Ok(self.attribute(name, AttributeType::TENSOR)?.and_then(|a| a.t.as_ref()))
    }

    pub fn string(&self, name: &str, default: &str) -> Result<String, Cause> {
        match self.attribute(name, AttributeType::STRING)? {
            None => Ok(default.to_owned()),
            Some(a) => String::from_utf8(a.s.clone()).map_err(|_| Cause::attribute(name, "is not text")),
        }
    }
}

/// The axis counted from the front; negative ones count from the end.
pub fn axis(axis: i64, rank: usize) -> Result<usize, Cause> {
    let r = i64::try_from(rank).unwrap_or(i64::MAX);
    let front = if axis < 0 { axis.saturating_add(r) } else { axis };
    if (0..r).contains(&front) {
        usize::try_from(front).map_err(|_| Cause::malformed("axis"))
    } else {
        Err(Cause::malformed(format!("axis {axis} of a value with {rank} axes")))
    }
}

/// Distinct axes counted from the front, in increasing order.
pub fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, Cause> {
    let mut found = list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    found.sort_unstable();
    match found.windows(2).any(|w| w[0] == w[1]) {
        true => Err(Cause::malformed(format!("axes {list:?} name one twice"))),
        false => Ok(found),
    }
}

/// A number of elements: not negative, not absurd.
pub fn extent(v: i64, what: &str) -> Result<usize, Cause> {
    match usize::try_from(v) {
        Ok(u) if v <= MAX_EXTENT => Ok(u),
        _ => Err(Cause::malformed(format!("{what} {v} is not within 0 and {MAX_EXTENT}"))),
    }
}

/// Several of them.
pub fn extents(list: &[i64], what: &str) -> Result<Vec<usize>, Cause> {
    list.iter().map(|&v| extent(v, what)).collect()
}

//! The operators that importers combine most, by name; what changes nothing is no node.

use super::error::Cause;
use super::importer::{Importer, empty_like};
use super::known::{Known, Value};
use picc_ir::ops::{Add, Expand, Function, Max, Mul, Neg, Relu, Reshape, Slice, Sub, Transpose, Unary};
use picc_ir::{Shape, Tensor};

impl Importer {
    /// A public scalar.
    #[must_use]
    pub fn scalar(&self, v: f32) -> Value {
        Value::Known(Known::float(Tensor { shape: Shape::new(), data: vec![v] }, true, ""))
    }

    pub fn add(&mut self, a: &Value, b: &Value) -> Result<Value, Cause> {
        self.emit(Add {}, &[a, b])
    }

    pub fn sub(&mut self, a: &Value, b: &Value) -> Result<Value, Cause> {
        self.emit(Sub {}, &[a, b])
    }

    pub fn mul(&mut self, a: &Value, b: &Value) -> Result<Value, Cause> {
        self.emit(Mul {}, &[a, b])
    }

    pub fn max(&mut self, a: &Value, b: &Value) -> Result<Value, Cause> {
        self.emit(Max {}, &[a, b])
    }

    pub fn neg(&mut self, a: &Value) -> Result<Value, Cause> {
        self.emit(Neg {}, &[a])
    }

    pub fn relu(&mut self, a: &Value) -> Result<Value, Cause> {
        self.emit(Relu {}, &[a])
    }

    pub fn function(&mut self, function: Function, a: &Value) -> Result<Value, Cause> {
        self.emit(Unary { function }, &[a])
    }

    /// Times a public number; times one is the value itself.
    pub fn scale(&mut self, a: &Value, factor: f32) -> Result<Value, Cause> {
        if factor == 1.0 {
            return Ok(a.clone());
        }
        let factor = self.scalar(factor);
        self.mul(a, &factor)
    }

    /// Plus a public number; plus zero is the value itself.
    pub fn shift(&mut self, a: &Value, offset: f32) -> Result<Value, Cause> {
        if offset == 0.0 {
            return Ok(a.clone());
        }
        let offset = self.scalar(offset);
        self.add(a, &offset)
    }

    pub fn reshape(&mut self, a: &Value, shape: &[usize]) -> Result<Value, Cause> {
        if self.shape(a)[..] == *shape {
            return Ok(a.clone());
        }
        if let Value::Known(k) = a
            && k.is_empty()
        {
            return Ok(Value::Known(empty_like(k, shape)?));
        }
        self.keep_integer(a, Reshape { shape: shape.to_vec() })
    }

    pub fn transpose(&mut self, a: &Value, perm: Vec<usize>) -> Result<Value, Cause> {
        if perm.iter().enumerate().all(|(i, &p)| i == p) {
            return Ok(a.clone());
        }
        self.keep_integer(a, Transpose { perm })
    }

    pub fn expand(&mut self, a: &Value, shape: &[usize]) -> Result<Value, Cause> {
        if self.shape(a)[..] == *shape {
            return Ok(a.clone());
        }
        self.keep_integer(a, Expand { shape: shape.to_vec() })
    }

    /// `size` elements from `start` along one axis.
    pub fn slice_axis(&mut self, a: &Value, axis: usize, start: usize, size: usize) -> Result<Value, Cause> {
        let shape = self.shape(a);
        if start == 0 && size == shape[axis] {
            return Ok(a.clone());
        }
        let mut op = Slice { start: vec![0; shape.len()], size: shape.to_vec(), step: vec![1; shape.len()] };
        op.start[axis] = start;
        op.size[axis] = size;
        self.keep_integer(a, op)
    }
}

//! Dense tensors in row-major order, for the reference interpreter and for weights.

use crate::ty::Shape;
use smallvec::SmallVec;

/// Row-major values. `data.len()` is the product of `shape`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Tensor<T> {
    pub shape: Shape,
    pub data: Vec<T>,
}

impl<T: Clone> Tensor<T> {
    /// # Panics
    /// If the number of values is not the product of the shape (a caller's bug).
    #[must_use]
    pub fn new(shape: &[usize], data: Vec<T>) -> Tensor<T> {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "tensor of shape {shape:?}");
        Tensor { shape: Shape::from_slice(shape), data }
    }

    #[must_use]
    pub fn full(shape: &[usize], value: T) -> Tensor<T> {
        Tensor { shape: Shape::from_slice(shape), data: vec![value; shape.iter().product()] }
    }

    #[must_use]
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Tensor<U> {
        Tensor { shape: self.shape.clone(), data: self.data.iter().map(f).collect() }
    }
}

/// Distance in elements between neighbours along each axis.
#[must_use]
pub fn strides(shape: &[usize]) -> SmallVec<[usize; 4]> {
    let mut s: SmallVec<[usize; 4]> = SmallVec::from_elem(1, shape.len());
    for i in (0..shape.len().saturating_sub(1)).rev() {
        s[i] = s[i + 1] * shape[i + 1];
    }
    s
}

/// Shape that both broadcast to (numpy's rule), if there is one.
#[must_use]
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Shape> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| if i + s.len() >= rank { s[i + s.len() - rank] } else { 1 };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

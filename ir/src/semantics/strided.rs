//! Walks through row-major tensors: every data movement is a walk with a stride for each axis.

use crate::semantics::number::Number;
use crate::tensor::{Tensor, broadcast, strides};
use crate::ty::TypeError;
use smallvec::{SmallVec, smallvec};

pub(crate) type Strides = SmallVec<[isize; 4]>;

/// Row-major strides, signed.
pub(crate) fn signed_strides(shape: &[usize]) -> Strides {
    strides(shape).iter().map(|&s| s as isize).collect()
}

/// Strides that walk a tensor of shape `from` as if it were broadcast to `to`: 0 along repeated axes.
pub(crate) fn broadcast_strides(from: &[usize], to: &[usize]) -> Strides {
    let own = signed_strides(from);
    let lead = to.len() - from.len();
    let stride = |i: usize| if i < lead || from[i - lead] != to[i] { 0 } else { own[i - lead] };
    (0..to.len()).map(stride).collect()
}

/// Calls `row` at the start of every row (walk along the last axis) with the offset in each of `N` tensors.
pub(crate) fn each_row<const N: usize>(
    shape: &[usize],
    strides: [&[isize]; N],
    mut at: [isize; N],
    mut row: impl FnMut([usize; N]),
) {
    let outer = shape.len().saturating_sub(1);
    let mut index: SmallVec<[usize; 8]> = smallvec![0; outer];
    loop {
        row(at.map(|offset| offset as usize));
        let mut axis = outer;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            for (offset, s) in at.iter_mut().zip(strides) {
                *offset += s[axis];
            }
            if index[axis] < shape[axis] {
                break;
            }
            for (offset, s) in at.iter_mut().zip(strides) {
                *offset -= s[axis] * shape[axis] as isize;
            }
            index[axis] = 0;
        }
    }
}

/// Extent and stride of the last axis (a scalar is a row of one).
fn row_of(shape: &[usize], strides: &[isize]) -> (usize, isize) {
    (shape.last().copied().unwrap_or(1), strides.last().copied().unwrap_or(0))
}

/// The tensor of `shape` whose element `i` is `x[offset + i . strides]`.
pub(crate) fn pick<T: Copy>(x: &[T], shape: &[usize], offset: usize, strides: &[isize]) -> Tensor<T> {
    let (extent, step) = row_of(shape, strides);
    let mut data = Vec::with_capacity(shape.iter().product());
    each_row(shape, [strides], [offset as isize], |[at]| {
        if step == 1 {
            data.extend_from_slice(&x[at..at + extent]);
        } else {
            data.extend((0..extent).map(|i| x[at.wrapping_add_signed(i as isize * step)]));
        }
    });
    Tensor::new(shape, data)
}

/// Zeros of `shape` with element `i` of `x` at `offset + i . strides`.
pub(crate) fn place<T: Number>(x: &Tensor<T>, shape: &[usize], offset: usize, strides: &[isize]) -> Tensor<T> {
    let mut out = Tensor::full(shape, T::ZERO);
    let (extent, step) = row_of(&x.shape, strides);
    let mut rest = x.data.iter();
    each_row(&x.shape, [strides], [offset as isize], |[at]| {
        for (i, &v) in rest.by_ref().take(extent).enumerate() {
            out.data[at.wrapping_add_signed(i as isize * step)] = v;
        }
    });
    out
}

/// Elementwise with numpy broadcasting.
pub(crate) fn zip<T: Number>(args: &[&Tensor<T>], f: impl Fn(T, T) -> T) -> Result<Tensor<T>, TypeError> {
    let (a, b) = (args[0], args[1]);
    let pairs = |x: &[T], y: &[T]| -> Vec<T> { x.iter().zip(y).map(|(&x, &y)| f(x, y)).collect() };
    if a.shape == b.shape {
        return Ok(Tensor::new(&a.shape, pairs(&a.data, &b.data)));
    }
    let shape = broadcast(&a.shape, &b.shape).ok_or_else(|| TypeError::new("shapes do not broadcast"))?;
    let (sa, sb) = (broadcast_strides(&a.shape, &shape), broadcast_strides(&b.shape, &shape));
    let ((n, step_a), (_, step_b)) = (row_of(&shape, &sa), row_of(&shape, &sb));
    let mut data = Vec::with_capacity(shape.iter().product());
    each_row(&shape, [&sa, &sb], [0, 0], |[i, j]| match (step_a, step_b) {
        (0, 0) => data.extend(std::iter::repeat_n(f(a.data[i], b.data[j]), n)),
        (0, _) => data.extend(b.data[j..j + n].iter().map(|&y| f(a.data[i], y))),
        (_, 0) => data.extend(a.data[i..i + n].iter().map(|&x| f(x, b.data[j]))),
        _ => data.extend(a.data[i..i + n].iter().zip(&b.data[j..j + n]).map(|(&x, &y)| f(x, y))),
    });
    Ok(Tensor::new(&shape, data))
}

/// Folds `axes` (kept with extent 1 or dropped: `shape` is the result's) in row-major order.
pub(crate) fn fold<T: Number>(
    x: &Tensor<T>,
    axes: &[usize],
    shape: &[usize],
    start: T,
    f: impl Fn(T, T) -> T,
) -> Tensor<T> {
    let mut kept = x.shape.clone();
    for &a in axes {
        kept[a] = 1;
    }
    let to = broadcast_strides(&kept, &x.shape);
    let mut out = Tensor::full(shape, start);
    let (extent, step) = row_of(&x.shape, &to);
    let mut rest = x.data.chunks_exact(extent);
    each_row(&x.shape, [&to], [0], |[at]| {
        for (i, &v) in rest.next().unwrap_or_default().iter().enumerate() {
            let slot = &mut out.data[at + i * step as usize];
            *slot = f(*slot, v);
        }
    });
    out
}

/// Elements before, along and after an axis: `[outer, extent, inner]` is the same tensor with three axes.
pub(crate) fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

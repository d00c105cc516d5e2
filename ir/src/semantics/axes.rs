//! Axes that an operator works along.

use crate::semantics::extent::checked;
use crate::ty::{Shape, Ty, TypeError};

/// The axis, if the value has it.
pub(crate) fn axis_of(ty: &Ty, axis: usize) -> Result<usize, TypeError> {
    if axis < ty.shape.len() {
        Ok(axis)
    } else {
        Err(TypeError::new(format!("axis {axis} of a value with {} axes", ty.shape.len())))
    }
}

/// One attribute value for each axis.
pub(crate) fn one_per_axis(what: &str, count: usize, ty: &Ty) -> Result<(), TypeError> {
    if count == ty.shape.len() {
        Ok(())
    } else {
        Err(TypeError::new(format!("{what} has {count} values for {} axes", ty.shape.len())))
    }
}

/// Shape after a reduction over distinct `axes`, and the number of elements that become one.
pub(crate) fn reduced(ty: &Ty, axes: &[usize], keep: bool) -> Result<(Shape, usize), TypeError> {
    if axes.is_empty() {
        return Err(TypeError::new("no axes to reduce"));
    }
    let mut gone = vec![false; ty.shape.len()];
    for &a in axes {
        if std::mem::replace(&mut gone[axis_of(ty, a)?], true) {
            return Err(TypeError::new(format!("axis {a} is reduced twice")));
        }
    }
    let count = axes.iter().map(|&a| ty.shape[a]).product();
    let left = ty.shape.iter().zip(&gone).filter(|(_, g)| keep || !**g);
    let shape: Shape = left.map(|(&d, &g)| if g { 1 } else { d }).collect();
    Ok((checked(&shape)?, count))
}

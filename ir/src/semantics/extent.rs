//! Limits of shapes: programs come from strangers, so every extent is checked before it is multiplied.

use crate::ty::{Elem, Shape, Ty, TypeError, ring_limits};

/// Largest number of axes.
pub const MAX_RANK: usize = 8;

/// Largest number of elements of one tensor.
pub const MAX_ELEMENTS: usize = 1 << 31;

/// The shape, if it has at most [`MAX_RANK`] axes, no empty one, and at most [`MAX_ELEMENTS`] elements.
pub(crate) fn checked(shape: &[usize]) -> Result<Shape, TypeError> {
    if shape.len() > MAX_RANK {
        return Err(TypeError::new(format!("{} axes, at most {MAX_RANK} are allowed", shape.len())));
    }
    if shape.contains(&0) {
        return Err(TypeError::new(format!("shape {shape:?} has an empty axis")));
    }
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_ELEMENTS);
    match count {
        Some(_) => Ok(Shape::from_slice(shape)),
        None => Err(TypeError::new(format!("shape {shape:?} has more than {MAX_ELEMENTS} elements"))),
    }
}

/// Checks a type that a program states: shape, ring and range.
pub(crate) fn checked_ty(ty: &Ty) -> Result<Ty, TypeError> {
    checked(&ty.shape)?;
    if let Elem::Fixed(f) = ty.elem {
        ring_exists(f.ring_bits)?;
        let (min, max) = ring_limits(f.ring_bits);
        if f.lo > f.hi || f.lo < min || f.hi > max {
            return Err(TypeError::new(format!(
                "[{}, {}] is no range of a ring of {} bits",
                f.lo, f.hi, f.ring_bits
            )));
        }
    }
    Ok(ty.clone())
}

/// Rings have 1 to 64 bits.
pub(crate) fn ring_exists(ring_bits: u8) -> Result<(), TypeError> {
    if (1..=64).contains(&ring_bits) {
        Ok(())
    } else {
        Err(TypeError::new(format!("a ring has 1 to 64 bits, not {ring_bits}")))
    }
}

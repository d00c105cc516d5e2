//! Type rules of operators that combine elements of tensors one by one.

use crate::semantics::extent::checked;
use crate::semantics::interval::Interval;
use crate::tensor::broadcast;
use crate::ty::{Elem, Fixed, Shape, Ty, TypeError};

/// Shape that both broadcast to.
pub(crate) fn broadcast_shape(a: &Ty, b: &Ty) -> Result<Shape, TypeError> {
    let shape = broadcast(&a.shape, &b.shape).ok_or_else(|| {
        TypeError::new(format!("shapes {:?} and {:?} do not broadcast", &a.shape[..], &b.shape[..]))
    })?;
    checked(&shape)
}

/// Element of a sum, difference, maximum or concatenation: both real, or the same ring and fraction bits.
pub(crate) fn aligned(
    a: &Ty,
    b: &Ty,
    range: impl FnOnce(Interval, Interval) -> Interval,
) -> Result<Elem, TypeError> {
    match (a.elem, b.elem) {
        (Elem::Real, Elem::Real) => Ok(Elem::Real),
        (Elem::Fixed(x), Elem::Fixed(y)) if (x.ring_bits, x.frac_bits) == (y.ring_bits, y.frac_bits) => {
            Ok(Elem::Fixed(range(Interval::of(x), Interval::of(y)).in_ring(x.ring_bits, x.frac_bits)))
        }
        _ => Err(TypeError::new(format!("elements differ: {a} and {b}"))),
    }
}

/// Element of a sum of products: both real, or the same ring; fraction bits add up.
pub(crate) fn product(a: &Ty, b: &Ty, range: impl FnOnce(Interval) -> Interval) -> Result<Elem, TypeError> {
    match (a.elem, b.elem) {
        (Elem::Real, Elem::Real) => Ok(Elem::Real),
        (Elem::Fixed(x), Elem::Fixed(y)) if x.ring_bits == y.ring_bits => {
            let frac =
                x.frac_bits.checked_add(y.frac_bits).ok_or_else(|| TypeError::new("too many fraction bits"))?;
            Ok(Elem::Fixed(range(Interval::of(x).times(Interval::of(y))).in_ring(x.ring_bits, frac)))
        }
        _ => Err(TypeError::new(format!("rings differ: {a} and {b}"))),
    }
}

/// Elementwise with broadcasting, elements aligned, owners joined.
pub(crate) fn infer_aligned(
    args: &[&Ty],
    range: impl FnOnce(Interval, Interval) -> Interval,
) -> Result<Ty, TypeError> {
    let (a, b) = (args[0], args[1]);
    Ok(Ty { shape: broadcast_shape(a, b)?, elem: aligned(a, b, range)?, owner: a.owner.join(b.owner) })
}

/// Another range in the same ring; real elements stay as they are.
pub(crate) fn map_range(ty: &Ty, range: impl FnOnce(Interval) -> Interval) -> Ty {
    match ty.elem {
        Elem::Real => ty.clone(),
        Elem::Fixed(f) => ty.with_elem(Elem::Fixed(range(Interval::of(f)).in_ring(f.ring_bits, f.frac_bits))),
    }
}

/// The fixed-point element, or an error for a real one.
pub(crate) fn fixed(ty: &Ty) -> Result<Fixed, TypeError> {
    ty.as_fixed().ok_or_else(|| TypeError::new(format!("needs fixed point, got {ty}")))
}

/// The type itself if its elements are real.
pub(crate) fn real(ty: &Ty) -> Result<&Ty, TypeError> {
    match ty.elem {
        Elem::Real => Ok(ty),
        Elem::Fixed(_) => Err(TypeError::new(format!("needs real elements, got {ty}"))),
    }
}

//! What is known of each class: type with range and owner, and the place in the model that it came from.
//!
//! A class has one shape, ring, fraction and owner. Ranges are facts (or claims) about one and the same value, so two
//! of them hold together: the class keeps their intersection. Facts only ever get tighter.

use super::language::{EGraph, Enode};
use egg::{Analysis, DidMerge, Id};
use picc_ir::{Elem, Fixed, Owner, Ty};
use smallvec::SmallVec;

/// Facts about the value of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// `None` never outlives the construction of a node: nodes are typed before they are added.
    pub ty: Option<Ty>,
    /// Index of the first node of the input graph that has this value, or for which it was made.
    pub at: u32,
}

/// The analysis; `at` is what new nodes are recorded under.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typing {
    pub at: u32,
}

/// Both ranges hold. Contradicting claims leave the first one.
pub(crate) fn meet(a: Fixed, b: Fixed) -> Fixed {
    let (lo, hi) = (a.lo.max(b.lo), a.hi.min(b.hi));
    if lo <= hi { Fixed { lo, hi, ..a } } else { a }
}

/// The same value may have both types: all but the range is equal.
pub(crate) fn agree(a: &Ty, b: &Ty) -> bool {
    let format = |t: &Ty| t.as_fixed().map(|f| (f.ring_bits, f.frac_bits));
    a.shape == b.shape && a.owner == b.owner && format(a) == format(b)
}

/// Whether the compiler computes the value: it depends on weights and constants alone.
pub(crate) fn is_known(ty: &Ty) -> bool {
    matches!(ty.owner, Owner::Server | Owner::Public)
}

impl Analysis<Enode> for Typing {
    type Data = Facts;

    fn make(eg: &mut EGraph, node: &Enode, _id: Id) -> Facts {
        let tys: Option<SmallVec<[&Ty; 4]>> = node.args.iter().map(|&a| eg[a].data.ty.as_ref()).collect();
        Facts { ty: tys.and_then(|tys| node.op.infer(&tys).ok()), at: eg.analysis.at }
    }

    fn remake(eg: &mut EGraph, node: &Enode, id: Id) -> Facts {
        Facts { at: u32::MAX, ..Typing::make(eg, node, id) }
    }

    fn merge(&mut self, a: &mut Facts, b: Facts) -> DidMerge {
        let before = a.clone();
        a.at = a.at.min(b.at);
        match (&mut a.ty, &b.ty) {
            (Some(x), Some(y)) => {
                debug_assert!(agree(x, y), "one class of {x} and {y}");
                if let (Elem::Fixed(p), Elem::Fixed(q)) = (x.elem, y.elem) {
                    x.elem = Elem::Fixed(meet(p, q));
                }
            }
            (none, ty) => *none = none.take().or_else(|| ty.clone()),
        }
        DidMerge(*a != before, *a != b)
    }
}

//! Fewer and smaller comparisons.

use super::ErrorClass::Exact;
use super::expr::{apply, concat};
use super::{Expr, Family, Offer, Out, Rule, Site};
use picc_ir::Op;
use picc_ir::facts::Movement;
use picc_ir::ops::{Max, Relu};

const fn rule(name: &'static str, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Relu, class: Exact, says, offer: Offer::Always, rewrite }
}

pub(super) const RULES: &[Rule] = &[
    rule("relu_after_maxpool", "maxpool(relu x) = relu(maxpool x)", relu_after_maxpool),
    rule("relu_of_nonnegative", "relu x = x where x >= 0", relu_of_nonnegative),
    rule("relu_of_nonpositive", "relu x = x - x where x <= 0", relu_of_nonpositive),
    rule("relu_of_relu", "relu(relu x) = relu x", relu_of_relu),
    rule("relu_over_concat", "relu(concat(x, y)) = concat(relu x, relu y)", relu_over_concat),
    rule("relu_of_moved", "relu(move x) = move(relu x) for reshape, transpose, slice, pad, gather", relu_of_moved),
    rule("moved_relu", "move(relu x) = relu(move x) where the move picks elements", moved_relu),
    rule("max_of_relus", "max(relu x, relu y) = relu(max(x, y))", max_of_relus),
    rule("max_with_zero", "max(x, 0) = relu x", max_with_zero),
    rule("trivial_maxpool", "1x1 maxpool with stride 1 is nothing", trivial_maxpool),
];

/// The relus in a class, by what they are taken of.
pub(super) fn relus<'a>(s: &Site<'a>, class: egg::Id) -> impl Iterator<Item = egg::Id> + 'a {
    s.view.nodes(class).iter().filter(|n| matches!(*n.op, Op::Relu(_))).map(|n| n.args[0])
}

fn relu(x: impl Into<Expr>) -> Expr {
    apply(Relu {}, [x.into()])
}

fn relu_after_maxpool(s: &Site, out: &mut Out) {
    if let Op::MaxPool(_) | Op::ReduceMax(_) = s.op() {
        for x in relus(s, s.arg(0)) {
            out.equal(s.class, relu(apply(s.op().clone(), [x.into()])));
        }
    }
}

fn relu_of_nonnegative(s: &Site, out: &mut Out) {
    if let (Op::Relu(_), Some(f)) = (s.op(), s.view.fixed(s.node.args.first().copied().unwrap_or(s.class)))
        && f.lo >= 0
    {
        out.equal(s.class, s.arg(0));
    }
}

/// A dead activation costs nothing; the difference says so without a constant of its shape.
fn relu_of_nonpositive(s: &Site, out: &mut Out) {
    if let Op::Relu(_) = s.op()
        && s.view.fixed(s.arg(0)).is_some_and(|f| f.hi <= 0 && f.lo < 0)
    {
        out.equal(s.class, apply(picc_ir::ops::Sub {}, [s.arg(0).into(), s.arg(0).into()]));
    }
}

fn relu_of_relu(s: &Site, out: &mut Out) {
    if let Op::Relu(_) = s.op()
        && relus(s, s.arg(0)).next().is_some()
    {
        out.equal(s.class, s.arg(0));
    }
}

fn relu_over_concat(s: &Site, out: &mut Out) {
    if let Op::Relu(_) = s.op() {
        for n in s.view.nodes(s.arg(0)) {
            if let Op::Concat(c) = &*n.op {
                out.equal(s.class, concat(c.axis, n.args.iter().map(|&a| relu(a)).collect()));
            }
        }
    }
}

/// Operators that move elements (and may add zeros): every function that keeps zero commutes with them.
pub(super) fn moves(op: &Op) -> bool {
    let one = !matches!(op.facts().movement, Movement::None | Movement::Joins);
    one && !matches!(op, Op::Expand(_))
}

fn relu_of_moved(s: &Site, out: &mut Out) {
    if let Op::Relu(_) = s.op() {
        for n in s.view.nodes(s.arg(0)).iter().filter(|n| moves(&n.op) || matches!(*n.op, Op::Expand(_))) {
            // Fewer elements are compared before they are repeated, not before they are picked.
            if s.view.ty(n.args[0]).len() <= s.view.ty(s.class).len() {
                out.equal(s.class, apply((*n.op).clone(), [relu(n.args[0])]));
            }
        }
    }
}

fn moved_relu(s: &Site, out: &mut Out) {
    if let Op::Slice(_) | Op::Gather(_) = s.op() {
        for x in relus(s, s.arg(0)) {
            out.equal(s.class, relu(apply(s.op().clone(), [x.into()])));
        }
    }
}

fn max_of_relus(s: &Site, out: &mut Out) {
    if let Op::Max(_) = s.op() {
        for x in relus(s, s.arg(0)) {
            for y in relus(s, s.arg(1)) {
                out.equal(s.class, relu(apply(Max {}, [x.into(), y.into()])));
            }
        }
    }
}

fn max_with_zero(s: &Site, out: &mut Out) {
    if let Op::Max(_) = s.op() {
        for (x, k) in [(s.arg(0), s.arg(1)), (s.arg(1), s.arg(0))] {
            let zero = s.view.fixed(k).is_some_and(|f| (f.lo, f.hi) == (0, 0));
            if zero && s.view.shape(x) == s.view.shape(s.class) {
                out.equal(s.class, relu(x));
            }
        }
    }
}

fn trivial_maxpool(s: &Site, out: &mut Out) {
    if let Op::MaxPool(p) = s.op()
        && (p.kernel, p.stride, p.pads) == ([1, 1], [1, 1], [0; 4])
    {
        out.equal(s.class, s.arg(0));
    }
}

//! Things that are nothing, and things that are one thing.

use super::ErrorClass::Exact;
use super::expr::{Expr, apply, concat};
use super::{Family, Offer, Out, Rule, Site};
use picc_ir::Op;
use picc_ir::ops::{Add, Concat, Reshape, Slice, Transpose};

const fn rule(name: &'static str, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Hygiene, class: Exact, says, offer: Offer::Always, rewrite }
}

pub(super) const RULES: &[Rule] = &[
    rule("no_move", "reshape, transpose, slice, pad, expand or concat that changes nothing", no_move),
    rule("reshape_of_reshape", "reshape(reshape x) = reshape x", reshape_of_reshape),
    rule("transpose_of_transpose", "transpose(transpose x) = transpose x", transpose_of_transpose),
    rule("slice_of_slice", "slice(slice x) = slice x", slice_of_slice),
    rule("slice_of_concat", "a slice within one part of a concat is a slice of that part", slice_of_concat),
    rule("concat_of_concat", "concat(concat(x, y), z) = concat(x, y, z)", concat_of_concat),
    rule("double_neg", "-(-x) = x", double_neg),
    rule("add_zero", "x + 0 = x", add_zero),
    rule("add_known", "(x + a) + b = x + (a + b) for known a, b", add_known),
];

fn no_move(s: &Site, out: &mut Out) {
    let unchanged = |x| s.view.shape(x) == s.view.shape(s.class);
    let identity = match s.op() {
        Op::Reshape(_) | Op::Expand(_) | Op::Pad(_) => unchanged(s.arg(0)),
        Op::Transpose(t) => {
            t.perm.iter().enumerate().all(|(i, &p)| i == p || s.view.shape(s.class)[i] == 1) && unchanged(s.arg(0))
        }
        Op::Slice(c) => unchanged(s.arg(0)) && c.size.iter().zip(&c.step).all(|(&n, &k)| n == 1 || k > 0),
        Op::Concat(_) => s.node.args.len() == 1,
        _ => false,
    };
    if identity {
        out.equal(s.class, s.arg(0));
    }
}

fn reshape_of_reshape(s: &Site, out: &mut Out) {
    let Op::Reshape(r) = s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        if let Op::Reshape(_) = &*n.op {
            out.equal(s.class, apply(Reshape { shape: r.shape.clone() }, [n.args[0].into()]));
        }
    }
}

fn transpose_of_transpose(s: &Site, out: &mut Out) {
    let Op::Transpose(t) = s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        if let Op::Transpose(inner) = &*n.op {
            let perm: Vec<usize> = t.perm.iter().map(|&p| inner.perm[p]).collect();
            out.equal(s.class, apply(Transpose { perm }, [n.args[0].into()]));
        }
    }
}

fn slice_of_slice(s: &Site, out: &mut Out) {
    let Op::Slice(outer) = s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        let Op::Slice(inner) = &*n.op else { continue };
        let at = |i: usize| inner.start[i].checked_add_signed(outer.start[i] as isize * inner.step[i]);
        let start: Option<Vec<usize>> = (0..outer.start.len()).map(at).collect();
        let step = outer.step.iter().zip(&inner.step).map(|(a, b)| a * b).collect();
        if let Some(start) = start {
            out.equal(s.class, apply(Slice { start, size: outer.size.clone(), step }, [n.args[0].into()]));
        }
    }
}

fn slice_of_concat(s: &Site, out: &mut Out) {
    let Op::Slice(cut) = s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        let Op::Concat(Concat { axis }) = *n.op else { continue };
        let last = cut.start[axis].checked_add_signed((cut.size[axis] as isize - 1) * cut.step[axis]);
        let Some(last) = last else { continue };
        let (low, high) = (cut.start[axis].min(last), cut.start[axis].max(last));
        let mut before = 0;
        for &part in &n.args {
            let extent = s.view.shape(part)[axis];
            if before <= low && high < before + extent {
                let mut start = cut.start.clone();
                start[axis] -= before;
                out.equal(s.class, apply(Slice { start, ..cut.clone() }, [part.into()]));
            }
            before += extent;
        }
    }
}

fn concat_of_concat(s: &Site, out: &mut Out) {
    let Op::Concat(Concat { axis }) = *s.op() else { return };
    for (i, &part) in s.node.args.iter().enumerate() {
        for n in s.view.nodes(part) {
            if matches!(&*n.op, Op::Concat(c) if c.axis == axis) && !n.args.contains(&part) {
                let mut parts: Vec<Expr> = s.node.args.iter().map(|&a| a.into()).collect();
                parts.splice(i..=i, n.args.iter().map(|&a| Expr::from(a)));
                out.equal(s.class, concat(axis, parts));
            }
        }
    }
}

fn double_neg(s: &Site, out: &mut Out) {
    if let Op::Neg(_) = s.op() {
        for n in s.view.nodes(s.arg(0)).iter().filter(|n| matches!(*n.op, Op::Neg(_))) {
            out.equal(s.class, n.args[0]);
        }
    }
}

fn add_zero(s: &Site, out: &mut Out) {
    if let Op::Add(_) = s.op() {
        for (x, zero) in [(s.arg(0), s.arg(1)), (s.arg(1), s.arg(0))] {
            if s.view.fixed(zero).is_some_and(|f| (f.lo, f.hi) == (0, 0)) {
                out.equal(s.class, x);
            }
        }
    }
}

fn add_known(s: &Site, out: &mut Out) {
    if !matches!(s.op(), Op::Add(_)) {
        return;
    }
    let sum = |a: egg::Id, b: egg::Id| apply(Add {}, [a.into(), b.into()]);
    for (inner, b) in [(s.arg(0), s.arg(1)), (s.arg(1), s.arg(0))] {
        if !s.view.is_known(b) || s.view.is_known(inner) {
            continue;
        }
        for n in s.view.nodes(inner).iter().filter(|n| matches!(*n.op, Op::Add(_))) {
            for (x, a) in [(n.args[0], n.args[1]), (n.args[1], n.args[0])] {
                if s.view.is_known(a) && !s.view.is_known(x) {
                    out.equal(s.class, apply(Add {}, [x.into(), sum(a, b)]));
                }
            }
        }
    }
}

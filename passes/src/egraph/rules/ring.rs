//! In which ring something is computed: extension and reduction moved to where they cost least.
//!
//! A reduction is a homomorphism of rings, so it passes every linear operator. An extension keeps the signed value, so
//! it passes whatever does not wrap. Comparisons cost by the bit: they run on the shortest ring that the range allows.

use super::ErrorClass::Exact;
use super::expr::{Expr, View, apply, bits_of, concat};
use super::relu::moves;
use super::{Enode, Family, Offer, Out, Rule, Site};
use egg::Id;
use picc_ir::Op;
use picc_ir::facts::Needs;
use picc_ir::ops::{Add, Extend, Reduce, TruncReduce};

const fn rule(name: &'static str, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Ring, class: Exact, says, offer: Offer::Always, rewrite }
}

pub(super) const RULES: &[Rule] = &[
    rule("extend_of_extend", "extend(extend x) = extend x", extend_of_extend),
    rule("reduce_of_reduce", "reduce(reduce x) = reduce x", reduce_of_reduce),
    rule("reduce_of_extend", "reduce(extend x) = x, reduce x or extend x", reduce_of_extend),
    rule("extend_of_reduce", "extend(reduce x) = x, reduce x or extend x where x fits", extend_of_reduce),
    rule("extend_over_concat", "extend(concat(x, y)) = concat(extend x, extend y)", extend_over_concat),
    rule("extend_of_moved", "extend(move x) = move(extend x)", extend_of_moved),
    rule("moved_extend", "move(extend x) = extend(move x) where the move picks elements", moved_extend),
    rule("compare_before_extend", "relu(extend x) = extend(relu x), likewise maxpool, max", compare_before_extend),
    rule("sum_before_extend", "sum(extend x) = extend(sum x) where the sum fits", sum_before_extend),
    rule("extend_before_sum", "extend(x + y) = extend x + extend y where the sum fits", extend_before_sum),
    rule(
        "compare_on_short_ring",
        "relu x = extend(relu(reduce x)) where x fits, likewise maxpool, max",
        compare_short,
    ),
    rule("trunc_on_short_ring", "trunc x = extend(trunc(reduce x)) where x fits", trunc_short),
    rule(
        "reduce_through_linear",
        "reduce(f(x, y)) = f(reduce x, reduce y) for linear f and products",
        reduce_linear,
    ),
    rule("reduce_through_trunc", "reduce(trunc x) = trunc(reduce x)", reduce_through_trunc),
];

fn extend(x: impl Into<Expr>, ring_bits: u8) -> Expr {
    apply(Extend { ring_bits }, [x.into()])
}

fn reduce(x: impl Into<Expr>, ring_bits: u8) -> Expr {
    apply(Reduce { ring_bits }, [x.into()])
}

/// The extensions in a class: what is extended.
fn extended<'a>(view: View<'a>, class: Id) -> impl Iterator<Item = Id> + 'a {
    view.nodes(class).iter().filter(|n| matches!(*n.op, Op::Extend(_))).map(|n| n.args[0])
}

/// A ring in which values of this magnitude can be extended again: a quarter of it holds them.
pub(super) fn ring_for_magnitude(max_abs: u64) -> u8 {
    (66 - max_abs.leading_zeros()) as u8
}

fn extend_of_extend(s: &Site, out: &mut Out) {
    let Op::Extend(Extend { ring_bits }) = *s.op() else { return };
    for x in extended(s.view, s.arg(0)) {
        out.equal(s.class, extend(x, ring_bits));
    }
}

fn reduce_of_reduce(s: &Site, out: &mut Out) {
    let Op::Reduce(Reduce { ring_bits }) = *s.op() else { return };
    for n in s.view.nodes(s.arg(0)).iter().filter(|n| matches!(*n.op, Op::Reduce(_))) {
        out.equal(s.class, reduce(n.args[0], ring_bits));
    }
}

fn reduce_of_extend(s: &Site, out: &mut Out) {
    let Op::Reduce(Reduce { ring_bits }) = *s.op() else { return };
    for x in extended(s.view, s.arg(0)) {
        let own = s.view.fixed(x).map_or(0, |f| f.ring_bits);
        out.equal(
            s.class,
            match ring_bits.cmp(&own) {
                std::cmp::Ordering::Less => reduce(x, ring_bits),
                std::cmp::Ordering::Equal => x.into(),
                std::cmp::Ordering::Greater => extend(x, ring_bits),
            },
        );
    }
}

fn extend_of_reduce(s: &Site, out: &mut Out) {
    let Op::Extend(Extend { ring_bits }) = *s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        if let Op::Reduce(Reduce { ring_bits: short }) = *n.op
            && s.view.fixed(n.args[0]).is_some_and(|f| bits_of(f) <= short)
            && let Some(expr) = s.view.in_ring(n.args[0], ring_bits)
        {
            out.equal(s.class, expr);
        }
    }
}

fn extend_over_concat(s: &Site, out: &mut Out) {
    let Op::Extend(Extend { ring_bits }) = *s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        if let Op::Concat(c) = &*n.op {
            out.equal(s.class, concat(c.axis, n.args.iter().map(|&a| extend(a, ring_bits)).collect()));
        }
    }
}

fn extend_of_moved(s: &Site, out: &mut Out) {
    let Op::Extend(Extend { ring_bits }) = *s.op() else { return };
    for n in s.view.nodes(s.arg(0)).iter().filter(|n| moves(&n.op) || matches!(*n.op, Op::Expand(_))) {
        // A larger value is extended whole only if somebody wants it so.
        let whole = Enode::new(Extend { ring_bits }, &[n.args[0]]);
        if s.view.ty(n.args[0]).len() <= s.view.ty(s.class).len() || s.view.eg.lookup(whole).is_some() {
            out.equal(s.class, apply((*n.op).clone(), [extend(n.args[0], ring_bits)]));
        }
    }
}

fn moved_extend(s: &Site, out: &mut Out) {
    if let Op::Slice(_) | Op::Gather(_) = s.op() {
        let ring_bits = s.view.fixed(s.class).map_or(0, |f| f.ring_bits);
        for x in extended(s.view, s.arg(0)) {
            out.equal(s.class, extend(apply(s.op().clone(), [x.into()]), ring_bits));
        }
    }
}

fn compare_before_extend(s: &Site, out: &mut Out) {
    let Some(ring_bits) = s.view.fixed(s.class).map(|f| f.ring_bits) else { return };
    match s.op() {
        Op::Relu(_) | Op::MaxPool(_) | Op::ReduceMax(_) => {
            for x in extended(s.view, s.arg(0)) {
                out.equal(s.class, extend(apply(s.op().clone(), [x.into()]), ring_bits));
            }
        }
        Op::Max(_) => {
            for x in extended(s.view, s.arg(0)) {
                for y in extended(s.view, s.arg(1)) {
                    out.equal(s.class, extend(apply(s.op().clone(), [x.into(), y.into()]), ring_bits));
                }
            }
        }
        _ => {}
    }
}

/// Values of ring `ring_bits` of these magnitudes add up to something that can be extended again.
fn sum_fits(magnitudes: &[u64], ring_bits: u8) -> bool {
    let sum = magnitudes.iter().try_fold(0u64, |a, &b| a.checked_add(b));
    sum.is_some_and(|sum| ring_for_magnitude(sum) <= ring_bits)
}

fn sum_before_extend(s: &Site, out: &mut Out) {
    let Some(ring_bits) = s.view.fixed(s.class).map(|f| f.ring_bits) else { return };
    let terms = |x: Id| s.view.ty(x).len() / s.view.ty(s.class).len().max(1);
    let count = match s.op() {
        Op::SumPool(p) => p.kernel[0] * p.kernel[1],
        Op::ReduceSum(_) => terms(s.arg(0)),
        Op::Add(_) => {
            for x in extended(s.view, s.arg(0)) {
                for y in extended(s.view, s.arg(1)) {
                    let (Some(f), Some(g)) = (s.view.fixed(x), s.view.fixed(y)) else { continue };
                    if f.ring_bits == g.ring_bits && sum_fits(&[f.max_abs(), g.max_abs()], f.ring_bits) {
                        out.equal(s.class, extend(apply(Add {}, [x.into(), y.into()]), ring_bits));
                    }
                }
            }
            return;
        }
        _ => return,
    };
    for x in extended(s.view, s.arg(0)) {
        let Some(f) = s.view.fixed(x) else { continue };
        if f.max_abs().checked_mul(count as u64).is_some_and(|sum| sum_fits(&[sum], f.ring_bits)) {
            out.equal(s.class, extend(apply(s.op().clone(), [x.into()]), ring_bits));
        }
    }
}

fn extend_before_sum(s: &Site, out: &mut Out) {
    let Op::Extend(Extend { ring_bits }) = *s.op() else { return };
    for n in s.view.nodes(s.arg(0)).iter().filter(|n| matches!(*n.op, Op::Add(_))) {
        let (Some(f), Some(g)) = (s.view.fixed(n.args[0]), s.view.fixed(n.args[1])) else { continue };
        if sum_fits(&[f.max_abs(), g.max_abs()], f.ring_bits) {
            out.equal(s.class, apply(Add {}, [extend(n.args[0], ring_bits), extend(n.args[1], ring_bits)]));
        }
    }
}

fn compare_short(s: &Site, out: &mut Out) {
    let (Op::Relu(_) | Op::MaxPool(_) | Op::ReduceMax(_) | Op::Max(_) | Op::ArgMax(_)) = s.op() else { return };
    let short = |x: &Id| {
        let f = s.view.fixed(*x)?;
        Some(if let Op::Relu(_) = s.op() { bits_of(f) } else { ring_for_magnitude(f.max_abs()) })
    };
    let (Some(Some(ring)), Some(own)) = (s.node.args.iter().map(short).max(), s.view.fixed(s.class)) else {
        return;
    };
    // An index must fit too.
    let ring = if let Op::ArgMax(_) = s.op() { ring.max(bits_of(own)) } else { ring };
    if ring < own.ring_bits {
        let args = s.node.args.iter().map(|&x| reduce(x, ring)).collect();
        out.equal(s.class, extend(Expr::Apply(s.op().clone(), args), own.ring_bits));
    }
}

fn trunc_short(s: &Site, out: &mut Out) {
    let (Op::TruncReduce(TruncReduce { shift }), Some(own)) = (s.op(), s.view.fixed(s.class)) else { return };
    let Some(x) = s.view.fixed(s.arg(0)) else { return };
    let half = 1u64 << shift.saturating_sub(1);
    let Some(rounded) = x.max_abs().checked_add(half) else { return };
    let result = (rounded >> shift) + 1;
    let ring = ring_for_magnitude(rounded).max(ring_for_magnitude(result) + shift);
    if ring < x.ring_bits {
        let short = apply(TruncReduce { shift: *shift }, [reduce(s.arg(0), ring)]);
        out.equal(s.class, extend(short, own.ring_bits));
    }
}

fn reduce_linear(s: &Site, out: &mut Out) {
    let Op::Reduce(Reduce { ring_bits }) = *s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        let linear = match &*n.op {
            Op::Shl(shl) => shl.bits < ring_bits,
            // What a ring says of a value.
            Op::Reduce(_) | Op::Assume(_) => false,
            op => matches!(op.facts().needs, Needs::Linear | Needs::Product),
        };
        if linear {
            let args = n.args.iter().map(|&a| reduce(a, ring_bits)).collect();
            out.equal(s.class, Expr::Apply((*n.op).clone(), args));
        }
    }
}

fn reduce_through_trunc(s: &Site, out: &mut Out) {
    let Op::Reduce(Reduce { ring_bits }) = *s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        if let Op::TruncReduce(TruncReduce { shift }) = *n.op {
            out.equal(s.class, apply(TruncReduce { shift }, [reduce(n.args[0], ring_bits + shift)]));
        }
    }
}

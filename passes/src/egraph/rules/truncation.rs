//! Fewer truncations, and truncations of less.
//!
//! Truncation depends on its argument modulo the ring alone and never decreases, so where nothing wraps it commutes
//! with maxima exactly; with sums it commutes up to the rounding of the summands.

use super::ErrorClass::{Exact, Ulp};
use super::expr::{apply, bits_of};
use super::{ErrorClass, Family, Offer, Out, Rule, Site};
use egg::Id;
use picc_ir::Op;
use picc_ir::ops::{Add, Relu, TruncReduce};

const fn rule(name: &'static str, class: ErrorClass, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Truncation, class, says, offer: Offer::Always, rewrite }
}

/// Most windows whose roundings may add up; each is half a unit, as is that of the result.
const MAX_TAPS: usize = 9;

pub(super) const RULES: &[Rule] = &[
    rule("trunc_of_shl", Exact, "trunc(shl x) by the same bits = reduce x", trunc_of_shl),
    rule("trunc_by_nothing", Exact, "trunc by 0 bits = x", trunc_by_nothing),
    rule("trunc_after_max", Exact, "maxpool(trunc x) = trunc(maxpool x)", trunc_after_max),
    rule("trunc_after_relu", Exact, "relu(trunc x) = trunc(relu x)", trunc_after_relu),
    rule("relu_after_trunc", Exact, "trunc(relu x) = relu(trunc x)", relu_after_trunc),
    rule("trunc_chain", Ulp(1), "trunc(trunc x) = trunc x by both", trunc_chain),
    rule("trunc_after_add", Ulp(1), "trunc x + trunc y = trunc(x + y)", trunc_after_add),
    rule("trunc_after_sum", Ulp(5), "sumpool(trunc x) = trunc(sumpool x), up to nine taps", trunc_after_sum),
];

/// The truncations in a class: by how much and of what.
fn truncs<'a>(s: &Site<'a>, class: Id) -> impl Iterator<Item = (u8, Id)> + 'a {
    s.view.nodes(class).iter().filter_map(|n| match &*n.op {
        Op::TruncReduce(t) => Some((t.shift, n.args[0])),
        _ => None,
    })
}

/// Rounding the largest value up does not leave the ring.
fn rounds_within(s: &Site, x: Id, shift: u8) -> bool {
    let half = if shift == 0 { 0 } else { 1i64 << (shift - 1) };
    s.view.fixed(x).is_some_and(|f| {
        f.hi.checked_add(half).is_some_and(|hi| bits_of(picc_ir::Fixed { hi, ..f }) <= f.ring_bits)
    })
}

fn trunc_of_shl(s: &Site, out: &mut Out) {
    let Op::TruncReduce(TruncReduce { shift }) = *s.op() else { return };
    let Some(own) = s.view.fixed(s.class) else { return };
    for n in s.view.nodes(s.arg(0)) {
        if matches!(&*n.op, Op::Shl(shl) if shl.bits == shift)
            && let Some(x) = s.view.reduced(n.args[0], own.ring_bits)
        {
            out.equal(s.class, x);
        }
    }
}

fn trunc_by_nothing(s: &Site, out: &mut Out) {
    if matches!(s.op(), Op::TruncReduce(t) if t.shift == 0) {
        out.equal(s.class, s.arg(0));
    }
}

fn trunc_after_max(s: &Site, out: &mut Out) {
    if let Op::MaxPool(_) | Op::ReduceMax(_) = s.op() {
        for (shift, x) in truncs(s, s.arg(0)).filter(|&(shift, x)| rounds_within(s, x, shift)) {
            out.equal(s.class, apply(TruncReduce { shift }, [apply(s.op().clone(), [x.into()])]));
        }
    }
}

fn trunc_after_relu(s: &Site, out: &mut Out) {
    if let Op::Relu(_) = s.op() {
        for (shift, x) in truncs(s, s.arg(0)).filter(|&(shift, x)| rounds_within(s, x, shift)) {
            out.equal(s.class, apply(TruncReduce { shift }, [apply(Relu {}, [x.into()])]));
        }
    }
}

fn relu_after_trunc(s: &Site, out: &mut Out) {
    let Op::TruncReduce(TruncReduce { shift }) = *s.op() else { return };
    for n in s.view.nodes(s.arg(0)) {
        if let (Op::Relu(_), &[x]) = (&*n.op, &n.args[..])
            && rounds_within(s, x, shift)
        {
            out.equal(s.class, apply(Relu {}, [apply(TruncReduce { shift }, [x.into()])]));
        }
    }
}

fn trunc_chain(s: &Site, out: &mut Out) {
    let Op::TruncReduce(TruncReduce { shift }) = *s.op() else { return };
    for (inner, x) in truncs(s, s.arg(0)) {
        out.equal(s.class, apply(TruncReduce { shift: shift + inner }, [x.into()]));
    }
}

fn trunc_after_add(s: &Site, out: &mut Out) {
    if let Op::Add(_) = s.op() {
        for (shift, x) in truncs(s, s.arg(0)) {
            for (_, y) in truncs(s, s.arg(1)).filter(|t| t.0 == shift) {
                out.equal(s.class, apply(TruncReduce { shift }, [apply(Add {}, [x.into(), y.into()])]));
            }
        }
    }
}

fn trunc_after_sum(s: &Site, out: &mut Out) {
    if matches!(s.op(), Op::SumPool(p) if p.kernel[0] * p.kernel[1] <= MAX_TAPS) {
        for (shift, x) in truncs(s, s.arg(0)) {
            out.equal(s.class, apply(TruncReduce { shift }, [apply(s.op().clone(), [x.into()])]));
        }
    }
}

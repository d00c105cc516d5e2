//! One layer instead of several on the same input, and several instead of one on a concatenation.

use super::ErrorClass::Exact;
use super::expr::{Expr, View, apply, concat, part};
use super::{Enode, Family, Offer, Out, Rule, Site};
use egg::Id;
use picc_ir::Op;
use picc_ir::ops::{Add, Concat, Conv, MatMul, Pad};

const fn rule(name: &'static str, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Merging, class: Exact, says, offer: Offer::Always, rewrite }
}

pub(super) const RULES: &[Rule] = &[
    rule("parallel_convs", "conv(x, v), conv(x, w) = parts of conv(x, [v; w])", parallel_convs),
    rule(
        "parallel_kernels",
        "convs of one input with kernels of several sizes: the smaller ones padded",
        parallel_kernels,
    ),
    rule("parallel_matmuls", "x v, x w = parts of x [v, w]", parallel_matmuls),
    rule("conv_over_concat", "conv(concat(x, y), w) = conv(x, w1) + conv(y, w2)", conv_over_concat),
    rule("sum_of_convs", "conv(x, v) + conv(y, w) = conv(concat(x, y), [v, w])", sum_of_convs),
    rule("conv_of_sum", "conv(x, w) + conv(y, w) = conv(x + y, w)", conv_of_sum),
    rule("concat_of_convs", "concat(conv(x, v), conv(x, w)) = conv(x, [v; w])", concat_of_convs),
];

/// Nodes with `x` as their first argument, with their classes, in a fixed order.
fn users<'a>(view: View<'a>, x: Id) -> Vec<(Id, Enode)> {
    let eg = view.eg;
    let mut users: Vec<(Id, Enode)> = eg[x]
        .parents()
        .map(|id| (eg.find(id), eg.id_to_node(id).canonical(eg)))
        .filter(|(_, n)| n.args.first() == Some(&x))
        .collect();
    users.sort();
    users.dedup();
    // One conv for each class: the others are the same layer written differently.
    users
}

/// Weights as they came from the model, and not a part or a union of others.
fn is_leaf(view: View, w: Id) -> bool {
    view.is_known(w) && view.nodes(w).iter().any(|n| n.args.is_empty())
}

/// Dense convolutions of the same input with the model's own weights, one for each class.
fn siblings(s: &Site) -> Vec<(Id, Conv, Id)> {
    let Op::Conv(own) = s.op() else { return Vec::new() };
    let mut found: Vec<(Id, Conv, Id)> = Vec::new();
    for (class, n) in users(s.view, s.arg(0)) {
        if let Op::Conv(c) = &*n.op
            && c.groups == 1
            && (c.stride, c.dilation) == (own.stride, own.dilation)
            && is_leaf(s.view, n.args[1])
            && found.iter().all(|f| f.0 != class)
        {
            found.push((class, c.clone(), n.args[1]));
        }
    }
    found
}

/// All of `group` as one convolution `op` with weights `kernels`.
fn merge(s: &Site, out: &mut Out, op: Conv, group: &[(Id, Conv, Id)], kernels: Vec<Expr>) {
    let whole = apply(op, [s.arg(0).into(), concat(0, kernels)]);
    let Ok(ty) = s.view.type_of(&whole) else { return };
    let mut start = 0;
    for (class, _, w) in group {
        let channels = s.view.shape(*w)[0];
        out.equal(*class, part(whole.clone(), &ty.shape, 1, start, channels));
        start += channels;
    }
}

fn parallel_convs(s: &Site, out: &mut Out) {
    let Op::Conv(own) = s.op() else { return };
    let group: Vec<_> = siblings(s)
        .into_iter()
        .filter(|(_, c, w)| c == own && s.view.shape(*w)[2..] == s.view.shape(s.arg(1))[2..])
        .collect();
    // The first of them speaks for all.
    if group.len() > 1 && group[0].0 == s.class {
        let kernels = group.iter().map(|g| g.2.into()).collect();
        merge(s, out, own.clone(), &group, kernels);
    }
}

fn parallel_kernels(s: &Site, out: &mut Out) {
    let Op::Conv(own) = s.op() else { return };
    let kernel = |w: Id| [s.view.shape(w)[2], s.view.shape(w)[3]];
    let largest = kernel(s.arg(1));
    // Zeros around a kernel, if the larger one covers it: [top, left, bottom, right].
    let margin = |c: &Conv, w: Id| -> Option<[usize; 4]> {
        let k = kernel(w);
        let around = [0, 1, 2, 3].map(|i| own.pads[i].checked_sub(c.pads[i]));
        let [Some(t), Some(l), Some(b), Some(r)] = around else { return None };
        (k[0] + t + b == largest[0] && k[1] + l + r == largest[1]).then_some([t, l, b, r])
    };
    let group: Vec<_> =
        siblings(s).into_iter().filter(|(_, c, w)| own.dilation == [1, 1] && margin(c, *w).is_some()).collect();
    let sizes_differ = group.iter().any(|g| kernel(g.2) != largest);
    let first = group.iter().find(|g| kernel(g.2) == largest).is_some_and(|g| g.0 == s.class);
    if group.len() > 1 && sizes_differ && first {
        let padded = |(_, c, w): &(Id, Conv, Id)| -> Expr {
            match margin(c, *w) {
                None | Some([0, 0, 0, 0]) => (*w).into(),
                Some([t, l, b, r]) => {
                    apply(Pad { before: vec![0, 0, t, l], after: vec![0, 0, b, r] }, [(*w).into()])
                }
            }
        };
        let kernels = group.iter().map(padded).collect();
        merge(s, out, own.clone(), &group, kernels);
    }
}

fn parallel_matmuls(s: &Site, out: &mut Out) {
    if !matches!(s.op(), Op::MatMul(_)) || s.view.shape(s.arg(1)).len() != 2 {
        return;
    }
    let mut group: Vec<(Id, Id)> = Vec::new();
    for (class, n) in users(s.view, s.arg(0)) {
        let w = n.args.get(1).copied().unwrap_or(s.class);
        let alike = matches!(*n.op, Op::MatMul(_)) && s.view.shape(w).len() == 2 && is_leaf(s.view, w);
        if alike && group.iter().all(|g| g.0 != class) {
            group.push((class, w));
        }
    }
    if group.len() < 2 || group[0].0 != s.class {
        return;
    }
    let all = concat(1, group.iter().map(|g| g.1.into()).collect());
    let whole = apply(MatMul {}, [s.arg(0).into(), all]);
    let Ok(ty) = s.view.type_of(&whole) else { return };
    let mut start = 0;
    for &(class, w) in &group {
        let cols = s.view.shape(w)[1];
        out.equal(class, part(whole.clone(), &ty.shape, ty.shape.len() - 1, start, cols));
        start += cols;
    }
}

fn conv_over_concat(s: &Site, out: &mut Out) {
    let Op::Conv(c) = s.op() else { return };
    if c.groups != 1 {
        return;
    }
    for n in s.view.nodes(s.arg(0)) {
        if !matches!(&*n.op, Op::Concat(Concat { axis: 1 })) || n.args.len() < 2 {
            continue;
        }
        let w = s.arg(1);
        let mut start = 0;
        let mut sum: Option<Expr> = None;
        for &x in &n.args {
            let channels = s.view.shape(x)[1];
            let product = apply(c.clone(), [x.into(), part(w, s.view.shape(w), 1, start, channels)]);
            sum = Some(match sum {
                None => product,
                Some(sum) => apply(Add {}, [sum, product]),
            });
            start += channels;
        }
        if let Some(sum) = sum {
            out.equal(s.class, sum);
        }
    }
}

/// The dense convolutions in a class.
fn convs<'a>(s: &Site<'a>, class: Id) -> impl Iterator<Item = (&'a Conv, Id, Id)> {
    s.view.nodes(class).iter().filter_map(|n| match &*n.op {
        Op::Conv(c) if c.groups == 1 => Some((c, n.args[0], n.args[1])),
        _ => None,
    })
}

fn sum_of_convs(s: &Site, out: &mut Out) {
    let Op::Add(_) = s.op() else { return };
    for (c, x, v) in convs(s, s.arg(0)) {
        for (d, y, w) in convs(s, s.arg(1)) {
            let sides = c == d && x != y && is_leaf(s.view, v) && is_leaf(s.view, w);
            if sides {
                let input = concat(1, vec![x.into(), y.into()]);
                out.equal(s.class, apply(c.clone(), [input, concat(1, vec![v.into(), w.into()])]));
            }
        }
    }
}

fn conv_of_sum(s: &Site, out: &mut Out) {
    let Op::Add(_) = s.op() else { return };
    for (c, x, v) in convs(s, s.arg(0)) {
        for (d, y, w) in convs(s, s.arg(1)) {
            if c == d && v == w && s.view.shape(x) == s.view.shape(y) {
                out.equal(s.class, apply(c.clone(), [apply(Add {}, [x.into(), y.into()]), v.into()]));
            }
        }
    }
}

fn concat_of_convs(s: &Site, out: &mut Out) {
    if !matches!(s.op(), Op::Concat(Concat { axis: 1 })) || s.node.args.len() < 2 {
        return;
    }
    for (c, x, _) in convs(s, s.arg(0)) {
        let weights: Option<Vec<Expr>> = s
            .node
            .args
            .iter()
            .map(|&a| convs(s, a).find(|(d, y, _)| *d == c && *y == x).map(|(_, _, w)| w.into()))
            .collect();
        if let Some(weights) = weights {
            out.equal(s.class, apply(c.clone(), [x.into(), concat(0, weights)]));
        }
    }
}

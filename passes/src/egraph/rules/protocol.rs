//! From what to how: every protocol that could compute a shared value. Extraction picks by cost.

use super::ErrorClass::{Exact, Ulp};
use super::expr::{Expr, apply};
use super::relu::relus;
use super::ring::ring_for_magnitude;
use super::{ErrorClass, Family, Offer, Out, Rule, Site, View};
use crate::compile::Linear;
use crate::eligible::{By, Layer};
use egg::Id;
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::mpc::{
    ArgMaxOt, ExtendOt, MAX_RADIX, MaxOt, MaxPoolOt, MulOt, ReduceMaxOt, ReluGc, ReluOt, ReluRescaleOt, Share,
    SquareOt, TruncReduceFaithful, TruncReduceLocal,
};
use picc_ir::op::Op;
use picc_ir::ops::{Add, Expand, MatMul, ReduceSum, Reshape, Sub};
use picc_ir::{Owner, Party};

const fn rule(name: &'static str, class: ErrorClass, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Protocol, class, says, offer: Offer::Always, rewrite }
}

/// A rule of programs whose linear layers are computed in one way alone.
const fn of(way: Linear, rule: Rule) -> Rule {
    Rule { offer: Offer::Layers(way), ..rule }
}

/// A rule of exact programs, which stands there for another.
const fn exact(twin: &'static str, rule: Rule) -> Rule {
    Rule { offer: Offer::ExactLayers(Linear::Rlwe, twin), ..rule }
}

const fn priced(rule: Rule) -> Rule {
    Rule { offer: Offer::Priced, ..rule }
}

/// The table of protocols: which of them serves which operator, and in which programs.
pub(super) const RULES: &[Rule] = &[
    of(Linear::Rlwe, rule("conv_rlwe", Ulp(1), "conv under RLWE, full-range masks", conv_rlwe)),
    exact("conv_rlwe", rule("conv_rlwe_exact", Exact, "conv under RLWE, flooded", conv_rlwe_exact)),
    of(Linear::Ot, rule("conv_ot_server", Exact, "conv by OT products, the weights choose", conv_ot_server)),
    of(
        Linear::Ot,
        rule("conv_ot_client", Exact, "conv by OT products, the client's share chooses", conv_ot_client),
    ),
    priced(rule("conv_pre", Exact, "conv prepared before the input is known (DELPHI)", conv_pre)),
    of(Linear::Rlwe, rule("matmul_rlwe", Ulp(1), "matmul under RLWE, full-range masks", matmul_rlwe)),
    exact("matmul_rlwe", rule("matmul_rlwe_exact", Exact, "matmul under RLWE, flooded", matmul_rlwe_exact)),
    of(Linear::Ot, rule("matmul_ot_server", Exact, "matmul by OT products, the weights choose", matmul_ot_server)),
    of(
        Linear::Ot,
        rule("matmul_ot_client", Exact, "matmul by OT products, the client's share chooses", matmul_ot_client),
    ),
    priced(rule("matmul_pre", Exact, "matmul prepared before the input is known (DELPHI)", matmul_pre)),
    rule("matmul_of_secrets", Exact, "matmul of two shared values as elementwise products", matmul_of_secrets),
    rule("mul_ot", Exact, "elementwise product by OT", mul_ot),
    rule("square_ot_server", Exact, "x x by OT, one cross term, the server's share chooses", square_ot_server),
    rule("square_ot_client", Exact, "x x by OT, one cross term, the client's share chooses", square_ot_client),
    rule("relu_ot", Exact, "relu by OT comparison, radix 1 to 5", relu_ot),
    rule(
        "relu_rescale_ot",
        Exact,
        "relu(trunc x), extend(relu x), extend(relu(trunc x)) in the flights of one comparison, radix 4 or 5",
        relu_rescale_ot,
    ),
    priced(rule("relu_gc", Exact, "relu by a garbled circuit at DELPHI's published prices", relu_gc)),
    rule("max_ot", Exact, "max by OT comparison, radix 1 to 5", max_ot),
    rule("max_with_known", Exact, "max(x, k) = relu(x - k) + k for known k", max_with_known),
    rule("max_pool_ot", Exact, "maxpool by OT comparison, radix 1 to 5", max_pool_ot),
    rule("reduce_max_ot", Exact, "maximum along axes by OT comparison, radix 1 to 5", reduce_max_ot),
    rule("arg_max_ot", Exact, "argmax by OT comparison, radix 1 to 5", arg_max_ot),
    rule("trunc_local", Ulp(1), "truncation by a shift of both shares", trunc_local),
    rule("trunc_faithful", Exact, "truncation with the carry computed, radix 1 to 5", trunc_faithful),
    rule("extend_ot", Exact, "extension with one COT an element", extend_ot),
];

/// Why no protocol computes a node, and the way out, where more can be said than that there is none.
pub(crate) fn refusal(view: View, op: &Op, args: &[Id]) -> Option<(String, &'static str)> {
    match (op, args) {
        (Op::Conv(_), &[_, w]) if view.owner(w) != Owner::Server => {
            Some(("its weights are computed from the input".to_owned(), "use weights that the server knows"))
        }
        (Op::MatMul(_), &[a, b]) if !view.is_known(a) && !view.is_known(b) => {
            let products = products(view.shape(a), view.shape(b))?.iter().product::<usize>();
            let why = format!(
                "it multiplies two secret matrices with {products} products of elements, at most \
                 {MAX_SECRET_PRODUCTS} are supported"
            );
            (products > MAX_SECRET_PRODUCTS)
                .then_some((why, "attention needs fewer tokens or a linear replacement"))
        }
        (Op::Conv(_) | Op::MatMul(_), &[a, b]) => {
            let (x, w) = if view.is_known(a) { (b, a) } else { (a, b) };
            let why =
                format!("no allowed protocol fits weights of {} bits in {}", weight_bits(view, w), view.ty(x));
            Some((why, "give a smaller ring, fewer fraction bits, or choose OT for the linear layers"))
        }
        _ => None,
    }
}

/// The value as shares; what is the client's is shared without a message.
fn shared(s: &Site, x: Id) -> Expr {
    if s.view.owner(x) == Owner::Client { apply(Share {}, [x.into()]) } else { x.into() }
}

/// Bits of a signed weight whose range the type states.
fn weight_bits(view: View, w: Id) -> u8 {
    let most = view.fixed(w).map_or(u64::MAX, |f| f.max_abs());
    u8::try_from(65 - most.leading_zeros()).unwrap_or(64)
}

fn is_shared(s: &Site) -> bool {
    s.view.is_shared(s.class)
}

fn conv_with(s: &Site, out: &mut Out, by: By) {
    let Op::Conv(conv) = s.op() else { return };
    let (x, w) = (s.arg(0), s.arg(1));
    if is_shared(s)
        && s.view.owner(w) == Owner::Server
        && let Ok(op) = Layer::Conv(conv).computed(by, [s.view.shape(x), s.view.shape(w)], weight_bits(s.view, w))
    {
        out.equal(s.class, apply(op, [shared(s, x), w.into()]));
    }
}

fn conv_rlwe(s: &Site, out: &mut Out) {
    conv_with(s, out, By::Rlwe(Hiding::FullRange));
}

fn conv_rlwe_exact(s: &Site, out: &mut Out) {
    conv_with(s, out, By::Rlwe(Hiding::Flood));
}

fn conv_ot_server(s: &Site, out: &mut Out) {
    conv_with(s, out, By::Ot(Party::Server));
}

fn conv_ot_client(s: &Site, out: &mut Out) {
    conv_with(s, out, By::Ot(Party::Client));
}

fn conv_pre(s: &Site, out: &mut Out) {
    conv_with(s, out, By::Preprocessed);
}

fn matmul_with(s: &Site, out: &mut Out, by: By) {
    let Op::MatMul(_) = s.op() else { return };
    let (a, b) = (s.arg(0), s.arg(1));
    let weights_left = match (s.view.owner(a), s.view.owner(b)) {
        (Owner::Shared | Owner::Client, Owner::Server) => false,
        (Owner::Server, Owner::Shared | Owner::Client) => true,
        _ => return,
    };
    // Protocols take no broadcast of batches, except that a right factor may have none.
    let (p, q) = (s.view.shape(a), s.view.shape(b));
    let outer = |shape: &[usize]| shape[..shape.len() - 2].to_vec();
    let batched = |x: Id, args: Expr| -> Expr {
        let shape = s.view.shape(x);
        let Some(batch) = picc_ir::tensor::broadcast(&outer(p), &outer(q)) else { return args };
        let full = [&batch[..], &shape[shape.len() - 2..]].concat();
        if MatMul::geom(p, q).is_ok() || full == shape { args } else { apply(Expand { shape: full }, [args]) }
    };
    let args = [batched(a, shared(s, a)), batched(b, shared(s, b))];
    let tys = [s.view.type_of(&args[0]), s.view.type_of(&args[1])];
    if let [Ok(left), Ok(right)] = tys
        && let weight_bits = weight_bits(s.view, if weights_left { a } else { b })
        && let layer = (Layer::MatMul { weights_left })
        && let Ok(op) = layer.computed(by, [&left.shape, &right.shape], weight_bits)
    {
        out.equal(s.class, apply(op, args));
    }
}

fn matmul_rlwe(s: &Site, out: &mut Out) {
    matmul_with(s, out, By::Rlwe(Hiding::FullRange));
}

fn matmul_rlwe_exact(s: &Site, out: &mut Out) {
    matmul_with(s, out, By::Rlwe(Hiding::Flood));
}

fn matmul_ot_server(s: &Site, out: &mut Out) {
    matmul_with(s, out, By::Ot(Party::Server));
}

fn matmul_ot_client(s: &Site, out: &mut Out) {
    matmul_with(s, out, By::Ot(Party::Client));
}

fn matmul_pre(s: &Site, out: &mut Out) {
    matmul_with(s, out, By::Preprocessed);
}

/// Elementwise products that a product of two secret matrices may expand to.
const MAX_SECRET_PRODUCTS: usize = 1 << 16;

/// `[.., r, k, 1]` and `[.., 1, k, c]`, whose product is summed over `k`.
fn factors(a: &[usize], b: &[usize]) -> [Vec<usize>; 2] {
    let outer = b.len().saturating_sub(2);
    [[a, &[1]].concat(), [&b[..outer], &[1], &b[outer..]].concat()]
}

/// The shape of that product.
fn products(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let [left, right] = factors(a, b);
    picc_ir::tensor::broadcast(&left, &right).map(|shape| shape.to_vec())
}

fn matmul_of_secrets(s: &Site, out: &mut Out) {
    let Op::MatMul(_) = s.op() else { return };
    let (a, b) = (s.arg(0), s.arg(1));
    if !is_shared(s) || s.view.is_known(a) || s.view.is_known(b) {
        return;
    }
    let [left, right] = factors(s.view.shape(a), s.view.shape(b));
    let Some(products) = products(s.view.shape(a), s.view.shape(b)) else { return };
    if products.iter().product::<usize>() <= MAX_SECRET_PRODUCTS {
        let expanded = |x: Id, shape: Vec<usize>| {
            apply(Expand { shape: products.clone() }, [apply(Reshape { shape }, [shared(s, x)])])
        };
        let product = apply(MulOt {}, [expanded(a, left), expanded(b, right)]);
        out.equal(s.class, apply(ReduceSum { axes: vec![products.len() - 2], keep: false }, [product]));
    }
}

/// The value as shares in the shape of the result.
fn whole(s: &Site, x: Id) -> Expr {
    let shape = s.view.shape(s.class);
    let value = shared(s, x);
    if s.view.shape(x) == shape { value } else { apply(Expand { shape: shape.to_vec() }, [value]) }
}

fn mul_ot(s: &Site, out: &mut Out) {
    let Op::Mul(_) = s.op() else { return };
    for (a, b) in [(s.arg(0), s.arg(1)), (s.arg(1), s.arg(0))] {
        let secret = |x| matches!(s.view.owner(x), Owner::Shared | Owner::Client);
        let product = secret(a) && (secret(b) || s.view.owner(b) == Owner::Server);
        if is_shared(s) && product {
            out.equal(s.class, apply(MulOt {}, [whole(s, a), whole(s, b)]));
            return;
        }
    }
}

/// Both factors are one class, so they are one value.
fn square_ot(s: &Site, out: &mut Out, receiver: Party) {
    let Op::Mul(_) = s.op() else { return };
    let x = s.arg(0);
    if is_shared(s) && x == s.arg(1) && !s.view.is_known(x) {
        out.equal(s.class, apply(SquareOt { receiver }, [shared(s, x)]));
    }
}

fn square_ot_server(s: &Site, out: &mut Out) {
    square_ot(s, out, Party::Server);
}

fn square_ot_client(s: &Site, out: &mut Out) {
    square_ot(s, out, Party::Client);
}

fn relu_ot(s: &Site, out: &mut Out) {
    if let Op::Relu(_) = s.op()
        && is_shared(s)
    {
        for radix in 1..=MAX_RADIX {
            out.equal(s.class, apply(ReluOt::exact(radix), [s.arg(0).into()]));
        }
    }
}

/// Of a relu in a class, or of one that is extended; the extension needs its argument in a quarter of a ring.
fn relu_rescale_ot(s: &Site, out: &mut Out) {
    let Some(own) = s.view.fixed(s.class).filter(|_| is_shared(s)).map(|f| f.ring_bits) else { return };
    let values: Vec<Id> = match s.op() {
        Op::Relu(_) => vec![s.arg(0)],
        Op::Extend(_) => relus(s, s.arg(0)).collect(),
        _ => return,
    };
    for y in values {
        let Some(f) = s.view.fixed(y) else { continue };
        let ring = f.ring_bits.min(ring_for_magnitude(f.max_abs()));
        let ring = if own > ring { ring } else { f.ring_bits };
        let truncated = s.view.nodes(y).iter().filter_map(|n| match &*n.op {
            Op::TruncReduce(t) if t.shift > 0 => Some((t.shift, n.args[0])),
            _ => None,
        });
        for (shift, x) in truncated.chain((own > ring).then_some((0, y))) {
            if let Some(x) = s.view.reduced(x, ring + shift) {
                for radix in MAX_RADIX - 1..=MAX_RADIX {
                    out.equal(s.class, apply(ReluRescaleOt { shift, ring_bits: own, radix }, [x.clone()]));
                }
            }
        }
    }
}

fn relu_gc(s: &Site, out: &mut Out) {
    if let Op::Relu(_) = s.op()
        && is_shared(s)
    {
        out.equal(s.class, apply(ReluGc {}, [s.arg(0).into()]));
    }
}

fn max_ot(s: &Site, out: &mut Out) {
    if let Op::Max(_) = s.op()
        && is_shared(s)
        && s.node.args.iter().all(|&a| !s.view.is_known(a))
    {
        for radix in 1..=MAX_RADIX {
            out.equal(s.class, apply(MaxOt { radix }, [whole(s, s.arg(0)), whole(s, s.arg(1))]));
        }
    }
}

fn max_with_known(s: &Site, out: &mut Out) {
    let Op::Max(_) = s.op() else { return };
    for (x, k) in [(s.arg(0), s.arg(1)), (s.arg(1), s.arg(0))] {
        let fits =
            |x: Id| s.view.fixed(x).is_some_and(|f| f.max_abs() < 1 << f.ring_bits.saturating_sub(2).min(62));
        if is_shared(s) && s.view.is_known(k) && s.view.is_shared(x) && fits(x) && fits(k) {
            for radix in 1..=MAX_RADIX {
                let positive = apply(ReluOt::exact(radix), [apply(Sub {}, [x.into(), k.into()])]);
                out.equal(s.class, apply(Add {}, [positive, k.into()]));
            }
        }
    }
}

fn max_pool_ot(s: &Site, out: &mut Out) {
    if let Op::MaxPool(p) = s.op()
        && is_shared(s)
    {
        for radix in 1..=MAX_RADIX {
            let op = MaxPoolOt::exact(p, radix);
            out.equal(s.class, apply(op, [s.arg(0).into()]));
        }
    }
}

fn reduce_max_ot(s: &Site, out: &mut Out) {
    if let Op::ReduceMax(m) = s.op()
        && is_shared(s)
    {
        for radix in 1..=MAX_RADIX {
            let op = ReduceMaxOt { axes: m.axes.clone(), keep: m.keep, radix };
            out.equal(s.class, apply(op, [s.arg(0).into()]));
        }
    }
}

fn arg_max_ot(s: &Site, out: &mut Out) {
    if let Op::ArgMax(m) = s.op()
        && is_shared(s)
    {
        for radix in 1..=MAX_RADIX {
            let op = ArgMaxOt { axis: m.axis, keep: m.keep, last: m.last, radix };
            out.equal(s.class, apply(op, [s.arg(0).into()]));
        }
    }
}

fn trunc_local(s: &Site, out: &mut Out) {
    if let Op::TruncReduce(t) = s.op()
        && is_shared(s)
    {
        out.equal(s.class, apply(TruncReduceLocal { shift: t.shift }, [s.arg(0).into()]));
    }
}

fn trunc_faithful(s: &Site, out: &mut Out) {
    if let Op::TruncReduce(t) = s.op()
        && is_shared(s)
    {
        for radix in 1..=MAX_RADIX {
            out.equal(s.class, apply(TruncReduceFaithful { shift: t.shift, radix }, [s.arg(0).into()]));
        }
    }
}

fn extend_ot(s: &Site, out: &mut Out) {
    if let Op::Extend(e) = s.op()
        && is_shared(s)
    {
        out.equal(s.class, apply(ExtendOt { ring_bits: e.ring_bits }, [s.arg(0).into()]));
    }
}

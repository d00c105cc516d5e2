//! From what to how: every protocol that could compute a shared value. Extraction picks by cost.

use super::ErrorClass::{Exact, Ulp};
use super::expr::{Expr, apply};
use super::relu::relus;
use super::ring::ring_for_magnitude;
use super::{ErrorClass, Family, Out, Rule, Site};
use egg::Id;
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::mpc::{
    ArgMaxOt, ConvOt, ConvPre, ConvRlwe, ExtendOt, MAX_RADIX, MatMulOt, MatMulPre, MatMulRlwe, MaxOt, MaxPoolOt,
    MulOt, ReduceMaxOt, ReluGc, ReluOt, ReluRescaleOt, Share, SquareOt, TruncReduceFaithful, TruncReduceLocal,
};
use picc_ir::op::Op;
use picc_ir::ops::{Add, Conv, Expand, MatMul, ReduceSum, Reshape, Sub};
use picc_ir::{Owner, Party};

const fn rule(name: &'static str, class: ErrorClass, says: &'static str, rewrite: fn(&Site, &mut Out)) -> Rule {
    Rule { name, family: Family::Protocol, class, says, rewrite }
}

pub(super) const RULES: &[Rule] = &[
    rule("conv_rlwe", Ulp(1), "conv under RLWE, full-range masks", conv_rlwe),
    rule("conv_rlwe_exact", Exact, "conv under RLWE, flooded", conv_rlwe_exact),
    rule("conv_ot_server", Exact, "conv by OT products, the weights choose", conv_ot_server),
    rule("conv_ot_client", Exact, "conv by OT products, the client's share chooses", conv_ot_client),
    rule("conv_pre", Exact, "conv prepared before the input is known (DELPHI)", conv_pre),
    rule("matmul_rlwe", Ulp(1), "matmul under RLWE, full-range masks", matmul_rlwe),
    rule("matmul_rlwe_exact", Exact, "matmul under RLWE, flooded", matmul_rlwe_exact),
    rule("matmul_ot_server", Exact, "matmul by OT products, the weights choose", matmul_ot_server),
    rule("matmul_ot_client", Exact, "matmul by OT products, the client's share chooses", matmul_ot_client),
    rule("matmul_pre", Exact, "matmul prepared before the input is known (DELPHI)", matmul_pre),
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
    rule("relu_gc", Exact, "relu by a garbled circuit at DELPHI's published prices", relu_gc),
    rule("max_ot", Exact, "max by OT comparison, radix 1 to 5", max_ot),
    rule("max_with_known", Exact, "max(x, k) = relu(x - k) + k for known k", max_with_known),
    rule("max_pool_ot", Exact, "maxpool by OT comparison, radix 1 to 5", max_pool_ot),
    rule("reduce_max_ot", Exact, "maximum along axes by OT comparison, radix 1 to 5", reduce_max_ot),
    rule("arg_max_ot", Exact, "argmax by OT comparison, radix 1 to 5", arg_max_ot),
    rule("trunc_local", Ulp(1), "truncation by a shift of both shares", trunc_local),
    rule("trunc_faithful", Exact, "truncation with the carry computed, radix 1 to 5", trunc_faithful),
    rule("extend_ot", Exact, "extension with one COT an element", extend_ot),
];

/// Rules of exact programs only, and the rule of all others that each stands for: what disables the one disables both.
/// A program hides all its layers in one way, so that its figure is that of one argument.
pub(crate) const EXACT_ONLY: [(&str, &str); 2] =
    [("conv_rlwe_exact", "conv_rlwe"), ("matmul_rlwe_exact", "matmul_rlwe")];

/// Rules whose protocols have a price and no implementation.
pub(crate) const PRICED_ONLY: [&str; 3] = ["conv_pre", "matmul_pre", "relu_gc"];

/// The value as shares; what is the client's is shared without a message.
fn shared(s: &Site, x: Id) -> Expr {
    if s.view.owner(x) == Owner::Client { apply(Share {}, [x.into()]) } else { x.into() }
}

/// Bits of a signed weight whose range the type states.
fn weight_bits(s: &Site, w: Id) -> u8 {
    let most = s.view.fixed(w).map_or(u64::MAX, |f| f.max_abs());
    u8::try_from(65 - most.leading_zeros()).unwrap_or(64)
}

fn is_shared(s: &Site) -> bool {
    s.view.is_shared(s.class)
}

fn conv_with(s: &Site, out: &mut Out, protocol: impl Fn(picc_ir::geom::ConvGeom, u8) -> Op) {
    let Op::Conv(conv) = s.op() else { return };
    let (x, w) = (s.arg(0), s.arg(1));
    if is_shared(s)
        && s.view.owner(w) == Owner::Server
        && let Ok(geom) = Conv::geom(conv, s.view.shape(x), s.view.shape(w))
    {
        out.equal(s.class, apply(protocol(geom, weight_bits(s, w)), [shared(s, x), w.into()]));
    }
}

fn conv_rlwe(s: &Site, out: &mut Out) {
    conv_with(s, out, |geom, weight_bits| ConvRlwe { geom, weight_bits, hiding: Hiding::FullRange }.into());
}

fn conv_rlwe_exact(s: &Site, out: &mut Out) {
    conv_with(s, out, |geom, weight_bits| ConvRlwe { geom, weight_bits, hiding: Hiding::Flood }.into());
}

fn conv_ot_server(s: &Site, out: &mut Out) {
    conv_with(s, out, |geom, weight_bits| ConvOt { geom, weight_bits, receiver: Party::Server }.into());
}

fn conv_ot_client(s: &Site, out: &mut Out) {
    conv_with(s, out, |geom, weight_bits| ConvOt { geom, weight_bits, receiver: Party::Client }.into());
}

fn conv_pre(s: &Site, out: &mut Out) {
    conv_with(s, out, |geom, weight_bits| ConvPre { geom, weight_bits }.into());
}

fn matmul_with(s: &Site, out: &mut Out, protocol: impl Fn(picc_ir::geom::MatMulGeom, u8, bool) -> Op) {
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
        && let Ok(geom) = MatMul::geom(&left.shape, &right.shape)
    {
        let weight_bits = weight_bits(s, if weights_left { a } else { b });
        out.equal(s.class, apply(protocol(geom, weight_bits, weights_left), args));
    }
}

fn matmul_rlwe(s: &Site, out: &mut Out) {
    matmul_with(s, out, |geom, weight_bits, weights_left| {
        MatMulRlwe { geom, weight_bits, weights_left, hiding: Hiding::FullRange }.into()
    });
}

fn matmul_rlwe_exact(s: &Site, out: &mut Out) {
    matmul_with(s, out, |geom, weight_bits, weights_left| {
        MatMulRlwe { geom, weight_bits, weights_left, hiding: Hiding::Flood }.into()
    });
}

fn matmul_ot_server(s: &Site, out: &mut Out) {
    matmul_with(s, out, |geom, weight_bits, weights_left| {
        MatMulOt { geom, weight_bits, weights_left, receiver: Party::Server }.into()
    });
}

fn matmul_ot_client(s: &Site, out: &mut Out) {
    matmul_with(s, out, |geom, weight_bits, weights_left| {
        MatMulOt { geom, weight_bits, weights_left, receiver: Party::Client }.into()
    });
}

fn matmul_pre(s: &Site, out: &mut Out) {
    matmul_with(s, out, |geom, weight_bits, weights_left| MatMulPre { geom, weight_bits, weights_left }.into());
}

/// Elementwise products that a product of two secret matrices may expand to.
const MAX_SECRET_PRODUCTS: usize = 1 << 16;

fn matmul_of_secrets(s: &Site, out: &mut Out) {
    let Op::MatMul(_) = s.op() else { return };
    let (a, b) = (s.arg(0), s.arg(1));
    if !is_shared(s) || s.view.is_known(a) || s.view.is_known(b) {
        return;
    }
    // [.., r, k, 1] * [.., 1, k, c], summed over k
    let left = [s.view.shape(a), &[1]].concat();
    let right = s.view.shape(b);
    let right = [&right[..right.len() - 2], &[1], &right[right.len() - 2..]].concat();
    let Some(products) = picc_ir::tensor::broadcast(&left, &right) else { return };
    if products.iter().product::<usize>() <= MAX_SECRET_PRODUCTS {
        let expanded = |x: Id, shape: Vec<usize>| {
            apply(Expand { shape: products.to_vec() }, [apply(Reshape { shape }, [shared(s, x)])])
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

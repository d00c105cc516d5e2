//! Type rules: what is inferred, what is refused, and that no attribute makes them panic.

use crate::random::Draw;
use crate::support::{Seeded, client, fix, server, shared};
use picc_ir::geom::MatMulGeom;
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::mpc::{
    ArgMaxOt, ConvOt, ConvRlwe, ExtendOt, MatMulRlwe, MaxOt, MulOt, ReluOt, ReluRescaleOt, Reveal, Share, SquareOt,
    TruncReduceLocal,
};
use picc_ir::ops::{
    Add, ArgMax, Assume, Concat, Const, ConstValue, Conv, Dequantize, Extend, Input, MatMul, Max, MaxPool, Mul,
    Neg, Pad, Reduce, ReduceSum, Relu, Reshape, Shl, Softmax, SumPool, TruncReduce, Weight,
};
use picc_ir::{Elem, Fixed, Op, Owner, Party, Ty};

fn inferred(op: impl Into<Op>, args: &[&Ty]) -> String {
    op.into().infer(args).map_or_else(|e| format!("error: {e}"), |ty| ty.to_string())
}

fn refused(op: impl Into<Op>, args: &[&Ty], why: &str) {
    let error = op.into().infer(args).expect_err(why).to_string();
    assert!(error.contains(why), "`{error}` does not say `{why}`");
}

#[test]
fn ranges_follow_interval_arithmetic() {
    let (a, b) = (shared(&[2], fix(16, 4, -10, 20)), shared(&[2], fix(16, 4, 3, 5)));
    for (op, expected) in [
        (Op::from(Add {}), "shared [2] fix16.4 [-7, 25]"),
        (Max {}.into(), "shared [2] fix16.4 [3, 20]"),
        (Mul {}.into(), "shared [2] fix16.8 [-50, 100]"),
        (Concat { axis: 0 }.into(), "shared [4] fix16.4 [-10, 20]"),
    ] {
        assert_eq!(inferred(op, &[&a, &b]), expected);
    }
    for (op, expected) in [
        (Op::from(Neg {}), "shared [2] fix16.4 [-20, 10]"),
        (Relu {}.into(), "shared [2] fix16.4 [0, 20]"),
        (Shl { bits: 2 }.into(), "shared [2] fix16.6 [-40, 80]"),
        (Shl { bits: 12 }.into(), "shared [2] fix16.16 [-32768, 32767]"),
        (TruncReduce { shift: 2 }.into(), "shared [2] fix14.2 [-2, 5]"),
        (Extend { ring_bits: 40 }.into(), "shared [2] fix40.4 [-10, 20]"),
        (Reduce { ring_bits: 6 }.into(), "shared [2] fix6.4 [-10, 20]"),
        (Reduce { ring_bits: 5 }.into(), "shared [2] fix5.4 [-16, 15]"),
        (Assume { lo: -3, hi: 90 }.into(), "shared [2] fix16.4 [-3, 20]"),
        (ReduceSum { axes: vec![0], keep: true }.into(), "shared [1] fix16.4 [-20, 40]"),
        (ArgMax { axis: 0, keep: false, last: false }.into(), "shared [] fix16.0 [0, 1]"),
    ] {
        assert_eq!(inferred(op, &[&a]), expected);
    }
    let edge = shared(&[1], Fixed::full(16, 4));
    assert_eq!(inferred(Add {}, &[&edge, &edge]), "shared [1] fix16.4 [-32768, 32767]");
    assert_eq!(inferred(Neg {}, &[&edge]), "shared [1] fix16.4 [-32768, 32767]");
    let zero = shared(&[1, 1, 2, 2], fix(16, 0, 3, 5));
    let pool = |pads| SumPool { kernel: [2, 2], stride: [1, 1], pads, dilation: [1, 1] };
    assert_eq!(inferred(pool([0; 4]), &[&zero]), "shared [1x1x1x1] fix16.0 [12, 20]");
    assert_eq!(inferred(pool([1; 4]), &[&zero]), "shared [1x1x3x3] fix16.0 [0, 20]");
    assert_eq!(
        inferred(Pad { before: vec![0; 4], after: vec![1; 4] }, &[&zero]),
        "shared [2x2x3x3] fix16.0 [0, 5]"
    );
}

#[test]
fn owners_join() {
    let f = fix(16, 0, -5, 5);
    let of = |owner| Ty::fixed(&[1], f, owner);
    use Owner::{Client, Public, Server, Shared};
    for (a, b, expected) in [
        (Client, Client, Client),
        (Public, Server, Server),
        (Client, Server, Shared),
        (Shared, Public, Shared),
        (Public, Public, Public),
        (Shared, Shared, Shared),
    ] {
        for op in [Op::from(Add {}), Mul {}.into(), Max {}.into()] {
            for (x, y) in [(a, b), (b, a)] {
                assert_eq!(op.infer(&[&of(x), &of(y)]).expect("typed").owner, expected, "{op:?} {x:?} {y:?}");
            }
        }
    }
    let (x, w) = (Ty::real(&[1, 3, 8, 8], Client), Ty::real(&[4, 3, 3, 3], Server));
    let conv = Conv { stride: [2, 2], pads: [1; 4], dilation: [1, 1], groups: 1 };
    assert_eq!(inferred(conv, &[&x, &w]), "shared [1x4x4x4] real");
    assert_eq!(inferred(Relu {}, &[&x]), "client [1x3x8x8] real");
}

#[test]
fn mismatches_are_refused() {
    let x = shared(&[2, 3], fix(16, 4, -5, 5));
    refused(Add {}, &[&x, &shared(&[2, 3], fix(17, 4, -5, 5))], "elements differ");
    refused(Add {}, &[&x, &shared(&[2, 3], fix(16, 5, -5, 5))], "elements differ");
    refused(Add {}, &[&x, &Ty::real(&[2, 3], Owner::Shared)], "elements differ");
    refused(Add {}, &[&x, &shared(&[2, 2], fix(16, 4, -5, 5))], "do not broadcast");
    refused(Mul {}, &[&x, &shared(&[2, 3], fix(17, 4, -5, 5))], "rings differ");
    refused(Mul {}, &[&x, &shared(&[1], fix(16, 255, -5, 5))], "too many fraction bits");
    refused(MatMul {}, &[&x, &x], "do not multiply");
    refused(Reshape { shape: vec![7] }, &[&x], "does not fill");
    refused(TruncReduce { shift: 5 }, &[&x], "cannot truncate");
    refused(TruncReduce { shift: 16 }, &[&shared(&[1], fix(16, 20, 0, 0))], "cannot truncate");
    refused(Extend { ring_bits: 16 }, &[&x], "do not extend");
    refused(Extend { ring_bits: 65 }, &[&x], "1 to 64 bits");
    refused(Reduce { ring_bits: 0 }, &[&x], "1 to 64 bits");
    refused(Assume { lo: 6, hi: 9 }, &[&x], "contradicts");
    refused(Assume { lo: 0, hi: 40000 }, &[&x], "no range of a ring");
    refused(Softmax { axis: 1 }, &[&x], "needs real elements");
    refused(Relu {}, &[], "takes Exactly(1) arguments, got 0");
    refused(ReduceSum { axes: vec![0, 0], keep: true }, &[&x], "reduced twice");
    refused(
        ArgMax { axis: 0, keep: true, last: true },
        &[&shared(&[200], fix(8, 0, 0, 0))],
        "cannot hold the index",
    );
    refused(Dequantize {}, &[&x], "that the client knows");
    refused(Input { name: "x".into(), ty: x.clone() }, &[], "is the client's");
    refused(Weight { name: "x".into(), ty: x.clone() }, &[], "is the server's");
    let constant = |value| Const { ty: x.with_owner(Owner::Public), value };
    refused(constant(ConstValue::Int(vec![6])), &[], "lies outside");
    refused(constant(ConstValue::Int(vec![1, 2])), &[], "2 values for");
    refused(constant(ConstValue::Real(vec![1.0.into()])), &[], "another kind");
    let infinite = ConstValue::Real(vec![f32::INFINITY.into()]);
    refused(Const { ty: Ty::real(&[1], Owner::Public), value: infinite }, &[], "finite");
}

#[test]
fn windows_that_see_only_padding_are_refused() {
    let x = shared(&[1, 1, 2, 2], fix(8, 0, -5, 5));
    let pool = |kernel, pads, dilation| MaxPool { kernel, stride: [1, 1], pads, dilation };
    refused(pool([1, 1], [1, 0, 0, 0], [1, 1]), &[&x], "may lie in the padding");
    refused(pool([2, 1], [1, 0, 1, 0], [3, 1]), &[&x], "may lie in the padding");
    refused(pool([3, 3], [0; 4], [1, 1]), &[&x], "does not fit");
    refused(pool([0, 1], [0; 4], [1, 1]), &[&x], "no window");
    assert_eq!(inferred(pool([2, 2], [1; 4], [1, 1]), &[&x]), "shared [1x1x3x3] fix8.0 [-5, 5]");
}

#[test]
fn matrix_products_have_one_canonical_geometry() {
    let geom = |batch, rows, inner, cols| Ok(MatMulGeom { batch, rows, inner, cols });
    assert_eq!(MatMul::geom(&[2, 3], &[3, 4]), geom(1, 2, 3, 4));
    assert_eq!(MatMul::geom(&[5, 2, 3], &[3, 4]), geom(1, 10, 3, 4));
    assert_eq!(MatMul::geom(&[5, 2, 3], &[1, 3, 4]), geom(1, 10, 3, 4));
    assert_eq!(MatMul::geom(&[5, 2, 3], &[5, 3, 4]), geom(5, 2, 3, 4));
    assert!(MatMul::geom(&[2, 3], &[5, 3, 4]).is_err(), "expand first");
}

#[test]
fn protocols_check_owners_geometry_and_weight_bits() {
    let x = shared(&[1, 2, 5, 5], fix(32, 4, -100, 100));
    let w = server(&[3, 2, 3, 3], fix(32, 4, -31, 31));
    let geom = Conv { stride: [1, 1], pads: [0; 4], dilation: [1, 1], groups: 1 }.geom(&x.shape, &w.shape);
    let geom = geom.expect("fits");
    let rlwe = |weight_bits| ConvRlwe { geom, weight_bits, hiding: Hiding::FullRange };
    assert_eq!(inferred(rlwe(6), &[&x, &w]), "shared [1x3x3x3] fix32.8 [-55800, 55800]");
    refused(rlwe(5), &[&x, &w], "weights of 5 bits cannot hold");
    refused(rlwe(33), &[&x, &w], "weights of 33 bits");
    refused(rlwe(0), &[&x, &w], "weights of 0 bits");
    refused(rlwe(6), &[&x.with_owner(Owner::Client), &w], "needs a shared value");
    refused(rlwe(6), &[&x, &w.with_owner(Owner::Shared)], "needs the server's weights");
    refused(rlwe(6), &[&x, &w.with_elem(Elem::Real)], "needs fixed point");
    let mut other = geom;
    other.h = 6;
    let ot = ConvOt { geom: other, weight_bits: 6, receiver: Party::Client };
    refused(ot, &[&x, &w], "shapes give");
    other = geom;
    other.stride = [2, 1];
    other.groups = 2;
    refused(ConvRlwe { geom: other, weight_bits: 6, hiding: Hiding::Flood }, &[&x, &w], "2 groups do not divide");
    let (a, b) = (shared(&[4, 2], fix(32, 0, -9, 9)), server(&[3, 4], fix(32, 0, -7, 7)));
    let geom = MatMul::geom(&b.shape, &a.shape).expect("fits");
    let left = |weights_left| MatMulRlwe { geom, weight_bits: 4, weights_left, hiding: Hiding::Flood };
    assert_eq!(inferred(left(true), &[&b, &a]), "shared [3x2] fix32.0 [-252, 252]");
    refused(left(false), &[&b, &a], "needs a shared value");
    refused(MulOt {}, &[&a, &shared(&[2], fix(32, 0, 0, 1))], "no product of");
    let square = SquareOt { receiver: Party::Client };
    assert_eq!(inferred(square.clone(), &[&a]), "shared [4x2] fix32.0 [-81, 81]");
    refused(square, &[&b], "needs a shared value");
}

#[test]
fn protocols_check_that_differences_fit() {
    let small = shared(&[4], fix(10, 0, -255, 255));
    let large = shared(&[4], fix(10, 0, -256, 255));
    let max = MaxOt { radix: 4 };
    assert_eq!(inferred(max.clone(), &[&small, &small]), "shared [4] fix10.0 [-255, 255]");
    refused(max, &[&small, &large], "differences may wrap");
    let arg_max = ArgMaxOt { axis: 0, keep: false, last: false, radix: 2 };
    refused(arg_max, &[&large], "differences may wrap");
    refused(ExtendOt { ring_bits: 20 }, &[&large], "differences may wrap");
    let positive = shared(&[4], fix(10, 0, 0, 511));
    assert_eq!(inferred(ExtendOt { ring_bits: 20 }, &[&positive]), "shared [4] fix20.0 [0, 511]");
    assert_eq!(inferred(ReluOt::exact(1), &[&large]), "shared [4] fix10.0 [0, 255]");
    refused(ReluOt::exact(0), &[&large], "radix");
    let wide = shared(&[4], fix(14, 4, -4096, 4095));
    let rescale = |shift, ring_bits| ReluRescaleOt { shift, ring_bits, radix: 5 };
    assert_eq!(inferred(rescale(4, 10), &[&wide]), "shared [4] fix10.0 [0, 256]");
    refused(rescale(4, 20), &[&wide], "differences may wrap");
    refused(rescale(5, 20), &[&wide], "cannot truncate");
    let narrow = shared(&[4], fix(14, 4, -4000, 4000));
    assert_eq!(inferred(rescale(4, 20), &[&narrow]), "shared [4] fix20.0 [0, 250]");
    refused(rescale(4, 9), &[&narrow], "do not extend");
    refused(TruncReduceLocal { shift: 0 }, &[&client(&[1], fix(8, 0, 0, 1))], "needs a shared value");
}

#[test]
fn only_the_client_shares_and_learns() {
    let f = fix(8, 0, -5, 5);
    assert_eq!(inferred(Share {}, &[&client(&[1], f)]), "shared [1] fix8.0 [-5, 5]");
    refused(Share {}, &[&server(&[1], f)], "needs the client's value");
    assert_eq!(inferred(Reveal { to: Party::Client }, &[&shared(&[1], f)]), "client [1] fix8.0 [-5, 5]");
    refused(Reveal { to: Party::Server }, &[&shared(&[1], f)], "nothing is revealed to the server");
    refused(Reveal { to: Party::Client }, &[&server(&[1], f)], "needs a shared value");
}

/// Programs come from strangers: any attributes on any possible types give a type or an error.
#[test]
fn inference_never_panics() {
    let mut r = Seeded(20);
    let mut typed = 0;
    let owners = [Owner::Client, Owner::Server, Owner::Shared, Owner::Public];
    for round in 0..60_000 {
        let mut draw = Draw { r: &mut r, extreme: round % 2 == 0 };
        let mut arg = || loop {
            let ty = Ty { shape: draw.shape().into(), elem: draw.elem(), owner: Owner::Client };
            // Arguments are possible types: those that a source may have.
            if (Op::from(Input { name: String::new(), ty: ty.clone() })).infer(&[]).is_ok() {
                break ty.with_owner(owners[draw.r.within(0, 3)]);
            }
        };
        let (a, b) = (arg(), arg());
        let op = draw.op(&a.shape, &b.shape);
        for args in [&[][..], &[&a], &[&a, &b]] {
            if let Ok(ty) = op.infer(args) {
                typed += 1;
                let again = Op::from(Input { name: String::new(), ty: ty.with_owner(Owner::Client) }).infer(&[]);
                assert!(again.is_ok(), "{op:?} gave an impossible type {ty}: {again:?}");
            }
        }
    }
    assert!(typed > 3000, "{typed} typed");
}

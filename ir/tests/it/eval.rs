//! Hand-checked values of every operator, and the interpreter's errors.

use crate::support::{Seeded, client, fix, secure_graph, shared};
use picc_ir::eval::{EvalError, Value, quantize_input, quantize_to, run_real, run_ring};
use picc_ir::op::F32;
use picc_ir::ops::{
    Add, ArgMax, Concat, Expand, Extend, Function, Gather, Input, LogSoftmax, Lrn, Max, Mul, Neg, Pad, Reduce,
    ReduceMax, ReduceSum, Relu, Reshape, Shl, Slice, Softmax, Sub, Transpose, TruncReduce, Unary, ZeroInsert,
};
use picc_ir::{Fixed, Graph, Op, Owner, Tensor, Ty};
use std::collections::BTreeMap;

fn ring(op: impl Into<Op>, args: &[(&[usize], &[i64])]) -> (Vec<usize>, Vec<i64>) {
    let tensors: Vec<Tensor<i64>> = args.iter().map(|(s, d)| Tensor::new(s, d.to_vec())).collect();
    let tys: Vec<Ty> = args.iter().map(|(s, _)| shared(s, Fixed::full(64, 32))).collect();
    let (tensors, tys): (Vec<&Tensor<i64>>, Vec<&Ty>) = (tensors.iter().collect(), tys.iter().collect());
    let op = op.into();
    let out = op.eval_ring(&tensors, &tys).expect("evaluates");
    assert_eq!(op.infer(&tys).expect("typed").shape, out.shape);
    (out.shape.to_vec(), out.data)
}

fn real(op: impl Into<Op>, shape: &[usize], data: &[f32]) -> Vec<f32> {
    let ty = Ty::real(shape, Owner::Client);
    op.into().eval_real(&[&Tensor::new(shape, data.to_vec())], &[&ty]).expect("evaluates").data
}

#[test]
fn elementwise_operators_broadcast() {
    let (x, row, column): (&[i64], &[i64], &[i64]) = (&[1, 2, 3, 4, 5, 6], &[10, 20, 30], &[100, 200]);
    let x23 = (&[2, 3][..], x);
    assert_eq!(ring(Add {}, &[x23, (&[3], row)]).1, [11, 22, 33, 14, 25, 36]);
    assert_eq!(ring(Sub {}, &[x23, (&[2, 1], column)]).1, [-99, -98, -97, -196, -195, -194]);
    assert_eq!(ring(Mul {}, &[(&[2, 1], column), (&[3], row)]).1, [1000, 2000, 3000, 2000, 4000, 6000]);
    assert_eq!(ring(Max {}, &[x23, (&[], &[4])]).1, [4, 4, 4, 4, 5, 6]);
    assert_eq!(ring(Neg {}, &[x23]).1, [-1, -2, -3, -4, -5, -6]);
    assert_eq!(ring(Relu {}, &[(&[3], &[-1, 0, 1])]).1, [0, 0, 1]);
    assert_eq!(ring(Shl { bits: 3 }, &[(&[2], &[-1, 5])]).1, [-8, 40]);
}

#[test]
fn movements_move() {
    let x: (&[usize], &[i64]) = (&[2, 3], &[1, 2, 3, 4, 5, 6]);
    assert_eq!(ring(Transpose { perm: vec![1, 0] }, &[x]), (vec![3, 2], vec![1, 4, 2, 5, 3, 6]));
    assert_eq!(ring(Reshape { shape: vec![3, 2] }, &[x]).1, x.1);
    assert_eq!(ring(Concat { axis: 1 }, &[x, (&[2, 1], &[7, 8])]).1, [1, 2, 3, 7, 4, 5, 6, 8]);
    assert_eq!(ring(Concat { axis: 0 }, &[x, (&[1, 3], &[7, 8, 9])]).1, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let backwards = Slice { start: vec![1, 2], size: vec![2, 2], step: vec![-1, -2] };
    assert_eq!(ring(backwards, &[x]).1, [6, 4, 3, 1]);
    let one = Slice { start: vec![1, 0], size: vec![1, 2], step: vec![5, 2] };
    assert_eq!(ring(one, &[x]).1, [4, 6]);
    let pad = Pad { before: vec![0, 1], after: vec![1, 0] };
    assert_eq!(ring(pad, &[x]), (vec![3, 4], vec![0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0]));
    assert_eq!(ring(Expand { shape: vec![2, 2, 3] }, &[x]).1, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    assert_eq!(ring(Expand { shape: vec![2, 2] }, &[(&[2, 1], &[3, 4])]).1, [3, 3, 4, 4]);
    assert_eq!(ring(Gather { axis: 1, indices: vec![2, 0, 2] }, &[x]).1, [3, 1, 3, 6, 4, 6]);
    assert_eq!(ring(ZeroInsert { factor: vec![1, 2] }, &[x]).1, [1, 0, 2, 0, 3, 4, 0, 5, 0, 6]);
    assert_eq!(ring(ZeroInsert { factor: vec![7] }, &[(&[1], &[9])]).1, [9]);
}

#[test]
fn reductions_reduce() {
    let x: (&[usize], &[i64]) = (&[2, 3], &[1, 6, 3, 4, 5, 6]);
    assert_eq!(ring(ReduceSum { axes: vec![1], keep: false }, &[x]), (vec![2], vec![10, 15]));
    assert_eq!(ring(ReduceSum { axes: vec![0, 1], keep: true }, &[x]), (vec![1, 1], vec![25]));
    assert_eq!(ring(ReduceMax { axes: vec![0], keep: true }, &[x]), (vec![1, 3], vec![4, 6, 6]));
    assert_eq!(ring(ReduceMax { axes: vec![1, 0], keep: false }, &[x]), (vec![], vec![6]));
    assert_eq!(ring(ArgMax { axis: 0, keep: false, last: false }, &[x]).1, [1, 0, 1]);
    let ties: (&[usize], &[i64]) = (&[1, 4], &[7, -1, 7, 3]);
    assert_eq!(ring(ArgMax { axis: 1, keep: true, last: false }, &[ties]), (vec![1, 1], vec![0]));
    assert_eq!(ring(ArgMax { axis: 1, keep: true, last: true }, &[ties]).1, [2]);
}

#[test]
fn truncation_rounds_to_nearest_and_ties_up() {
    let x = [-7, -6, -5, -2, -1, 0, 1, 2, 5, 6, 7];
    assert_eq!(ring(TruncReduce { shift: 2 }, &[(&[11], &x)]).1, [-2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 2]);
    assert_eq!(ring(TruncReduce { shift: 0 }, &[(&[11], &x)]).1, x);
}

/// The largest values of a ring round up past the shorter ring and wrap; the type says so.
#[test]
fn truncation_at_the_edge_of_the_ring_wraps() {
    for bits in [8u8, 33, 64] {
        let (lo, hi) = picc_ir::ty::ring_limits(bits);
        let f = Fixed::full(bits, 4);
        let mut g = Graph::default();
        let x = g.add(Input { name: "x".into(), ty: client(&[2], f) }, &[], "x").expect("typed");
        let t = g.add(TruncReduce { shift: 4 }, &[x], "t").expect("typed");
        g.outputs.push(("t".into(), t));
        let out = g.ty(t).as_fixed().expect("fixed");
        assert_eq!(out, Fixed::full(bits - 4, 0));
        let inputs = BTreeMap::from([("x".to_owned(), Tensor::new(&[2], vec![lo, hi]))]);
        let run = run_ring(&g, &inputs, &BTreeMap::new(), &mut |_, _| ()).expect("runs");
        let bottom = picc_ir::ty::ring_limits(bits - 4).0;
        assert_eq!(run[0].1, Value::Ring(Tensor::new(&[2], vec![bottom, bottom])));
    }
}

#[test]
fn rings_wrap_extend_and_reduce() {
    let mut g = Graph::default();
    let x = g.add(Input { name: "x".into(), ty: client(&[3], Fixed::full(8, 0)) }, &[], "x").expect("typed");
    let sum = g.add(Add {}, &[x, x], "sum").expect("typed");
    let long = g.add(Extend { ring_bits: 16 }, &[sum], "long").expect("typed");
    let short = g.add(Reduce { ring_bits: 4 }, &[long], "short").expect("typed");
    g.outputs = vec![("long".into(), long), ("short".into(), short)];
    let inputs = BTreeMap::from([("x".to_owned(), Tensor::new(&[3], vec![127, -128, 5]))]);
    let run = run_ring(&g, &inputs, &BTreeMap::new(), &mut |_, _| ()).expect("runs");
    assert_eq!(run[0].1.as_ring().expect("ring").data, [-2, 0, 10]);
    assert_eq!(run[1].1.as_ring().expect("ring").data, [-2, 0, -6]);
}

#[test]
fn real_functions_are_the_textbook_ones() {
    let close = |a: Vec<f32>, b: &[f32]| {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 2e-6, "{a} {b}");
        }
    };
    close(real(Softmax { axis: 1 }, &[1, 3], &[1.0, 2.0, 3.0]), &[0.090_030_57, 0.244_728_48, 0.665_240_94]);
    close(real(LogSoftmax { axis: 0 }, &[2], &[1000.0, 1000.0]), &[-std::f32::consts::LN_2; 2]);
    let of = |function| real(Unary { function }, &[2], &[0.5, 2.0]);
    close(of(Function::Erf), &[0.520_499_9, 0.995_322_3]);
    close(of(Function::Sigmoid), &[0.622_459_35, 0.880_797_1]);
    close(of(Function::Sqrt), &[std::f32::consts::FRAC_1_SQRT_2, std::f32::consts::SQRT_2]);
    close(of(Function::Reciprocal), &[2.0, 0.5]);
    let part = |v: f32| F32::from(v);
    let lrn = Lrn { size: 3, alpha: part(3.0), beta: part(0.5), bias: part(1.0) };
    // x / sqrt(1 + sum of the squares of the channel and its neighbours)
    close(real(lrn, &[1, 3, 1], &[1.0, 2.0, 3.0]), &[1.0 / 6f32.sqrt(), 2.0 / 15f32.sqrt(), 3.0 / 14f32.sqrt()]);
    // An even window reaches one channel further ahead.
    let even = Lrn { size: 2, alpha: part(2.0), beta: part(1.0), bias: part(0.0) };
    close(real(even, &[1, 3, 1], &[1.0, 2.0, 3.0]), &[0.2, 2.0 / 13.0, 1.0 / 3.0]);
}

#[test]
fn inputs_are_rounded_and_saturated() {
    let x = Tensor::new(&[6], vec![0.5, -0.5, 1.24, 1e30, -1e30, f32::NAN]);
    assert_eq!(quantize_input(&x, 0, 8).data, [1, -1, 1, 127, -128, 0]);
    assert_eq!(quantize_input(&x, 2, 64).data, [2, -2, 5, i64::MAX, i64::MIN, 0]);
    assert_eq!(quantize_to(&x, fix(20, 2, -3, 4)).data, [2, -2, 4, 4, -3, 0]);
}

#[test]
fn a_secure_program_runs_to_its_real_tail() {
    let g = secure_graph();
    let inputs = BTreeMap::from([("x".to_owned(), Tensor::new(&[1, 1, 2, 2], vec![16, -8, 4, 2]))]);
    let w = Tensor::new(&[2, 1, 2, 2], vec![16, 1, 2, 3, -16, 0, 0, 0]);
    let mut seen = Vec::new();
    let weights = BTreeMap::from([("w".to_owned(), w)]);
    let out = run_ring(&g, &inputs, &weights, &mut |id, v| seen.push((id, v.clone()))).expect("runs");
    // 256 - 8 + 8 + 6 = 262 -> (262 + 8) >> 4 = 16, in units of 1/16
    assert_eq!(out[0].1, Value::Real(Tensor::new(&[1, 2, 1, 1], vec![1.0, 0.0])));
    let e = std::f32::consts::E;
    assert!((out[1].1.as_real().expect("real").data[0] - e / (e + 1.0)).abs() < 1e-6);
    assert_eq!(seen.len(), g.nodes.len());
}

#[test]
fn missing_and_misshapen_tensors_are_named() {
    let g = secure_graph();
    let x = BTreeMap::from([("x".to_owned(), Tensor::full(&[1, 1, 2, 2], 0i64))]);
    let run = |inputs: &BTreeMap<_, _>, weights: &BTreeMap<_, _>| {
        run_ring(&g, inputs, weights, &mut |_, _| ()).expect_err("refused")
    };
    let none = BTreeMap::new();
    assert_eq!(run(&none, &none), EvalError::InputMissing { name: "x".into() });
    assert_eq!(run(&x, &none), EvalError::WeightMissing { name: "w".into() });
    let flat = BTreeMap::from([("w".to_owned(), Tensor::full(&[8], 0i64))]);
    assert_eq!(run(&x, &flat).to_string(), "`w` has shape [8], the program needs [2, 1, 2, 2]");
    let large = BTreeMap::from([("w".to_owned(), Tensor::full(&[2, 1, 2, 2], 32i64))]);
    assert_eq!(run(&x, &large).to_string(), "`w` holds 32, outside its range [-31, 31]");
    let real = run_real(&g, &BTreeMap::new(), &BTreeMap::new(), &mut |_, _| ());
    assert_eq!(real, Err(EvalError::InputMissing { name: "x".into() }));
}

/// Random values stay inside the inferred ranges.
#[test]
fn ranges_hold() {
    let mut r = Seeded(4);
    for _ in 0..500 {
        let a = fix(24, 4, -r.signed(90).abs(), r.signed(90).abs());
        let b = fix(24, 4, -r.signed(90).abs(), r.signed(90).abs());
        let (x, y) = (r.ring_tensor(&[8], 90), r.ring_tensor(&[8], 90));
        let (x, y) = (x.map(|v| *v.clamp(&a.lo, &a.hi)), y.map(|v| *v.clamp(&b.lo, &b.hi)));
        let (ta, tb) = (shared(&[8], a), shared(&[8], b));
        let two: [Op; 4] = [Add {}.into(), Sub {}.into(), Mul {}.into(), Max {}.into()];
        let one: [Op; 6] = [
            Neg {}.into(),
            Relu {}.into(),
            Shl { bits: 3 }.into(),
            TruncReduce { shift: 3 }.into(),
            ReduceSum { axes: vec![0], keep: false }.into(),
            Pad { before: vec![1], after: vec![0] }.into(),
        ];
        for op in two.iter().chain(&one) {
            let n = if two.contains(op) { 2 } else { 1 };
            let (values, tys) = ([&x, &y], [&ta, &tb]);
            let f = op.infer(&tys[..n]).expect("typed").as_fixed().expect("fixed");
            let out = op.eval_ring(&values[..n], &tys[..n]).expect("evaluates");
            assert!(out.data.iter().all(|v| (f.lo..=f.hi).contains(v)), "{op:?}: {out:?} outside {f:?}");
        }
    }
}

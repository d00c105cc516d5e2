//! Bit for bit what the interpreter says.

use super::{Evaluation, Inputs, Left, Runner, SharesRunner};
use picc_ir::eval::{run_ring, run_shares};
use picc_ir::geom::MatMulGeom;
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::mpc::{ConvRlwe, ExtendOt, MatMulRlwe, MaxPoolOt, ReluOt, Reveal, Share, TruncReduceLocal};
use picc_ir::ops::{
    Add, Assume, Concat, Const, ConstValue, Conv, Dequantize, Extend, Input, MatMul, Max, MaxPool, Mul, Neg,
    Reduce, Relu, Reshape, Shl, Slice, Softmax, Sub, SumPool, Transpose, TruncReduce, Weight,
};
use picc_ir::testing::splitmix;
use picc_ir::weights::RingWeights;
use picc_ir::{Fixed, Graph, Id, Op, Owner, Party, Tensor, Ty};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        splitmix(&mut self.0)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// In the range of the element; the ends often.
    fn tensor(&mut self, ty: &Ty) -> Tensor<i64> {
        let f = ty.as_fixed().expect("integers");
        let span = f.hi.wrapping_sub(f.lo).cast_unsigned();
        let mut draw = || match (self.next() % 8, self.next()) {
            (0, _) => f.lo,
            (1, _) => f.hi,
            (_, r) if span == u64::MAX => r.cast_signed(),
            (_, r) => f.lo.wrapping_add((r % (span + 1)).cast_signed()),
        };
        Tensor::new(&ty.shape, (0..ty.len()).map(|_| draw()).collect())
    }
}

/// Every node of the graph as an output, three inputs, one by one and together.
fn agrees(mut graph: Graph, r: &mut Random, every_output: bool) {
    if every_output {
        graph.outputs = graph.iter().map(|(id, _)| (format!("n{}", id.0), id)).collect();
    }
    let mut weights = RingWeights::new();
    for node in &graph.nodes {
        if let Op::Weight(w) = &node.op {
            weights.insert(w.name.clone(), r.tensor(&w.ty));
        }
    }
    let mut inputs = || -> Inputs {
        let mut inputs = Inputs::new();
        for node in &graph.nodes {
            if let Op::Input(i) = &node.op {
                inputs.insert(i.name.clone(), r.tensor(&i.ty));
            }
        }
        inputs
    };
    let inputs = [inputs(), inputs(), inputs()];
    let mut left = vec![Vec::new(); inputs.len()];
    let expected: Vec<_> = inputs
        .iter()
        .zip(&mut left)
        .map(|(i, left)| run_ring(&graph, i, &weights, &mut |id, v| observe(&graph, id, v, left)))
        .collect();
    let runner = match Runner::new(&graph, &weights) {
        Ok(runner) => runner,
        Err(e) => return assert!(expected.iter().all(Result::is_err), "{e}\n{graph}"),
    };
    let bits = |outputs: &super::Outputs| format!("{outputs:?}");
    for (inputs, expected) in inputs.iter().zip(&expected) {
        match (runner.run(inputs), expected) {
            (Ok(found), Ok(expected)) => assert!(bits(&found) == bits(expected), "every {every_output}\n{graph}"),
            (found, expected) => {
                assert!(found.is_err() && expected.is_err(), "{found:?}, not {expected:?}\n{graph}")
            }
        }
    }
    with_errors(&graph, &weights, &inputs);
    if let Ok(expected) = expected.into_iter().collect::<Result<Vec<_>, _>>() {
        let found = runner.run_many(&inputs).expect("each one runs");
        let same = found.iter().zip(&expected).all(|(found, expected)| bits(&found.outputs) == bits(expected));
        assert!(same && found.len() == 3, "together, every {every_output}\n{graph}");
        let claims: Vec<Vec<Left>> = found.into_iter().map(|run| run.left).collect();
        assert_eq!(claims, left, "every {every_output}\n{graph}");
    }
}

/// Counts what is outside the range that a node claims.
fn observe(graph: &Graph, id: Id, value: &picc_ir::eval::Value, left: &mut Vec<Left>) {
    if let (Op::Assume(claim), Some(v)) = (&graph.node(id).op, value.as_ring()) {
        let values = v.data.iter().filter(|v| !(claim.lo..=claim.hi).contains(*v)).count() as u64;
        left.extend((values > 0).then_some(Left { node: id, values }));
    }
}

/// The errors of a private run, seed by seed, and whether claims hold.
fn with_errors(graph: &Graph, weights: &RingWeights, inputs: &[Inputs; 3]) {
    let expected = |(seed, inputs): (u64, &Inputs)| {
        let mut left = Vec::new();
        let outputs = run_shares(graph, inputs, weights, seed, &mut |id, v| observe(graph, id, v, &mut left))?;
        Ok(Evaluation { outputs, left })
    };
    let expected: Result<Vec<Evaluation>, picc_ir::eval::EvalError> = (7..).zip(inputs).map(expected).collect();
    let runner = SharesRunner::new(graph, weights).expect("complete");
    let seeded: Vec<(&Inputs, u64)> = inputs.iter().zip(7..).collect();
    match (runner.run_many(&seeded), expected) {
        (Ok(found), Ok(expected)) => {
            assert!(format!("{found:?}") == format!("{expected:?}"), "with errors\n{graph}");
        }
        (found, expected) => assert!(found.is_err() && expected.is_err(), "{found:?}, not {expected:?}\n{graph}"),
    }
}

fn fixed(ring_bits: u8, frac_bits: u8, lo: i64, hi: i64) -> Fixed {
    Fixed { ring_bits, frac_bits, lo, hi }
}

/// A layer as compiled programs have them, in a ring of `ring` bits, with a claim about the range that is false.
fn layers(ring: u8, weight: i64, groups: usize, skip_low: u8) -> Graph {
    let mut g = Graph::default();
    let mut add = |op: Op, args: &[Id]| g.add(op, args, "").unwrap_or_else(|e| panic!("{e}"));
    let input = fixed(ring, 6, -(1 << (ring - 3)), (1 << (ring - 3)) - 1);
    let x = add(Input { name: "x".into(), ty: Ty::fixed(&[1, 4, 9, 7], input, Owner::Client) }.into(), &[]);
    let s = add(Share {}.into(), &[x]);
    let small = add(Assume { lo: -100, hi: 100 }.into(), &[s]);
    let w = fixed(ring, 6, -weight, weight);
    let w = add(Weight { name: "w".into(), ty: Ty::fixed(&[6, 4 / groups, 3, 3], w, Owner::Server) }.into(), &[]);
    let conv = Conv { stride: [2, 1], pads: [1; 4], dilation: [1; 2], groups };
    let hiding = if groups == 1 { Hiding::FullRange } else { Hiding::Flood };
    let geom = conv.geom(&[1, 4, 9, 7], &[6, 4 / groups, 3, 3]).expect("a geometry");
    let c = add(ConvRlwe { geom, weight_bits: 17, hiding }.into(), &[small, w]);
    let bias = fixed(ring, 12, -5000, 5000);
    let bias = add(Weight { name: "b".into(), ty: Ty::fixed(&[1, 6, 1, 1], bias, Owner::Server) }.into(), &[]);
    let sum = add(Add {}.into(), &[c, bias]);
    let t = add(TruncReduceLocal { shift: 6 }.into(), &[sum]);
    let t = add(Assume { lo: -1000, hi: 1000 }.into(), &[t]);
    let y = match skip_low {
        0 => add(ReluOt::exact(4).into(), &[t]),
        _ => {
            let y = add(ReluOt { radix: 4, skip_low }.into(), &[t]);
            let pool = MaxPool { kernel: [3, 3], stride: [1, 1], pads: [1; 4], dilation: [1; 2] };
            add(MaxPoolOt { skip_low, ..MaxPoolOt::exact(&pool, 4) }.into(), &[y])
        }
    };
    let y = add(ExtendOt { ring_bits: ring }.into(), &[y]);
    let flat = add(Reshape { shape: vec![1, 6 * 5 * 7] }.into(), &[y]);
    let v = fixed(ring, 6, -weight, weight);
    let v = add(Weight { name: "v".into(), ty: Ty::fixed(&[6 * 5 * 7, 5], v, Owner::Server) }.into(), &[]);
    let geom = MatMulGeom { batch: 1, rows: 1, inner: 6 * 5 * 7, cols: 5 };
    let m = add(MatMulRlwe { geom, weight_bits: 17, weights_left: false, hiding }.into(), &[flat, v]);
    let out = add(Reveal { to: Party::Client }.into(), &[m]);
    let out = add(Dequantize {}.into(), &[out]);
    let out = add(Softmax { axis: 1 }.into(), &[out]);
    g.outputs.push(("y".into(), out));
    g
}

#[test]
fn layers_agree_in_every_arithmetic() {
    let mut r = Random(1);
    for ring in [20, 31, 32, 33, 44, 52, 53, 60] {
        for weight in [100, 32767, 65535] {
            for groups in [1, 2] {
                for every in [false, true] {
                    for skip_low in [0, 4] {
                        agrees(layers(ring, weight, groups, skip_low), &mut r, every);
                    }
                }
            }
        }
    }
}

/// Random graphs of what a chain can hold, and of products.
fn random(r: &mut Random) -> Graph {
    let mut g = Graph::default();
    let ring = [8, 16, 17, 32, 33, 50, 64][r.below(7)];
    let limit = i64::MAX >> (64 - ring);
    let f = if r.below(2) == 0 { Fixed::full(ring, 3) } else { fixed(ring, 3, -(limit / 3), limit / 2) };
    let shapes: [&[usize]; 6] = [&[1, 3, 4, 5], &[1, 3, 4, 5], &[1, 3, 1, 1], &[4, 5], &[3, 3, 1, 2], &[5, 4]];
    for (i, shape) in shapes.into_iter().enumerate() {
        let (name, ty) = (format!("t{i}"), |owner| Ty::fixed(shape, f, owner));
        let op: Op = match r.below(3) {
            0 if i > 1 => Weight { name, ty: ty(Owner::Server) }.into(),
            1 if i > 1 => Const { ty: ty(Owner::Public), value: ConstValue::Int(vec![f.lo + 1]) }.into(),
            _ => Input { name, ty: ty(Owner::Client) }.into(),
        };
        g.add(op, &[], "").expect("a source");
    }
    for _ in 0..200 {
        if g.nodes.len() > 22 {
            break;
        }
        // Mostly what is new, so that chains grow.
        let last = g.nodes.len() - 1;
        let mut pick = || Id((if r.below(2) == 0 { last - r.below(2) } else { r.below(last + 1) }) as u32);
        let (a, b) = (pick(), pick());
        let (bits, keep) = (1 + r.below(4) as u8, r.below(2));
        let conv = Conv { stride: [1 + keep, 1], pads: [keep; 4], dilation: [1; 2], groups: 1 };
        let op: Op = match r.below(20) {
            0 => Add {}.into(),
            1 => Sub {}.into(),
            2 => Mul {}.into(),
            3 => Neg {}.into(),
            4 => Shl { bits }.into(),
            5 => Relu {}.into(),
            6 => Max {}.into(),
            7 | 8 => TruncReduce { shift: bits }.into(),
            9 => Extend { ring_bits: ring }.into(),
            10 => Reduce { ring_bits: ring / 2 }.into(),
            11 => Assume { lo: -3, hi: 40 }.into(),
            12 => Reshape { shape: vec![g.ty(a).len()] }.into(),
            13 => Transpose { perm: (0..g.ty(a).shape.len()).rev().collect() }.into(),
            14 => MatMul {}.into(),
            15 => SumPool { kernel: [2; 2], stride: [1; 2], pads: [keep; 4], dilation: [1; 2] }.into(),
            16 => Concat { axis: keep }.into(),
            17 => Slice { start: vec![0; 4], size: vec![1, 2, 2, 3], step: vec![1; 4] }.into(),
            _ => conv.into(),
        };
        for n in 1..=2 {
            if g.add(op.clone(), &[a, b][..n], "").is_ok() {
                break;
            }
        }
    }
    let last = g.nodes.len() - 1;
    g.outputs = vec![("y".into(), Id(last as u32)), ("z".into(), Id(r.below(last) as u32))];
    g
}

#[test]
fn random_graphs_agree() {
    for seed in 0..400 {
        let mut r = Random(seed);
        let graph = random(&mut r);
        agrees(graph.clone(), &mut r, false);
        agrees(graph, &mut r, true);
    }
}

#[test]
fn what_the_interpreter_refuses_is_refused() {
    let graph = layers(32, 100, 1, 0);
    let mut r = Random(7);
    let weights: RingWeights = graph
        .nodes
        .iter()
        .filter_map(|n| match &n.op {
            Op::Weight(w) => Some((w.name.clone(), r.tensor(&w.ty))),
            _ => None,
        })
        .collect();
    let runner = Runner::new(&graph, &weights).expect("complete");
    let inputs = |shape: &[usize], value| Inputs::from([("x".to_owned(), Tensor::full(shape, value))]);
    assert!(runner.run(&inputs(&[1, 4, 9, 7], 1)).is_ok());
    for bad in [Inputs::new(), inputs(&[1, 4, 9, 8], 1), inputs(&[1, 4, 9, 7], 1 << 40)] {
        let expected = run_ring(&graph, &bad, &weights, &mut |_, _| ()).expect_err("refused");
        assert_eq!(runner.run(&bad).expect_err("refused").to_string(), expected.to_string());
    }
    let without = RingWeights::new();
    let expected = run_ring(&graph, &inputs(&[1, 4, 9, 7], 1), &without, &mut |_, _| ()).expect_err("refused");
    assert_eq!(Runner::new(&graph, &without).err().expect("refused"), expected);
}

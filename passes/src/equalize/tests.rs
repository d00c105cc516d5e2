use super::*;
use crate::Options;
use crate::testing::{Inputs, Net, outputs_of, run_program};
use crate::tests::random_net;
use picc_ir::op::Op;
use picc_ir::ops::{Concat, Input, MatMul, Mul, Pad, Slice};
use picc_ir::{Owner, Ty};

/// A client's part that shows the outputs as they are.
fn tail_of(core: &Graph) -> Graph {
    let mut tail = Graph::default();
    for (name, id) in &core.outputs {
        let ty = Ty::real(&core.ty(*id).shape, Owner::Client);
        let at = tail.add(Input { name: name.clone(), ty }, &[], name).unwrap();
        tail.outputs.push((name.clone(), at));
    }
    tail
}

fn equalized(net: &Net, samples: &[Inputs], ends: bool) -> Option<Equalized> {
    equalize(&net.graph, &tail_of(&net.graph), &net.weights, samples, ends).unwrap()
}

/// The equalized model's outputs.
fn answers(e: &Equalized, inputs: &Inputs) -> Vec<Tensor<f32>> {
    let core = outputs_of(&e.core, &e.weights, inputs);
    let names = e.core.outputs.iter().map(|(name, _)| name.clone());
    outputs_of(&e.tail, &RealWeights::new(), &names.zip(core).collect())
}

/// Multiplies the weights of each output channel of every layer by a random power of two, so that there is something
/// to equalize.
fn spread(net: &mut Net) {
    let mut rng = crate::testing::Rng(net.rng.next());
    for node in net.graph.nodes.clone() {
        if let (Op::Conv(_), &[_, w]) = (&node.op, &node.args[..])
            && let Op::Weight(weight) = &net.graph.node(w).op
        {
            let values = net.weights.get_mut(&weight.name).unwrap();
            let inner: usize = values.shape[1..].iter().product();
            for filter in values.data.chunks_mut(inner) {
                let scale = (rng.below(20) as f32 - 10.0).exp2();
                filter.iter_mut().for_each(|v| *v *= scale);
            }
        }
    }
}

/// Powers of two change no bit of a product or a sum, whatever the network is.
#[test]
fn nothing_changes_over_the_reals() {
    let mut changed = 0;
    for seed in 0..60 {
        let mut net = random_net(seed);
        spread(&mut net);
        let samples = net.samples(3, 1.0);
        for ends in [false, true] {
            let Some(e) = equalized(&net, &samples, ends) else { continue };
            changed += usize::from(e.shifts.iter().any(|s| *s != (0, 0)));
            for inputs in &samples {
                assert_eq!(answers(&e, inputs), net.real(inputs), "seed {seed}, ends {ends}");
            }
        }
    }
    assert!(changed > 40, "{changed}");
}

/// No factor shows inside: models of one architecture whose factors differ have one program.
#[test]
fn factors_are_hidden_in_the_weights() {
    let mut compared = 0;
    for seed in 0..30 {
        let [a, b] = [0, 1].map(|variant| {
            let mut net = random_net(seed);
            let samples = net.samples(3, 1.0);
            (0..variant).for_each(|_| _ = net.rng.next());
            spread(&mut net);
            equalized(&net, &samples, false)
        });
        let (Some(a), Some(b)) = (a, b) else { continue };
        assert_eq!(a.core, b.core, "seed {seed}");
        compared += usize::from(a.shifts != b.shifts);
    }
    assert!(compared > 10, "{compared}");
}

/// The scales of a depthwise layer's channels, a thousandth to a thousand, are gone where its values are quantized; a
/// channel keeps its two bits.
#[test]
fn channels_come_within_two_bits_of_the_largest() {
    let mut net = Net::new(3);
    let x = net.input(&[1, 8, 6, 6]);
    let y = net.conv(x, 8, 3, 1, 8);
    let scales: Vec<f32> = (0..8).map(|c| (c as f32 * 3.0 - 10.0).exp2()).collect();
    let w = net.weights.get_mut("w0").unwrap();
    w.data.chunks_mut(9).zip(&scales).for_each(|(f, s)| f.iter_mut().for_each(|v| *v *= s));
    let y = net.relu(y);
    let y = net.gemm(y, 3);
    net.output(y);
    let samples = net.samples(16, 1.0);
    let e = equalized(&net, &samples, false).unwrap();
    let relu = e.core.iter().find(|(_, n)| matches!(n.op, Op::Relu(_))).unwrap().0;
    let mut largest = [0.0f32; 8];
    for sample in &samples {
        crate::ranges::walk(&e.core, &e.weights, sample, 0, &mut |id, v| {
            if id == relu {
                for (m, c) in largest.iter_mut().zip(v.data.chunks(36)) {
                    *m = c.iter().fold(*m, |m, v| m.max(*v));
                }
            }
        })
        .unwrap();
    }
    let top = largest.iter().fold(0.0f32, |m, v| m.max(*v));
    assert!(largest.iter().all(|&v| v > top / 16.0), "{largest:?}");
    assert_eq!(e.shifts[relu.index()].0, 0);
    assert!(e.shifts[relu.index()].1 > 10, "{:?}", e.shifts[relu.index()]);
}

/// One weight in two layers stays one weight, scaled for both alike; used in another way too it is not scaled at all.
#[test]
fn a_shared_weight_stays_one() {
    for added in [false, true] {
        let mut net = Net::new(4);
        let x = net.input(&[4, 4]);
        let wide = net.weight_of(Tensor::new(&[4, 4], (0..16).map(|i| (-((i % 4) * 4) as f32).exp2()).collect()));
        let y = net.add(MatMul {}, &[x, wide]);
        let y = if added { net.add(picc_ir::ops::Add {}, &[y, wide]) } else { net.relu(y) };
        net.output(y);
        let other = net.relu(x);
        let y = net.add(MatMul {}, &[other, wide]);
        net.output(y);
        let samples = net.samples(8, 1.0);
        let e = equalized(&net, &samples, true).unwrap();
        let weights = e.core.nodes.iter().filter(|n| matches!(n.op, Op::Weight(_))).count();
        assert_eq!(weights, 1, "{added}");
        assert_eq!(e.weights["w0"] == net.weights["w0"], added);
        assert_eq!(answers(&e, &samples[0]), net.real(&samples[0]), "{added}");
    }
}

/// Channels that are alike already lead to the program of those that are not.
#[test]
fn whether_there_was_anything_to_do_does_not_show() {
    let [a, b] = [0.0f32, 3.0].map(|spread| {
        let mut net = Net::new(8);
        let x = net.input(&[1, 4, 6, 6]);
        let y = net.conv(x, 4, 3, 1, 1);
        let w = net.weights.get_mut("w0").unwrap();
        w.data.chunks_mut(36).enumerate().for_each(|(c, f)| {
            f.iter_mut().for_each(|v| *v *= (c as f32 * spread).exp2());
        });
        let y = net.relu(y);
        let y = net.gemm(y, 3);
        net.output(y);
        let samples = net.samples(8, 1.0);
        equalized(&net, &samples, false).unwrap()
    });
    assert!(a.shifts.iter().all(|s| *s == (0, 0)) && b.shifts.iter().any(|s| *s != (0, 0)));
    assert_eq!(a.core, b.core);
}

/// What joins values of another scale, moves them about or puts zeros between them.
#[test]
fn elements_are_followed_through_moves() {
    let mut net = Net::new(5);
    let x = net.input(&[1, 4, 4, 4]);
    let a = net.conv(x, 4, 1, 1, 1);
    let b = net.conv(x, 4, 1, 1, 1);
    let joined = net.add(Concat { axis: 1 }, &[a, b]);
    let padded = net.add(Pad { before: vec![0, 2, 0, 0], after: vec![0, 1, 1, 0] }, &[joined]);
    let biased = net.bias(padded);
    let y = net.relu(biased);
    let part = net.add(Slice { start: vec![0, 3, 0, 0], size: vec![1, 6, 5, 4], step: vec![1; 4] }, &[y]);
    let y = net.gemm(part, 3);
    net.output(y);
    spread(&mut net);
    let samples = net.samples(4, 1.0);
    for ends in [false, true] {
        let e = equalized(&net, &samples, ends).unwrap();
        assert_eq!(answers(&e, &samples[0]), net.real(&samples[0]));
    }
}

/// Features of a table from a thousandth to a thousand, and outputs alike: only the client's ends show that.
#[test]
fn ends_are_scaled_by_the_client() {
    let mut net = Net::new(6);
    let x = net.input(&[1, 6]);
    let unit = net.weight_of(Tensor::new(&[6], (0..6).map(|i| (10.0 - 4.0 * i as f32).exp2()).collect()));
    let y = net.add(Mul {}, &[x, unit]);
    let y = net.gemm(y, 4);
    let heads = net.weight_of(Tensor::new(&[4], (0..4).map(|i| (5.0 * i as f32 - 10.0).exp2()).collect()));
    let y = net.add(Mul {}, &[y, heads]);
    net.output(y);
    let mut samples = net.samples(64, 1.0);
    for s in &mut samples {
        let x = s.get_mut("x").unwrap();
        x.data.iter_mut().enumerate().for_each(|(i, v)| *v *= (4.0 * i as f32 - 10.0).exp2());
    }
    let compiled = net.compile(&Options::default(), &samples);
    let mut largest = [0.0f32; 4];
    let mut worst = [0.0f32; 4];
    for s in &samples {
        let (want, got) = (&net.real(s)[0], &run_program(&compiled, s)[0]);
        for i in 0..4 {
            largest[i] = largest[i].max(want.data[i].abs());
            worst[i] = worst[i].max((want.data[i] - got.data[i]).abs());
        }
    }
    for i in 0..4 {
        assert!(worst[i] <= largest[i] / 200.0, "{worst:?} of {largest:?}");
    }
}

use super::layer::Layer;
use super::{Composed, compose_by, pairs};
use crate::canonicalize::canonicalize;
use crate::testing::{Net, Rng, max_difference, outputs_of, run_program};
use crate::{Compiled, Linear, Options};
use picc_ir::cost::profile::Profile;
use picc_ir::ops::*;
use picc_ir::verify::{Stage, verify};
use picc_ir::{Id, Tensor};

/// Every pair is composed, whatever it costs.
fn composed(net: &Net) -> Composed {
    let (graph, weights) = canonicalize(net.graph.clone(), net.weights.clone()).unwrap();
    let done = compose_by(graph, weights, |_| Some(1)).unwrap();
    verify(&done.graph, Stage::Real).unwrap();
    done
}

fn linear_layers(graph: &picc_ir::Graph) -> usize {
    graph.nodes.iter().filter(|n| ["conv", "matmul"].contains(&n.op.name())).count()
}

/// The same function over the reals, up to the rounding of single precision.
#[track_caller]
fn same(net: &mut Net, done: &Composed) {
    for inputs in net.samples(2, 1.0) {
        let (before, after) = (net.real(&inputs), outputs_of(&done.graph, &done.weights, &inputs));
        for (a, b) in before.iter().zip(&after) {
            let size = a.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
            let off = max_difference(a, b) / size;
            assert!(off < 1e-5, "off by {off}\n{}\nbecame\n{}", net.graph, done.graph);
        }
    }
}

fn any_conv(rng: &mut Rng, groups: usize) -> ([usize; 2], Conv) {
    let kernel = [1 + rng.below(3), 1 + rng.below(3)];
    let mut pads = [0; 4];
    if rng.below(3) > 0 {
        pads = [(); 4].map(|()| rng.below(3));
    }
    let stride = [1 + rng.below(2), 1 + rng.below(2)];
    (kernel, Conv { stride, pads, dilation: [1 + rng.below(2), 1 + rng.below(2)], groups })
}

/// A bias for each channel, for all channels, or for each pixel.
fn any_bias(net: &mut Net, x: Id) -> Id {
    let shape = net.shape(x);
    let shape = match net.rng.below(4) {
        0 => vec![1],
        1 => vec![1, shape[1], 1, 1],
        2 => shape[1..].to_vec(),
        _ => vec![shape[1], 1, 1],
    };
    let b = net.weight(&shape, 0.5);
    net.add(Add {}, &[x, b])
}

fn conv(net: &mut Net, x: Id, outs: usize, (kernel, op): &([usize; 2], Conv)) -> Id {
    let ins = net.shape(x)[1];
    let w = net.weight(&[outs, ins / op.groups, kernel[0], kernel[1]], 0.5);
    net.add(op.clone(), &[x, w])
}

#[test]
fn a_conv_of_a_conv_is_one_conv_where_the_padding_allows_it() {
    let mut counts = [0; 2];
    for seed in 0..600 {
        let mut net = Net::new(seed);
        let [g1, g2] = [(); 2].map(|()| [1, 1, 2, 3, 6][net.rng.below(5)]);
        let (n, h, w) = (1 + net.rng.below(2), 9 + net.rng.below(4), 9 + net.rng.below(4));
        let x = net.input(&[n, 6, h, w]);
        let (first, second) = (any_conv(&mut net.rng, g1), any_conv(&mut net.rng, g2));
        let y = conv(&mut net, x, [6, 12][seed as usize % 2], &first);
        let y = if net.rng.below(2) == 0 { y } else { any_bias(&mut net, y) };
        if net.shape(y)[2..].iter().any(|&d| d < 5) {
            continue;
        }
        let z = conv(&mut net, y, 6, &second);
        let z = if net.rng.below(2) == 0 { z } else { any_bias(&mut net, z) };
        net.output(z);
        let padded = |op: &Conv, i: usize| op.pads[i] + op.pads[i + 2] > 0;
        let holds = (0..2).all(|i| !padded(&second.1, i) || (first.0[i] == 1 && !padded(&first.1, i)));
        let done = composed(&net);
        assert_eq!(linear_layers(&done.graph), if holds { 1 } else { 2 }, "{}", net.graph);
        assert_eq!(done.notes.len(), usize::from(holds));
        same(&mut net, &done);
        counts[usize::from(holds)] += 1;
    }
    assert!(counts.iter().all(|&n| n > 100), "refused, composed: {counts:?}");
}

#[test]
fn a_matmul_of_a_matmul_is_one_matmul() {
    for seed in 0..60 {
        let mut net = Net::new(seed);
        let outer = [vec![3], vec![1], vec![2, 3]][seed as usize % 3].clone();
        let x = net.input(&[&outer[..], &[5]].concat());
        let (v, w) = (net.weight(&[5, 4], 0.7), net.weight(&[4, 6], 0.7));
        let mut y = net.add(MatMul {}, &[x, v]);
        if net.rng.below(3) > 0 {
            let b = net.weight(&[4], 0.5);
            y = net.add(Add {}, &[y, b]);
        }
        let z = net.add(MatMul {}, &[y, w]);
        net.output(z);
        let done = composed(&net);
        assert_eq!(linear_layers(&done.graph), 1, "{}", done.graph);
        same(&mut net, &done);
    }
}

#[test]
fn a_bias_under_padding_becomes_a_map() {
    let mut net = Net::new(3);
    let x = net.input(&[1, 2, 5, 5]);
    let y = net.conv(x, 4, 1, 1, 1);
    let y = net.bias(y);
    let z = net.conv(y, 3, 3, 1, 1);
    let z = net.bias(z);
    net.output(z);
    let done = composed(&net);
    same(&mut net, &done);
    let bias = done.weights.values().find(|t| t.shape[..] == [3, 5, 5]).unwrap_or_else(|| panic!("{}", done.graph));
    assert_ne!(bias.data[0], bias.data[12], "the border differs from the middle");
    assert_eq!(bias.data[12].to_bits(), bias.data[13].to_bits(), "the middle is the same everywhere");
}

/// A second layer that the closure puts behind a convolution of one image, or of two.
fn count(images: usize, rest: impl Fn(&mut Net, Id) -> Id) -> usize {
    let mut net = Net::new(9);
    let x = net.input(&[images, 4, 6, 6]);
    let y = net.conv(x, 4, 3, 1, 1);
    let z = rest(&mut net, y);
    net.output(z);
    let (graph, _) = canonicalize(net.graph.clone(), net.weights.clone()).unwrap();
    pairs(&graph).len()
}

#[test]
fn what_is_not_shown_is_refused() {
    let pointwise = |net: &mut Net, y: Id| net.conv(y, 2, 1, 1, 1);
    assert_eq!(count(1, pointwise), 1);
    let relu = |net: &mut Net, y: Id| {
        let r = net.relu(y);
        pointwise(net, r)
    };
    assert_eq!(count(1, relu), 0, "something is between them");
    let used_twice = |net: &mut Net, y: Id| {
        let z = net.conv(y, 4, 1, 1, 1);
        net.add(Add {}, &[y, z])
    };
    assert_eq!(count(1, used_twice), 0, "the middle is needed anyway");
    let shown = |net: &mut Net, y: Id| {
        net.output(y);
        pointwise(net, y)
    };
    assert_eq!(count(1, shown), 0, "the middle is an output");
    assert_eq!(count(1, |net, y| net.conv(y, 2, 3, 1, 1)), 0, "padding between two layers of many taps");
    let sum = |shape: &'static [usize]| {
        move |net: &mut Net, y: Id| {
            let b = net.weight(shape, 1.0);
            let y = net.add(Add {}, &[y, b]);
            pointwise(net, y)
        }
    };
    assert_eq!(count(2, sum(&[1, 4, 6, 6])), 1);
    assert_eq!(count(2, sum(&[2, 4, 6, 6])), 0, "a bias that differs between images");
    let public = |net: &mut Net, y: Id| {
        let values = Tensor::new(&[2, 4, 1, 1], (0..8).map(|v| v as f32).collect());
        let w = net.add(crate::graph_edit::real_const(&values), &[]);
        net.add(Conv { stride: [1; 2], pads: [0; 4], dilation: [1; 2], groups: 1 }, &[y, w])
    };
    assert_eq!(count(1, public), 0, "public weights need no protocol: the layer is free already");
}

#[test]
fn a_chain_becomes_one_layer() {
    let mut net = Net::new(4);
    let x = net.input(&[1, 4, 8, 8]);
    let mut y = net.conv(x, 4, 3, 2, 4);
    for outs in [6, 3, 5] {
        y = net.conv(y, outs, 1, 1, 1);
        y = net.bias(y);
    }
    net.output(y);
    let done = composed(&net);
    assert_eq!((linear_layers(&done.graph), done.notes.len()), (1, 3), "{}", done.graph);
    same(&mut net, &done);
    let (graph, weights) = (done.graph.clone(), done.weights.clone());
    assert_eq!(canonicalize(graph, weights).unwrap().0, done.graph, "canonical forms are final");
}

fn seconds(c: &Compiled) -> f64 {
    c.explanation.as_ref().unwrap().after.seconds
}

/// conv 3x3, then 1x1 to few channels, then 1x1 to many: where bytes count, the middle is worth keeping under OT
/// products and not under RLWE.
#[test]
fn cost_decides_and_the_program_means_the_same() {
    let mut net = Net::new(11);
    let x = net.input(&[1, 16, 12, 12]);
    let y = net.conv(x, 16, 3, 1, 1);
    let y = net.relu(y);
    let y = net.conv(y, 1, 1, 1, 1);
    let y = net.bias(y);
    let y = net.conv(y, 32, 1, 1, 1);
    let y = net.relu(y);
    let y = net.gemm(y, 4);
    net.output(y);
    let samples = net.samples(4, 1.0);
    let layers = |c: &Compiled| linear_layers(&c.canonical);
    for (linear, expected) in [(Linear::Rlwe, 3), (Linear::Ot, 4)] {
        let options = Options { linear, profile: Some(Profile::mobile()), ..Options::plain() };
        let on = net.compile(&options, &samples);
        assert_eq!(layers(&on), expected, "{linear:?}: {:?}", on.program.notes);
        let off = net.compile(&Options { families: Some(vec!["ring".to_owned()]), ..options.clone() }, &samples);
        assert_eq!(layers(&off), 4, "not a part of the family");
        assert!(seconds(&on) <= seconds(&off));
        for inputs in &samples {
            let d = max_difference(&net.real(inputs)[0], &run_program(&on, inputs)[0]);
            assert!(d < 0.02, "{linear:?}: off by {d}");
        }
    }
    let plain = net.compile(&Options::plain(), &samples);
    assert_eq!(layers(&plain), 4, "without a deployment nothing says what is cheaper");
}

#[test]
fn shapes_that_do_not_fit_have_no_composition() {
    let geom = picc_ir::geom::MatMulGeom { batch: 1, rows: 2, inner: 3, cols: 4 };
    let (a, other) = (Layer::MatMul(geom), Layer::MatMul(picc_ir::geom::MatMulGeom { inner: 5, ..geom }));
    assert_eq!(super::layer::composed(a, other), None);
    let huge = picc_ir::geom::MatMulGeom { batch: 1, rows: 2, inner: 1 << 13, cols: 1 << 13 };
    assert_eq!(super::layer::composed(Layer::MatMul(huge), Layer::MatMul(huge)), None, "minutes of multiplying");
}

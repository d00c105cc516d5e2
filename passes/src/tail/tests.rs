//! What the client is shown, and what is refused.

use crate::testing::{Net, max_difference, run_program};
use crate::{CompileError, Compiled, Options, compile, hidden_functions, learns};
use picc_ir::Id;
use picc_ir::op::{MpcOp, Op};
use picc_ir::ops::*;

const NO_MORE: &str = "no more than the declared outputs";

fn function(net: &mut Net, function: Function, x: Id) -> Id {
    net.add(Unary { function }, &[x])
}

/// A net with `values` values of one layer.
fn layer(seed: u64, values: usize) -> (Net, Id) {
    let mut net = Net::new(seed);
    let x = net.input(&[1, 6]);
    let y = net.gemm(x, values);
    (net, y)
}

fn slice(net: &mut Net, x: Id, start: usize, size: usize) -> Id {
    net.add(Slice { start: vec![0, start], size: vec![1, size], step: vec![1, 1] }, &[x])
}

/// Elements that the client is shown.
fn revealed(compiled: &Compiled) -> usize {
    let shown = compiled.program.graph.nodes.iter().filter(|n| matches!(n.op, Op::Mpc(MpcOp::Reveal(_))));
    shown.map(|n| n.ty.shape.iter().product::<usize>()).sum()
}

/// Compiles, shows `elements` elements and no more than the outputs, and is right.
fn shows(net: &mut Net, elements: usize) -> Compiled {
    let samples = net.samples(4, 1.0);
    let compiled = net.compile(&Options::plain(), &samples);
    assert_eq!(revealed(&compiled), elements, "{}", compiled.program.graph);
    let lines = learns(&compiled.program.graph).unwrap();
    assert!(lines.last().unwrap().contains(NO_MORE), "{lines:?}");
    for inputs in &samples {
        for (real, got) in net.real(inputs).iter().zip(&run_program(&compiled, inputs)) {
            let d = max_difference(real, got);
            assert!(d < 0.01, "off by {d}");
        }
    }
    compiled
}

/// Is refused for the hidden values of so many nodes, and compiles with a warning for each if that is accepted.
fn hides(net: &mut Net, nodes: usize) {
    let samples = net.samples(2, 1.0);
    let error = compile(&net.graph, &net.weights, &Options::plain(), &samples).map(|_| ()).unwrap_err();
    assert_eq!(error.problems().len(), nodes, "{error}");
    for problem in error.problems() {
        assert!(matches!(problem, CompileError::RevealsHidden { .. }), "{problem}");
        let text = problem.to_string();
        assert!(text.contains("more than the declared outputs") && text.contains("--reveal-hidden"), "{text}");
    }
    let compiled = net.compile(&Options { reveal_hidden: true, ..Options::plain() }, &samples);
    let warned = compiled.report.warnings.iter().filter(|w| w.contains("a hidden value")).count();
    assert_eq!(warned, nodes, "{:?}", compiled.report.warnings);
    let lines = learns(&compiled.program.graph).unwrap();
    assert!(lines.last().unwrap().contains("that is more than the declared outputs"), "{lines:?}");
    for (real, got) in net.real(&samples[0]).iter().zip(&run_program(&compiled, &samples[0])) {
        assert!(max_difference(real, got) < 0.01);
    }
}

#[test]
fn a_slice_of_a_function_shows_the_slice() {
    let (mut net, z) = layer(1, 5);
    let p = function(&mut net, Function::Sigmoid, z);
    let y = slice(&mut net, p, 1, 2);
    net.output(y);
    shows(&mut net, 2);
}

#[test]
fn a_gather_and_a_transpose_of_a_softmax_show_what_they_take() {
    let (mut net, z) = layer(2, 12);
    let z = net.add(Reshape { shape: vec![4, 3] }, &[z]);
    let p = net.add(Softmax { axis: 1 }, &[z]);
    let t = net.add(Transpose { perm: vec![1, 0] }, &[p]);
    let y = net.add(Gather { axis: 1, indices: vec![2, 0] }, &[t]);
    net.output(y);
    shows(&mut net, 6);
}

#[test]
fn parts_of_parts_are_found_element_by_element() {
    let (mut net, z) = layer(3, 4);
    let w = net.gemm(z, 3);
    let (a, b) = (function(&mut net, Function::Sigmoid, z), function(&mut net, Function::Exp, w));
    let both = net.add(Concat { axis: 1 }, &[a, b]);
    // The second and third of the first part, the first of the second.
    let y = slice(&mut net, both, 1, 4);
    net.output(y);
    shows(&mut net, 4);
}

#[test]
fn maxima_come_before_functions() {
    let (mut net, z) = layer(4, 12);
    let p = function(&mut net, Function::Sigmoid, z);
    let two = net.scalar(2.0);
    let p = net.add(Mul {}, &[p, two]);
    let p = net.add(Reshape { shape: vec![1, 3, 4] }, &[p]);
    let y = net.add(ReduceMax { axes: vec![2], keep: false }, &[p]);
    net.output(y);
    shows(&mut net, 3);

    let (mut net, z) = layer(5, 16);
    let z = net.add(Reshape { shape: vec![1, 1, 4, 4] }, &[z]);
    let p = function(&mut net, Function::Tanh, z);
    let p = net.max_pool(p, 2);
    let p = net.relu(p);
    net.output(p);
    shows(&mut net, 4);

    let (mut net, z) = layer(6, 7);
    let p = function(&mut net, Function::Sigmoid, z);
    let y = net.add(ArgMax { axis: 1, keep: false, last: false }, &[p]);
    net.output(y);
    let compiled = shows(&mut net, 1);
    assert!(!compiled.program.graph.nodes.iter().any(|n| matches!(n.op, Op::Unary(_))));
}

#[test]
fn one_of_two_classes_shows_their_difference() {
    for class in [0, 1] {
        let (mut net, z) = layer(7, 2);
        let p = net.add(Softmax { axis: 1 }, &[z]);
        let y = slice(&mut net, p, class, 1);
        net.output(y);
        shows(&mut net, 1);
    }
    let (mut net, z) = layer(8, 3);
    let p = net.add(Softmax { axis: 1 }, &[z]);
    let y = slice(&mut net, p, 0, 1);
    net.output(y);
    hides(&mut net, 1);
}

#[test]
fn a_softmax_written_out_is_one() {
    let (mut net, z) = layer(9, 4);
    let m = net.add(ReduceMax { axes: vec![1], keep: true }, &[z]);
    let d = net.add(Sub {}, &[z, m]);
    let e = function(&mut net, Function::Exp, d);
    let s = net.add(ReduceSum { axes: vec![1], keep: true }, &[e]);
    let y = net.add(Div {}, &[e, s]);
    net.output(y);
    let compiled = shows(&mut net, 4);
    assert!(
        !compiled.program.graph.nodes.iter().any(|n| matches!(n.op, Op::Mpc(MpcOp::ReduceMaxOt(_)))),
        "the maximum is gone"
    );
}

#[test]
fn two_corners_give_a_box_and_one_does_not() {
    for corners in [1, 2] {
        let (mut net, z) = layer(10, 4);
        let (centre, extent) = (slice(&mut net, z, 0, 2), slice(&mut net, z, 2, 2));
        let extent = function(&mut net, Function::Exp, extent);
        let half = net.scalar(0.5);
        let half = net.add(Mul {}, &[extent, half]);
        let (low, high) = (net.add(Sub {}, &[centre, half]), net.add(Add {}, &[centre, half]));
        let y = if corners == 2 { net.add(Concat { axis: 1 }, &[low, high]) } else { low };
        net.output(y);
        if corners == 2 { drop(shows(&mut net, 4)) } else { hides(&mut net, 2) }
    }
}

#[test]
fn gates_expectations_and_differences_show_hidden_values() {
    let (mut net, z) = layer(11, 4);
    let w = net.gemm(z, 4);
    let gate = function(&mut net, Function::Sigmoid, w);
    let y = net.add(Mul {}, &[z, gate]);
    net.output(y);
    hides(&mut net, 2);
    // With the gate as an output the product gives the other factor.
    net.output(gate);
    shows(&mut net, 8);

    let (mut net, z) = layer(12, 5);
    let p = net.add(Softmax { axis: 1 }, &[z]);
    let ages = net.weight(&[5], 3.0);
    let weighted = net.add(Mul {}, &[p, ages]);
    let y = net.add(ReduceSum { axes: vec![1], keep: false }, &[weighted]);
    net.output(y);
    hides(&mut net, 1);

    let (mut net, z) = layer(13, 5);
    let e = function(&mut net, Function::Exp, z);
    let y = net.add(Sub {}, &[e, e]);
    net.output(y);
    hides(&mut net, 1);
}

#[test]
fn an_elu_shows_its_argument_and_compares_nothing() {
    let (mut net, z) = layer(18, 4);
    let above = net.relu(z);
    let below = net.add(Sub {}, &[z, above]);
    let exp = function(&mut net, Function::Exp, below);
    let minus = net.scalar(-1.0);
    let exp = net.add(Add {}, &[exp, minus]);
    let y = net.add(Add {}, &[above, exp]);
    net.output(y);
    let compiled = shows(&mut net, 4);
    assert!(
        !compiled.program.graph.nodes.iter().any(|n| matches!(n.op, Op::Mpc(MpcOp::ReluOt(_)))),
        "the client compares"
    );
}

#[test]
fn what_the_client_brings_is_no_secret() {
    let mut net = Net::new(14);
    let x = net.input(&[1, 4]);
    let s = function(&mut net, Function::Sigmoid, x);
    let y = net.add(Mul {}, &[x, s]);
    net.output(y);
    shows(&mut net, 0);
}

#[test]
fn every_function_inside_a_network_is_named_at_once() {
    let (mut net, z) = layer(15, 4);
    let z = function(&mut net, Function::Sigmoid, z);
    let z = net.gemm(z, 4);
    let z = function(&mut net, Function::Tanh, z);
    let z = net.gemm(z, 4);
    let z = net.add(Softmax { axis: 1 }, &[z]);
    let z = net.gemm(z, 4);
    net.output(z);
    let found = hidden_functions(&net.graph);
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 3, "{text:?}");
    for (line, way_out) in text.iter().zip(["HardSigmoid", "Clip to [-1, 1]", "relu over a constant"]) {
        assert!(line.contains(way_out) && !line.contains("let the client"), "{line}");
    }
    let error = compile(&net.graph, &net.weights, &Options::plain(), &[]).map(|_| ()).unwrap_err();
    assert_eq!(error.problems().len(), 3, "{error}");
}

#[test]
fn a_layer_norm_written_out_is_one_problem() {
    for centred in [true, false] {
        let (mut net, z) = layer(16, 4);
        let quarter = net.scalar(0.25);
        let mean = |net: &mut Net, x: Id| {
            let sum = net.add(ReduceSum { axes: vec![1], keep: true }, &[x]);
            net.add(Mul {}, &[sum, quarter])
        };
        let d = if centred {
            let m = mean(&mut net, z);
            net.add(Sub {}, &[z, m])
        } else {
            z
        };
        let square = net.add(Mul {}, &[d, d]);
        let variance = mean(&mut net, square);
        let epsilon = net.scalar(1e-5);
        let variance = net.add(Add {}, &[variance, epsilon]);
        let root = function(&mut net, Function::Sqrt, variance);
        let normal = net.add(Div {}, &[d, root]);
        let y = net.gemm(normal, 3);
        net.output(y);
        let found = hidden_functions(&net.graph);
        assert_eq!(found.len(), 1, "{found:?}");
        let text = found[0].to_string();
        assert!(text.contains(if centred { "layer normalisation" } else { "division by a norm" }), "{text}");
        assert!(text.contains("batch normalisation"), "{text}");
    }
}

#[test]
fn a_mask_before_a_softmax_needs_no_wide_ring() {
    for low in [-3.4e38, -1e9] {
        let (mut net, z) = layer(17, 4);
        let mask = net.weight_of(picc_ir::Tensor::new(&[1, 4], vec![0.0, low, 0.0, low]));
        let masked = net.add(Add {}, &[z, mask]);
        let y = net.add(Softmax { axis: 1 }, &[masked]);
        net.output(y);
        let compiled = shows(&mut net, 4);
        let widest = compiled.program.graph.nodes.iter().filter_map(|n| n.ty.as_fixed()).map(|f| f.ring_bits).max();
        assert!(widest < Some(48), "{widest:?}");
    }
}

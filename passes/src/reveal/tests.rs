use super::*;
use crate::testing::{Inputs, Net, run_program};
use crate::tests::mnist_like;
use crate::{Compiled, Options, learns};
use picc_ir::cost::profile::Profile;
use picc_ir::op::MpcOp;
use picc_ir::ops::{Function, Reshape};
use picc_ir::ops::{Softmax, Unary};

fn options(reveal: Reveal) -> Options {
    Options { reveal, exact: true, profile: Some(Profile::lan()), ..Options::plain() }
}

/// Indices of the scores, the largest first and of equal ones the first first.
fn ranked(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

fn indices(compiled: &Compiled, inputs: &Inputs) -> Vec<usize> {
    run_program(compiled, inputs)[0].data.iter().map(|&v| v as usize).collect()
}

/// What the client is shown, in elements and bits of each.
fn shown(compiled: &Compiled) -> Vec<(usize, u8)> {
    let reveals = compiled.program.graph.nodes.iter().filter(|n| matches!(n.op, Op::Mpc(MpcOp::Reveal(_))));
    reveals.map(|n| (n.ty.len(), n.ty.as_fixed().unwrap().ring_bits)).collect()
}

#[test]
fn text_says_what_is_revealed() {
    let read = |text: &str| text.parse::<Reveal>();
    for (text, reveal) in [("label", Reveal::Label), ("top:5", Reveal::Top(5)), ("rounded:8", Reveal::Rounded(8))] {
        assert_eq!(read(text), Ok(reveal));
        assert_eq!(reveal.to_string(), text);
    }
    for bad in ["", "all", "top", "top:0", "top:x", "rounded", "rounded:0", "rounded:63", "label:1", "rounded:256"]
    {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_best_classes_alone_are_shown() {
    for softmax in [false, true] {
        let mut net = mnist_like(21);
        if softmax {
            let y = net.graph.outputs[0].1;
            net.graph.outputs[0].1 = net.add(Softmax { axis: 1 }, &[y]);
        }
        let samples = net.samples(6, 1.0);
        let scores = net.compile(&options(Reveal::All), &samples);
        let label = net.compile(&options(Reveal::Label), &samples);
        let three = net.compile(&options(Reveal::Top(3)), &samples);
        assert_eq!(shown(&label).len(), 1);
        assert_eq!(shown(&label)[0].0, 1, "{}", label.program.graph);
        assert_eq!(shown(&three).iter().map(|s| s.0).sum::<usize>(), 3, "{}", three.program.graph);
        assert!(!label.program.graph.nodes.iter().any(|n| matches!(n.op, Op::Softmax(_))));
        for program in [&label, &three] {
            let lines = learns(&program.program.graph).unwrap();
            assert!(lines.last().unwrap().contains("no more than the declared outputs"), "{lines:?}");
        }
        for inputs in &samples {
            let order = ranked(&run_program(&scores, inputs)[0].data);
            assert_eq!(indices(&label, inputs), &order[..1]);
            assert_eq!(indices(&three, inputs), &order[..3]);
        }
    }
}

/// Equal scores, all of them and in pairs: the first one first, each once.
#[test]
fn equal_scores_are_ranked_by_their_index() {
    for period in [1, 2] {
        let mut net = Net::new(22);
        let x = net.input(&[1, 4]);
        let w = net.rng.tensor(&[4, 3], 1.0);
        let columns = (0..24).map(|i| w.data[i / 6 * 3 + i % 6 % period]).collect();
        let w = net.weight_of(Tensor::new(&[4, 6], columns));
        let y = net.add(picc_ir::ops::MatMul {}, &[x, w]);
        net.output(y);
        let samples = net.samples(5, 1.0);
        let scores = net.compile(&options(Reveal::All), &samples);
        let four = net.compile(&options(Reveal::Top(4)), &samples);
        for inputs in &samples {
            let order = ranked(&run_program(&scores, inputs)[0].data);
            assert_eq!(indices(&four, inputs), &order[..4]);
        }
    }
}

/// Without calibration ranges are wider, and the default program rounds at random: the classes are the same.
#[test]
fn labels_without_calibration_and_under_the_plain_lowering() {
    let mut net = mnist_like(23);
    let samples = net.samples(3, 1.0);
    for options in [Options::plain(), Options { profile: Some(Profile::wan()), ..Options::plain() }] {
        let scores = net.compile(&options, &[]);
        let two = net.compile(&Options { reveal: Reveal::Top(2), ..options }, &[]);
        for inputs in &samples {
            let order = ranked(&run_program(&scores, inputs)[0].data);
            assert_eq!(indices(&two, inputs), &order[..2]);
        }
    }
}

#[test]
fn high_bits_alone_are_shown() {
    let mut net = mnist_like(24);
    let samples = net.samples(4, 1.0);
    for (exact, profile) in [(true, Some(Profile::lan())), (true, None), (false, Some(Profile::lan()))] {
        let base = Options { exact, profile, ..Options::plain() };
        let all = net.compile(&base, &samples);
        let few = net.compile(&Options { reveal: Reveal::Rounded(8), ..base }, &samples);
        let (before, after) = (shown(&all)[0].1, shown(&few)[0].1);
        assert!(after < before && before > 12, "{before} to {after}");
        let last = few.program.graph.nodes.iter().find(|n| matches!(n.op, Op::Mpc(MpcOp::Reveal(_)))).unwrap();
        let fixed = last.ty.as_fixed().unwrap();
        assert!(fixed.lo >= -128 && fixed.hi <= 128, "{fixed:?}");
        let rounding = few.program.graph.node(last.args[0]);
        assert!(matches!(rounding.op, Op::Mpc(MpcOp::TruncReduceFaithful(_))), "{}", rounding.op.name());
        let step = (-f32::from(fixed.frac_bits)).exp2();
        for inputs in &samples {
            let (all, few) = (run_program(&all, inputs), run_program(&few, inputs));
            for (a, f) in all[0].data.iter().zip(&few[0].data) {
                assert_eq!((a / step + 0.5).floor() * step, *f, "{a}");
            }
            assert!(all[0].data.iter().zip(&few[0].data).any(|(a, f)| a != f), "nothing is rounded");
        }
    }
}

#[test]
fn outputs_that_are_no_scores_are_refused() {
    let mut net = Net::new(25);
    let x = net.input(&[1, 2, 4, 4]);
    let y = net.conv(x, 3, 3, 1, 1);
    net.output(y);
    let refused = |net: &Net, reveal: Reveal| {
        crate::compile(&net.graph, &net.weights, &options(reveal), &[]).map(|_| ()).unwrap_err().to_string()
    };
    let text = refused(&net, Reveal::Label);
    assert!(text.contains("`y0`") && text.contains("[1, 3, 4, 4]") && text.contains("rounded"), "{text}");
    let scores = mnist_like(26);
    assert!(refused(&scores, Reveal::Top(5)).contains("more than 5 scores"));
    assert!(refused(&scores, Reveal::Rounded(1)).contains("or more"));
}

/// A sigmoid keeps the order; a reshape behind it leaves one axis.
#[test]
fn labels_behind_shapes_and_functions() {
    let mut net = mnist_like(27);
    let y = net.graph.outputs[0].1;
    let y = net.add(Unary { function: Function::Sigmoid }, &[y]);
    net.graph.outputs[0].1 = net.add(Reshape { shape: vec![1, 5, 1, 1] }, &[y]);
    let samples = net.samples(3, 1.0);
    let scores = net.compile(&options(Reveal::All), &samples);
    let label = net.compile(&options(Reveal::Label), &samples);
    assert!(!label.program.graph.nodes.iter().any(|n| matches!(n.op, Op::Unary(_))));
    for inputs in &samples {
        assert_eq!(indices(&label, inputs), &ranked(&run_program(&scores, inputs)[0].data)[..1]);
    }
}

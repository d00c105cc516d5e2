use super::mask::Kind;
use super::rewrite::{Edit, rewrite};
use super::*;
use crate::testing::{Net, max_difference, outputs_of, run_program};
use picc_ir::Id;
use picc_ir::op::Op;
use picc_ir::ops::{Add, Relu};

/// Stem, a residual block, a linear bottleneck whose skip path ends in a ReLU, and a head.
fn residual(seed: u64) -> Net {
    let mut net = Net::new(seed);
    let x = net.input(&[1, 3, 12, 12]);
    let a = net.conv(x, 8, 3, 1, 1);
    let a = net.batch_norm(a);
    let a = net.relu(a);
    let b = net.conv(a, 8, 3, 1, 1);
    let b = net.batch_norm(b);
    let b = net.relu(b);
    let b = net.conv(b, 8, 3, 1, 1);
    let b = net.batch_norm(b);
    let b = net.add(Add {}, &[b, a]);
    let b = net.relu(b);
    let narrow = net.conv(b, 4, 1, 2, 1);
    let wide = net.conv(narrow, 16, 1, 1, 1);
    let wide = net.bias(wide);
    let wide = net.relu(wide);
    let out = net.conv(wide, 8, 3, 1, 1);
    let out = net.bias(out);
    let skip = net.conv(narrow, 8, 1, 1, 1);
    let sum = net.add(Add {}, &[out, skip]);
    let sum = net.relu(sum);
    let pooled = net.average_pool(sum, 6);
    let y = net.gemm(pooled, 5);
    net.output(y);
    net
}

/// ReLUs of [`residual`].
const RELUS: u64 = 3 * 8 * 144 + (16 + 8) * 36;

fn only(families: &[Family], budget: u64) -> Settings {
    Settings { families: families.to_vec(), named: true, relu_budget: Some(budget), ..Settings::default() }
}

fn rewritten(net: &Net, samples: &[Sample], settings: &Settings) -> Retrained {
    retrain(&net.graph, &net.weights, &Options::plain(), settings, samples).unwrap_or_else(|e| panic!("{e}"))
}

const RELU_FAMILIES: [&[Family]; 6] = [
    &[Family::Linearize],
    &[Family::Polynomial],
    &[Family::Balance],
    &[Family::Linearize, Family::Polynomial],
    &[Family::Prune, Family::Shuffle, Family::Linearize],
    &Family::ALL,
];

#[test]
fn budgets_hold_shapes_stay_and_reports_count_right() {
    for seed in 0..3 {
        let mut net = residual(seed);
        let samples = net.samples(4, 1.0);
        for families in RELU_FAMILIES {
            for budget in [RELUS, RELUS - 1, 3000, 1000, 36, 0] {
                let got = rewritten(&net, &samples, &only(families, budget));
                let r = &got.report;
                assert_eq!((r.relus_before, r.relu_budget), (RELUS, Some(budget)));
                assert!(r.relus_after <= budget, "{families:?}: {r}");
                let counted = |g: &Graph| -> usize {
                    g.nodes.iter().filter(|n| matches!(n.op, Op::Relu(_))).map(|n| n.ty.len()).sum()
                };
                assert_eq!(counted(&got.graph) as u64, r.relus_after, "{r}");
                let removed: u64 = r.choices.iter().map(|c| c.removed).sum();
                assert!(r.relus_before - removed >= r.relus_after, "canonicalization may remove more: {r}");
                let before: Vec<_> =
                    net.graph.outputs.iter().map(|(n, id)| (n, &net.graph.ty(*id).shape)).collect();
                let after: Vec<_> = got.graph.outputs.iter().map(|(n, id)| (n, &got.graph.ty(*id).shape)).collect();
                assert_eq!(before, after);
                assert!(r.output_error.is_finite() && r.agreement <= samples.len());
                for c in &r.choices {
                    assert!(families.contains(&c.family) && c.layer_error.is_finite(), "{c:?}");
                }
            }
        }
    }
}

#[test]
fn fewer_relus_are_never_less_damage_and_the_same_input_gives_the_same_network() {
    let mut net = residual(4);
    let samples = net.samples(6, 1.0);
    let mut last = 0.0;
    for budget in [4000, 3000, 2000, 1000, 200] {
        let settings = only(&[Family::Linearize], budget);
        let got = rewritten(&net, &samples, &settings);
        let predicted: f64 = got.report.choices.iter().map(|c| c.layer_error).sum();
        assert!(predicted >= last, "{}", got.report);
        last = predicted;
        let again = rewritten(&net, &samples, &settings);
        assert_eq!((got.graph, got.weights, got.report), (again.graph, again.weights, again.report));
    }
}

#[test]
fn pruning_drops_skips_and_bottlenecks_only() {
    let mut net = residual(2);
    let samples = net.samples(4, 1.0);
    // Both sums and the widening 1x1 convolution; stem and inner ReLU stay.
    let least = 2 * 8 * 144;
    let got = rewritten(&net, &samples, &only(&[Family::Prune], least));
    assert_eq!(got.report.relus_after, least);
    let rules: Vec<&str> = got.report.choices.iter().map(|c| c.rule.as_str()).collect();
    assert_eq!(rules, ["no_relu_on_skip", "no_relu_after_bottleneck", "no_relu_on_skip"]);
    let error = retrain(&net.graph, &net.weights, &Options::plain(), &only(&[Family::Prune], least - 1), &samples)
        .unwrap_err();
    assert!(error.to_string().contains(&format!("cannot get below {least}")), "{error}");
}

#[test]
fn shuffling_moves_relus_to_the_narrow_side() {
    // narrow (4 channels, any sign) -> 1x1 to 16 -> relu, and narrow -> 3x3 to 8, + skip -> relu
    let mut net = Net::new(3);
    let x = net.input(&[1, 4, 6, 6]);
    let narrow = net.conv(x, 4, 3, 1, 1);
    let wide = net.conv(narrow, 16, 1, 1, 1);
    let wide = net.bias(wide);
    let wide = net.relu(wide);
    let back = net.conv(wide, 2, 1, 1, 1);
    let back = net.bias(back);
    let y = net.average_pool(back, 6);
    net.output(y);
    let samples = net.samples(4, 1.0);
    let model = Model { graph: net.graph.clone(), weights: net.weights.clone() };
    let moves = shuffle::find(&model.graph, &sites::find(&model.graph));
    let found: Vec<(&str, u64)> = moves.iter().map(|m| (m.way.rule(), m.removed)).collect();
    assert_eq!(found, [("relu_before_conv", 12 * 36), ("relu_after_conv", 14 * 36)]);
    for m in &moves {
        let got = rewrite(&model, &[Edit::Move(m.clone())]).unwrap();
        assert_eq!(relu_count(&got.graph), 16 * 36 - m.removed);
        // The ReLU stands in front of the first convolution, or behind the second one's bias.
        let relu = got.graph.nodes.iter().find(|n| matches!(n.op, Op::Relu(_))).unwrap();
        let argument = &got.graph.node(relu.args[0]).op;
        match m.way {
            shuffle::Way::AfterConv => assert!(matches!(argument, Op::Add(_)), "{}", got.graph),
            _ => assert!(matches!(argument, Op::Conv(_)) && relu.ty.shape[1] == 4, "{}", got.graph),
        }
    }
    let got = rewritten(&net, &samples, &only(&[Family::Shuffle], 4 * 36));
    assert_eq!(got.report.choices.len(), 1, "two moves of one ReLU contradict each other");
}

#[test]
fn off_the_skip_path_the_relu_stands_before_the_branchs_convolution() {
    let mut net = Net::new(6);
    let x = net.input(&[1, 8, 6, 6]);
    let narrow = net.conv(x, 2, 1, 1, 1);
    let wide = net.conv(narrow, 8, 3, 1, 1);
    let wide = net.bias(wide);
    let sum = net.add(Add {}, &[wide, x]);
    let y = net.relu(sum);
    net.output(y);
    let model = Model { graph: net.graph.clone(), weights: net.weights.clone() };
    let moves = shuffle::find(&model.graph, &sites::find(&model.graph));
    assert_eq!(moves.iter().map(|m| m.way).collect::<Vec<_>>(), [shuffle::Way::OffSkip]);
    let got = rewrite(&model, &[Edit::Move(moves[0].clone())]).unwrap();
    assert_eq!(relu_count(&got.graph), 2 * 36);
    // By hand: conv(relu(narrow)) + bias + x.
    let mut by_hand = net.graph.clone();
    by_hand.nodes.truncate(wide.index() - 2);
    let relu = by_hand.add(Relu {}, &[narrow], "relu").unwrap();
    let w = net.graph.node(Id(wide.0 - 2)).args[1];
    let conv = by_hand.add(net.graph.node(Id(wide.0 - 2)).op.clone(), &[relu, w], "conv").unwrap();
    let b = by_hand.add(net.graph.node(Id(wide.0 - 1)).op.clone(), &[], "b").unwrap();
    let biased = by_hand.add(Add {}, &[conv, b], "bias").unwrap();
    let out = by_hand.add(Add {}, &[biased, x], "sum").unwrap();
    by_hand.outputs = vec![("y0".to_owned(), out)];
    for inputs in net.samples(3, 1.0) {
        let expected = outputs_of(&by_hand, &net.weights, &inputs);
        assert_eq!(outputs_of(&got.graph, &got.weights, &inputs), expected);
    }
}

/// Every kind of channel, in a convolution, a matrix product and a sum that takes nothing in.
#[test]
fn a_mask_computes_what_it_says() {
    for (seed, shape) in [(1, 0), (2, 1), (3, 2)] {
        let mut net = Net::new(seed);
        let x = net.input(&[2, 3, 4, 4]);
        let pre = match shape {
            0 => {
                let y = net.conv(x, 10, 3, 1, 1);
                net.bias(y)
            }
            1 => net.gemm(x, 10),
            _ => {
                let (a, b) = (net.conv(x, 10, 3, 1, 1), net.conv(x, 10, 1, 1, 1));
                net.add(Add {}, &[a, b])
            }
        };
        let y = net.relu(pre);
        net.output(y);
        let model = Model { graph: net.graph.clone(), weights: net.weights.clone() };
        let site = sites::find(&model.graph).remove(0);
        assert_eq!((site.channels, site.before.is_some()), (10, shape != 2));
        let each = [
            Kind::Relu,
            Kind::Identity,
            Kind::Zero,
            Kind::Line { slope: 0.5, offset: -0.25 },
            Kind::Square { scale: 0.75, shift: 0.5, rest: -0.125 },
        ];
        let patterns: [fn(usize) -> usize; 4] = [|c| c % 5, |c| (c * 7 + 3) % 5, |_| 4, |_| 2];
        for pattern in patterns {
            let kinds: Vec<Kind> = (0..10).map(|c| each[pattern(c)]).collect();
            let got = rewrite(&model, &[Edit::Mask(site.clone(), kinds.clone())]).unwrap();
            let kept = kinds.iter().filter(|k| **k == Kind::Relu).count() as u64;
            assert_eq!(relu_count(&got.graph), kept * site.each);
            for inputs in net.samples(2, 1.0) {
                let mut before = net.graph.clone();
                before.outputs[0].1 = pre;
                let x = &outputs_of(&before, &net.weights, &inputs)[0];
                let found = &outputs_of(&got.graph, &got.weights, &inputs)[0];
                assert_eq!(x.shape, found.shape);
                let inner = x.data.len() / 20;
                let mut expected = x.clone();
                for (i, v) in expected.data.iter_mut().enumerate() {
                    *v = match kinds[i / inner % 10] {
                        Kind::Relu => v.max(0.0),
                        Kind::Identity => *v,
                        Kind::Zero => 0.0,
                        Kind::Line { slope, offset } => slope * *v + offset,
                        Kind::Square { scale, shift, rest } => (scale * *v + shift).powi(2) + rest,
                    };
                }
                let d = max_difference(&expected, found);
                assert!(d < 1e-5, "shape {shape}: off by {d}");
            }
        }
    }
}

#[test]
fn channels_that_never_or_always_fire_go_first_and_cost_nothing() {
    let mut net = Net::new(8);
    let x = net.input(&[1, 2, 5, 5]);
    let y = net.conv(x, 6, 3, 1, 1);
    let b = net.weight_of(Tensor::new(&[6, 1, 1], vec![50.0, 0.0, -50.0, 50.0, 0.1, -50.0]));
    let y = net.add(Add {}, &[y, b]);
    let y = net.relu(y);
    let y = net.gemm(y, 3);
    net.output(y);
    let samples = net.samples(5, 1.0);
    let got = rewritten(&net, &samples, &only(&[Family::Linearize], 50));
    assert_eq!(got.report.relus_after, 50);
    assert!(got.report.output_error < 1e-6, "{}", got.report);
    assert_eq!(got.report.agreement, 5);
}

#[test]
fn rewritten_networks_compile_and_squares_mean_what_they_say() {
    for families in [&[Family::Polynomial][..], &[Family::Linearize], &[Family::Prune, Family::Shuffle]] {
        let mut net = residual(5);
        let samples = net.samples(8, 1.0);
        let got = rewritten(&net, &samples, &only(families, 2500));
        let compiled = crate::compile(&got.graph, &got.weights, &Options::plain(), &samples)
            .unwrap_or_else(|e| panic!("{e}\n{}", got.graph));
        let squares = compiled.program.graph.nodes.iter().filter(|n| n.op.name() == "square.ot").count();
        assert_eq!(squares > 0, families.contains(&Family::Polynomial));
        for inputs in &samples[..3] {
            let expected = &outputs_of(&got.graph, &got.weights, inputs)[0];
            let d = max_difference(expected, &run_program(&compiled, inputs)[0]);
            assert!(d < 0.05, "{families:?}: off by {d}");
        }
    }
}

#[test]
fn contradictory_settings_say_what_to_do() {
    let mut net = residual(1);
    let samples = net.samples(2, 1.0);
    let error = |settings: &Settings, samples: &[Sample]| {
        retrain(&net.graph, &net.weights, &Options::plain(), settings, samples).unwrap_err().to_string()
    };
    let settings = only(&[Family::Prune], 100);
    assert!(error(&settings, &[]).contains("--calibrate"));
    assert!(error(&only(&[Family::XOperator], 100), &samples).contains("removes no ReLU"));
    let open = Settings { relu_budget: None, ..settings };
    assert!(error(&open, &samples).contains("--relu-budget"));
    let wild = Settings { max_layer_error: f64::NAN, ..Settings::default() };
    assert!(error(&wild, &samples).contains("max-layer-error"));
    assert!(Family::parse(&["prun".to_owned()]).unwrap_err().to_string().contains("prune"));
    // Everything allowed, no budget: only the x-operator has something to do, and that is said.
    let got = rewritten(&net, &samples, &Settings::default());
    assert!(got.report.notes.iter().any(|n| n.contains("no ReLU budget")), "{}", got.report);
    assert_eq!(got.report.relus_after, RELUS);
}

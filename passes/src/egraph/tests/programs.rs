//! Whole programs: what comes out means what went in, and costs less.

use crate::egraph::{Family, Optimized, RuleOptions, Stop, optimize};
use crate::testing::Net;
use crate::{Compiled, Linear, Options};
use picc_ir::Graph;
use picc_ir::cost::profile::Profile;
use picc_ir::eval::run_ring;
use picc_ir::op::Op;
use picc_ir::ops::*;
use picc_ir::weights::RingWeights;
use picc_ir::{Id, Tensor};
use std::collections::BTreeMap;

fn optimized(compiled: &Compiled, profile: &Profile, options: &RuleOptions) -> Optimized {
    optimize(&compiled.ring_graph, &compiled.weights, profile, options)
        .unwrap_or_else(|e| panic!("{e}\n{}", compiled.ring_graph))
}

fn inputs(compiled: &Compiled, seed: u64) -> BTreeMap<String, Tensor<i64>> {
    let mut rng = crate::testing::Rng(seed);
    let mut inputs = BTreeMap::new();
    for node in &compiled.ring_graph.nodes {
        if let Op::Input(i) = &node.op {
            let f = i.ty.as_fixed().unwrap();
            let real = rng.tensor(&i.ty.shape, 1.0);
            inputs.insert(i.name.clone(), picc_ir::eval::quantize_to(&real, f));
        }
    }
    inputs
}

fn outputs(graph: &Graph, weights: &RingWeights, inputs: &BTreeMap<String, Tensor<i64>>) -> Vec<Tensor<i64>> {
    let out = run_ring(graph, inputs, weights, &mut |_, _| {}).unwrap_or_else(|e| panic!("{e}\n{graph}"));
    out.into_iter().map(|(_, v)| v.as_ring().unwrap().clone()).collect()
}

/// A stem, two residual blocks with a strided shortcut, a head.
fn residual(seed: u64) -> Net {
    let mut net = Net::new(seed);
    let x = net.input(&[1, 3, 16, 16]);
    let c = net.conv(x, 8, 3, 1, 1);
    let c = net.batch_norm(c);
    let c = net.relu(c);
    let mut x = net.max_pool(c, 2);
    for (outs, stride) in [(8, 1), (16, 2)] {
        let a = net.conv(x, outs, 3, stride, 1);
        let a = net.batch_norm(a);
        let a = net.relu(a);
        let a = net.conv(a, outs, 3, 1, 1);
        let a = net.batch_norm(a);
        let short = if stride == 1 {
            x
        } else {
            let s = net.conv(x, outs, 1, stride, 1);
            net.batch_norm(s)
        };
        let sum = net.add(Add {}, &[a, short]);
        x = net.relu(sum);
    }
    let pooled = net.average_pool(x, 4);
    let y = net.gemm(pooled, 10);
    net.output(y);
    net
}

/// A dense block with its transition.
fn dense(seed: u64) -> Net {
    let mut net = Net::new(seed);
    let x = net.input(&[1, 3, 8, 8]);
    let mut all = vec![net.conv(x, 8, 3, 1, 1)];
    for _ in 0..3 {
        let c = if all.len() == 1 { all[0] } else { net.add(Concat { axis: 1 }, &all) };
        let c = net.batch_norm(c);
        let c = net.relu(c);
        let c = net.conv(c, 16, 1, 1, 1);
        let c = net.batch_norm(c);
        let c = net.relu(c);
        all.push(net.conv(c, 4, 3, 1, 1));
    }
    let c = net.add(Concat { axis: 1 }, &all);
    let c = net.batch_norm(c);
    let c = net.relu(c);
    let c = net.conv(c, 10, 1, 1, 1);
    let c = net.average_pool(c, 2);
    net.output(c);
    net
}

/// Two branches of one input and their concatenation, as SqueezeNet's fire modules.
fn fire(seed: u64) -> Net {
    let mut net = Net::new(seed);
    let x = net.input(&[1, 3, 12, 12]);
    let mut x = net.conv(x, 8, 3, 2, 1);
    for _ in 0..2 {
        let s = net.conv(x, 4, 1, 1, 1);
        let s = net.bias(s);
        let s = net.relu(s);
        let branch = |net: &mut Net, k: usize| -> Id {
            let c = net.conv(s, 8, k, 1, 1);
            let c = net.bias(c);
            net.relu(c)
        };
        let (a, b) = (branch(&mut net, 1), branch(&mut net, 3));
        x = net.add(Concat { axis: 1 }, &[a, b]);
    }
    let y = net.max_pool(x, 2);
    net.output(y);
    net
}

type Build = fn(u64) -> Net;

const NETS: [(&str, Build); 3] = [("residual", residual), ("dense", dense), ("fire", fire)];

/// ResNet-50's graph with a fraction of its channels and pixels.
fn resnet50(width: usize, size: usize) -> Net {
    let mut net = Net::new(50);
    let x = net.input(&[1, 3, size, size]);
    let c = net.conv(x, width, 7, 2, 1);
    let c = net.batch_norm(c);
    let c = net.relu(c);
    let mut x = net.add(MaxPool { kernel: [3; 2], stride: [2; 2], pads: [1; 4], dilation: [1, 1] }, &[c]);
    for (stage, blocks) in [3, 4, 6, 3].into_iter().enumerate() {
        let inner = width << stage;
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let mut a = x;
            for (outs, k, stride, last) in
                [(inner, 1, 1, false), (inner, 3, stride, false), (4 * inner, 1, 1, true)]
            {
                let c = net.conv(a, outs, k, stride, 1);
                let c = net.batch_norm(c);
                a = if last { c } else { net.relu(c) };
            }
            let short = if block == 0 {
                let s = net.conv(x, 4 * inner, 1, stride, 1);
                net.batch_norm(s)
            } else {
                x
            };
            let sum = net.add(Add {}, &[a, short]);
            x = net.relu(sum);
        }
    }
    let side = net.shape(x)[2];
    let pooled = net.average_pool(x, side);
    let y = net.gemm(pooled, 10);
    net.output(y);
    net
}

/// DenseNet-121's graph, likewise.
fn densenet121(growth: usize, size: usize) -> Net {
    let mut net = Net::new(121);
    let x = net.input(&[1, 3, size, size]);
    let c = net.conv(x, 2 * growth, 7, 2, 1);
    let c = net.batch_norm(c);
    let c = net.relu(c);
    let mut x = net.add(MaxPool { kernel: [3; 2], stride: [2; 2], pads: [1; 4], dilation: [1, 1] }, &[c]);
    for (stage, layers) in [6, 12, 24, 16].into_iter().enumerate() {
        for _ in 0..layers {
            let c = net.batch_norm(x);
            let c = net.relu(c);
            let c = net.conv(c, 4 * growth, 1, 1, 1);
            let c = net.batch_norm(c);
            let c = net.relu(c);
            let c = net.conv(c, growth, 3, 1, 1);
            x = net.add(Concat { axis: 1 }, &[x, c]);
        }
        let c = net.batch_norm(x);
        x = net.relu(c);
        if stage < 3 {
            let half = net.shape(x)[1] / 2;
            let c = net.conv(x, half, 1, 1, 1);
            x = net.average_pool(c, 2);
        }
    }
    let side = net.shape(x)[2];
    let pooled = net.average_pool(x, side);
    let y = net.gemm(pooled, 10);
    net.output(y);
    net
}

/// Large graphs: time, and what is saved. `cargo test --release -p picc-passes large_graphs -- --ignored --nocapture`
#[test]
#[ignore = "minutes without optimization"]
fn large_graphs() {
    for (name, mut net) in [("ResNet-50", resnet50(16, 64)), ("DenseNet-121", densenet121(8, 64))] {
        for (ring, exact) in [(None, false), (None, true), (Some(37), true)] {
            let calibration = net.samples(1, 1.0);
            let c = net.compile(&Options { ring, ..Options::plain() }, &calibration);
            for profile in [Profile::lan(), Profile::wan()] {
                let start = std::time::Instant::now();
                let o = optimized(&c, &profile, &RuleOptions { exact, ..RuleOptions::default() });
                let e = &o.explanation;
                println!(
                    "{name} ring {ring:?} exact {exact} {}: {} -> {}; {} e-nodes, {:?} after {} iterations, {:.1} s",
                    e.profile,
                    e.before,
                    e.after,
                    e.e_nodes,
                    e.stop,
                    e.iterations,
                    start.elapsed().as_secs_f64()
                );
                println!("    {:?}", e.extraction);
                for r in e.rules.iter().filter(|r| r.chosen > 0) {
                    println!("    {:24} chosen {:4} saved {:?}", r.name, r.chosen, r.saved);
                }
            }
        }
    }
}

fn compiled(net: &mut Net, options: &Options) -> Compiled {
    let calibration = net.samples(3, 1.0);
    net.compile(options, &calibration)
}

#[test]
fn exact_programs_equal_their_ring_graphs_bit_for_bit() {
    for (name, build) in NETS {
        for (ring, linear) in [(None, Linear::Auto), (Some(37), Linear::Auto), (None, Linear::Ot)] {
            let mut net = build(3);
            let c = compiled(&mut net, &Options { ring, linear, ..Options::plain() });
            let mut options = RuleOptions { exact: true, ..RuleOptions::default() };
            if linear == Linear::Ot {
                options.disabled.extend(["conv_rlwe".to_owned(), "matmul_rlwe".to_owned()]);
            }
            let o = optimized(&c, &Profile::wan(), &options);
            assert_eq!(o.explanation.stop, Stop::Saturated, "{name}");
            for seed in 0..2 {
                let x = inputs(&c, seed);
                let expected = outputs(&c.ring_graph, &c.weights, &x);
                assert_eq!(outputs(&o.graph, &o.weights, &x), expected, "{name}\n{}", o.graph);
            }
        }
    }
}

#[test]
fn programs_within_ulps_stay_close() {
    for (name, build) in NETS {
        let mut net = build(5);
        let c = compiled(&mut net, &Options::plain());
        let o = optimized(&c, &Profile::lan(), &RuleOptions::default());
        let x = inputs(&c, 1);
        let (a, b) = (outputs(&c.ring_graph, &c.weights, &x), outputs(&o.graph, &o.weights, &x));
        for (a, b) in a.iter().zip(&b) {
            let off = a.data.iter().zip(&b.data).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            assert!(off <= 64, "{name}: off by {off} ulps");
        }
    }
}

#[test]
fn everything_costs_no_more_than_any_family_alone() {
    for (name, build) in NETS {
        let mut net = build(7);
        for ring in [None, Some(37)] {
            let c = compiled(&mut net, &Options { ring, ..Options::plain() });
            for profile in [Profile::lan(), Profile::wan()] {
                let all = optimized(&c, &profile, &RuleOptions::default()).explanation;
                assert!(all.after.seconds <= all.before.seconds, "{name}: {} -> {}", all.before, all.after);
                for family in Family::ALL {
                    let alone = optimized(&c, &profile, &RuleOptions::default().only(&[family])).explanation;
                    assert!(
                        all.after.seconds <= alone.after.seconds * (1.0 + 1e-9),
                        "{name} {ring:?} {}: all {}, {family:?} alone {}",
                        profile.name,
                        all.after,
                        alone.after
                    );
                }
            }
        }
    }
}

/// What the explanation adds up is what the program costs: rounds to the flight, bytes but for the rounding of
/// reservations and the reveal of the outputs.
#[test]
fn explained_costs_are_those_of_the_program() {
    for (name, build) in NETS {
        let mut net = build(15);
        let c = compiled(&mut net, &Options::plain());
        let profile = Profile::wan().with_source(c.program.source);
        let o = optimized(&c, &profile, &RuleOptions::default());
        let program = picc_ir::Program {
            segments: crate::segment::segments(&o.graph),
            graph: o.graph.clone(),
            ..c.program.clone()
        };
        let cost = picc_ir::mpc::schedule::program_cost(&program).unwrap();
        let (mut nodes, mut reveals) = (picc_ir::cost::Traffic::default(), picc_ir::cost::Traffic::default());
        for (t, n) in cost.nodes.iter().zip(&o.graph.nodes) {
            let sum = if let Op::Reveal(_) = n.op { &mut reveals } else { &mut nodes };
            *sum = *sum + *t;
        }
        assert_eq!(nodes.rounds, o.explanation.after.rounds, "{name}");
        let exact = (nodes + cost.extension).total();
        assert!(exact.abs_diff(o.explanation.after.bytes) < 4096, "{name}: {exact} and {}", o.explanation.after);
        let regions = o.explanation.regions.iter().map(|r| r.after.bytes).sum::<u64>();
        assert!(regions.abs_diff(o.explanation.after.bytes) < 1024, "{name}");
    }
}

#[test]
fn the_same_input_gives_the_same_program() {
    let mut net = fire(9);
    let c = compiled(&mut net, &Options::plain());
    let run = || optimized(&c, &Profile::wan(), &RuleOptions::default());
    let (a, b) = (run(), run());
    assert_eq!(a.graph.to_string(), b.graph.to_string());
    assert_eq!(a.weights, b.weights);
    assert_eq!(a.explanation, b.explanation);
}

/// One 3x3 convolution at the size that published comparisons use.
fn layer(linear: Linear) -> Compiled {
    let mut net = Net::new(13);
    let x = net.input(&[1, 32, 56, 56]);
    let x = net.relu(x);
    let c = net.conv(x, 32, 3, 1, 1);
    let c = net.bias(c);
    let c = net.relu(c);
    net.output(c);
    compiled(&mut net, &Options { linear, ..Options::plain() })
}

/// The literature disagrees about Winograd because each paper fixes a protocol first.
#[test]
fn winograd_is_chosen_under_ot_and_not_under_rlwe() {
    let c = layer(Linear::Ot);
    let used = |o: &Optimized| o.explanation.rules.iter().any(|r| r.family == Family::Winograd && r.chosen > 0);
    let mut options = RuleOptions::default();
    assert!(!used(&optimized(&c, &Profile::wan(), &options)));
    options.disabled.extend(["conv_rlwe".to_owned(), "matmul_rlwe".to_owned()]);
    let ot = optimized(&c, &Profile::wan(), &options);
    assert!(used(&ot));
    let region = ot.explanation.node("conv3").expect("the layer");
    let gain = region.before.bytes as f64 / region.after.bytes as f64;
    assert!(gain > 2.0, "{gain}: {} -> {}\n{}", region.before, region.after, ot.explanation);
}

#[test]
fn a_uniform_ring_becomes_short_rings() {
    let mut net = residual(11);
    let c = compiled(&mut net, &Options { ring: Some(37), ..Options::plain() });
    // On a line that is all bandwidth: the images are small, rounds would decide.
    let profile =
        Profile { round_trip_us: 1, ..Profile::wan().with_source(picc_ir::correlation::Source::default()) };
    let o = optimized(&c, &profile, &RuleOptions { exact: true, ..RuleOptions::default() });
    let e = &o.explanation;
    // Ciphertexts, most of the bytes of a small net, come in whole polynomials and shrink little.
    assert!(e.before.bytes as f64 >= 1.25 * e.after.bytes as f64, "{} -> {}\n{e}", e.before, e.after);
}

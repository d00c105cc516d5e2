//! Whole compilations against the interpreters.

use crate::egraph::{RuleOptions, optimize};
use crate::testing::{Net, max_difference, run_program, run_ring_graph};
use crate::{CompileError, Linear, Options};
use picc_ir::Id;
use picc_ir::cost::profile::{CotCosts, Profile};
use picc_ir::ops::*;

/// Program close to the reals, and equal to its own ring graph bit for bit.
fn agrees(net: &mut Net, options: &Options, tolerance: f32) {
    let calibration = net.samples(4, 1.0);
    let compiled = net.compile(options, &calibration);
    for inputs in net.samples(3, 1.0) {
        let real = net.real(&inputs);
        let got = run_program(&compiled, &inputs);
        for (r, g) in real.iter().zip(&got) {
            let d = max_difference(r, g);
            assert!(d <= tolerance, "off by {d}\n{:?}\n{:?}", net.graph, compiled.ring_graph);
        }
        let named: Vec<&String> = compiled.program.graph.outputs.iter().map(|(n, _)| n).collect();
        for (name, ring) in run_ring_graph(&compiled, &inputs) {
            if let Some(i) = named.iter().position(|n| **n == name) {
                assert_eq!(ring, got[i], "mpc graph and ring graph differ");
            }
        }
    }
}

pub(crate) fn mnist_like(seed: u64) -> Net {
    let mut net = Net::new(seed);
    let x = net.input(&[1, 1, 12, 12]);
    let c = net.conv(x, 4, 3, 1, 1);
    let c = net.bias(c);
    let c = net.relu(c);
    let c = net.max_pool(c, 2);
    let c = net.conv(c, 6, 3, 1, 1);
    let c = net.batch_norm(c);
    let c = net.relu(c);
    let c = net.average_pool(c, 2);
    let y = net.gemm(c, 5);
    net.output(y);
    net
}

#[test]
fn a_small_convolutional_net() {
    for options in [
        Options::plain(),
        Options { exact: true, linear: Linear::Ot, ..Options::plain() },
        Options { ring: Some(37), frac: Some(12), ..Options::plain() },
    ] {
        agrees(&mut mnist_like(1), &options, 0.02);
    }
}

#[test]
fn random_nets() {
    for seed in 0..40 {
        agrees(&mut random_net(seed), &Options::plain(), 0.05);
    }
}

#[test]
fn random_nets_in_one_ring_by_ot() {
    let options = Options { ring: Some(40), linear: Linear::Ot, exact: true, ..Options::plain() };
    for seed in 40..60 {
        agrees(&mut random_net(seed), &options, 0.05);
    }
}

/// Erasing the protocols of an exact program gives a ring graph that computes what the model's own one does.
#[test]
fn a_program_without_its_protocols_is_a_ring_graph() {
    for seed in 72..78 {
        let mut net = random_net(seed);
        let calibration = net.samples(4, 1.0);
        let options = Options { exact: true, profile: Some(Profile::wan()), ..Options::plain() };
        for families in [None, Some(vec!["none".to_owned()])] {
            let mut compiled = net.compile(&Options { families, ..options.clone() }, &calibration);
            let inputs = net.samples(1, 1.0).swap_remove(0);
            let program = run_program(&compiled, &inputs);
            let erased = crate::erase_protocols(&compiled.program.graph).unwrap();
            picc_ir::verify::verify(&erased, picc_ir::verify::Stage::Ring)
                .unwrap_or_else(|e| panic!("{e:?}\n{erased}"));
            let text = erased.to_string();
            assert!(!text.contains(".ot") && !text.contains(".rlwe") && !text.contains("reveal"), "{text}");
            compiled.ring_graph = erased;
            let erased: Vec<_> = run_ring_graph(&compiled, &inputs).into_iter().map(|(_, value)| value).collect();
            assert_eq!(erased, program, "seed {seed}\n{text}");
        }
    }
}

/// The source of correlated OTs is the profile's if it fixes one, and else whatever is cheapest.
#[test]
fn the_deployment_decides_the_field_of_the_extension() {
    let mut net = mnist_like(5);
    let calibration = net.samples(2, 1.0);
    let field = |profile: Profile, families: Option<&str>| {
        let families = families.map(|f| vec![f.to_owned()]);
        let compiled = net.compile(&Options { profile: Some(profile), families, ..Options::plain() }, &calibration);
        let prediction = compiled.report.prediction.unwrap();
        assert!(prediction.seconds > 0.0 && prediction.memory.server > prediction.memory.client);
        compiled.program.source.code()
    };
    let mut cheap = Profile { up_bits_per_s: 1 << 50, down_bits_per_s: 1 << 50, ..Profile::lan() };
    cheap.unit.cot_ps = CotCosts { k1: 1, k2: 1_000_000, k4: 1_000_000, k8: 1_000_000 };
    for families in [None, Some("none"), Some("ring")] {
        assert_eq!(field(Profile::mobile(), families), 8);
        assert_eq!(field(cheap.clone(), families), 1);
        assert_eq!(
            field(Profile::mobile().with_source(picc_ir::correlation::Source::of_code(2).unwrap()), families),
            2
        );
    }
}

#[test]
fn a_deployment_without_room_is_a_warning() {
    let mut net = mnist_like(6);
    let calibration = net.samples(2, 1.0);
    let tight = Profile { server_memory_bytes: 1000, ..Profile::lan() };
    let compiled = net.compile(&Options { profile: Some(tight), ..Options::plain() }, &calibration);
    let about_memory = |w: &&String| w.contains("memory");
    let warnings: Vec<&String> = compiled.report.warnings.iter().filter(about_memory).collect();
    assert!(matches!(&warnings[..], [w] if w.contains("the server needs")), "{warnings:?}");
}

/// Without rewrites the cheapest protocols are left, as they stand before any rewrite; a single rule can be studied
/// alone.
#[test]
fn passes_can_be_switched_off_or_named_alone() {
    let mut net = mnist_like(7);
    let calibration = net.samples(2, 1.0);
    let graph = |profile: Option<Profile>, families: &[&str]| {
        let families = Some(families.iter().map(|&f| f.to_owned()).collect());
        net.compile(&Options { profile, families, ..Options::plain() }, &calibration)
    };
    for profile in [Profile::lan(), Profile::wan(), Profile::mobile()] {
        let none = graph(Some(profile.clone()), &["none"]);
        assert!(none.explanation.is_none());
        let profile = profile.with_source(none.program.source);
        let options = RuleOptions::default().protocols_only();
        let optimized = optimize(&none.ring_graph, &none.weights, &profile, &options).unwrap();
        let before = optimized.explanation.before;
        assert_eq!(before, optimized.explanation.after);
        let nodes = none.report.rows.iter().filter(|row| row.op != "reveal");
        assert_eq!(before.bytes, nodes.map(|row| profile.bytes(&row.cost)).sum::<u64>(), "{}", profile.name);
    }
    assert_eq!(graph(None, &["ring"]).program, graph(None, &["none"]).program);
    let one = graph(Some(Profile::wan()), &["trunc_after_add"]).explanation.unwrap();
    let rewrites: Vec<&str> =
        one.rules.iter().filter(|r| r.family != crate::egraph::Family::Protocol).map(|r| r.name.as_str()).collect();
    assert_eq!(rewrites, ["trunc_after_add"]);
}

/// Under a profile, exact rules leave every bit as it is, whatever they choose; others stay close to the reals.
#[test]
fn optimized_nets_equal_plain_ones() {
    for (seed, profile) in (60..72).zip([Profile::lan(), Profile::wan(), Profile::mobile()].into_iter().cycle()) {
        let mut net = random_net(seed);
        let calibration = net.samples(4, 1.0);
        let linear = if seed % 2 == 0 { Linear::Ot } else { Linear::Auto };
        let plain = Options { exact: true, linear, ..Options::plain() };
        let exact = Options { profile: Some(profile), ..plain.clone() };
        let close = Options { exact: false, ..exact.clone() };
        let programs = [plain, exact, close].map(|options| net.compile(&options, &calibration));
        assert!(programs[1].explanation.is_some() && programs[1].program.error_ulps.iter().all(|&u| u == 0));
        for inputs in net.samples(2, 1.0) {
            let [plain, exact, close] = programs.each_ref().map(|p| run_program(p, &inputs));
            assert_eq!(plain, exact, "seed {seed}: {:?}", programs[1].program.graph);
            for (real, got) in net.real(&inputs).iter().zip(&close) {
                let d = max_difference(real, got);
                assert!(d <= 0.05, "seed {seed}: off by {d}: {:?}", programs[2].program.graph);
            }
        }
    }
}

#[test]
fn an_unknown_family_of_rewrites_is_an_error() {
    let net = mnist_like(2);
    let options =
        Options { profile: Some(Profile::lan()), families: Some(vec!["winogard".to_owned()]), ..Options::plain() };
    let error = crate::compile(&net.graph, &net.weights, &options, &[]).unwrap_err();
    assert!(matches!(&error, CompileError::Options { option: "passes", .. }), "{error}");
    assert!(crate::family_names().iter().all(|f| error.to_string().contains(f)), "{error}");
}

/// Grows a net with residual joins, concatenations, groups and odd scales.
pub(crate) fn random_net(seed: u64) -> Net {
    let mut net = Net::new(seed);
    let x = net.input(&[1, 4, 8, 8]);
    let mut values: Vec<Id> = vec![x];
    for _ in 0..8 {
        let x = values[net.rng.below(values.len())];
        let shape = net.shape(x);
        let y = match net.rng.below(12) {
            0 | 1 => {
                let groups = if shape[1].is_multiple_of(2) { 1 + net.rng.below(2) } else { 1 };
                net.conv(x, 4, 3, 1, groups)
            }
            2 => net.conv(x, 4, 1, 1, 1),
            3 => net.relu(x),
            4 => net.batch_norm(x),
            5 => net.bias(x),
            6 if shape[2] >= 4 => net.max_pool(x, 2),
            7 if shape[2] >= 4 => net.average_pool(x, 2),
            8 => match values.iter().copied().find(|&v| v != x && net.shape(v) == shape) {
                Some(other) => net.add(Add {}, &[x, other]),
                None => net.relu(x),
            },
            9 => match values.iter().copied().find(|&v| v != x && net.shape(v)[2..] == shape[2..]) {
                Some(other) => net.add(Concat { axis: 1 }, &[x, other]),
                None => net.bias(x),
            },
            10 => match values.iter().copied().find(|&v| v != x && net.shape(v) == shape) {
                Some(other) => net.add(Max {}, &[x, other]),
                None => net.add(Neg {}, &[x]),
            },
            _ => {
                let six = net.scalar(0.6);
                let d = net.add(Sub {}, &[six, x]);
                let d = net.relu(d);
                net.add(Sub {}, &[six, d])
            }
        };
        values.push(y);
    }
    let last = *values.last().unwrap();
    let y = net.gemm(last, 3);
    net.output(y);
    net
}

#[test]
fn softmax_is_the_clients() {
    let mut net = Net::new(3);
    let x = net.input(&[1, 6]);
    let y = net.gemm(x, 4);
    let y = net.add(Softmax { axis: 1 }, &[y]);
    let hundred = net.scalar(100.0);
    let y = net.add(Mul {}, &[y, hundred]);
    net.output(y);
    agrees(&mut net, &Options::plain(), 0.2);
    let compiled = net.compile(&Options::plain(), &[]);
    assert_eq!(compiled.program.notes.len(), 1, "{:?}", compiled.program.notes);
    let learned = crate::learns(&compiled.program.graph).unwrap().join("; ");
    assert!(learned.contains("output `y0` 1x4, which it computes (softmax)"), "{learned}");
    assert!(learned.contains("but for one summand of the logits"), "{learned}");
}

#[test]
fn weights_after_softmax_are_refused() {
    let mut net = Net::new(4);
    let x = net.input(&[1, 6]);
    let y = net.gemm(x, 4);
    let y = net.add(Softmax { axis: 1 }, &[y]);
    let y = net.gemm(y, 2);
    net.output(y);
    let refused = crate::compile(&net.graph, &net.weights, &Options::plain(), &[]).map(|_| ());
    assert!(matches!(refused, Err(CompileError::WeightsAfterReveal { .. })), "{refused:?}");
}

#[test]
fn secret_products() {
    let mut net = Net::new(5);
    let x = net.input(&[1, 8]);
    let a = net.gemm(x, 6);
    let b = net.gemm(x, 6);
    let c = net.add(Mul {}, &[a, b]);
    let a = net.add(Reshape { shape: vec![2, 3] }, &[a]);
    let c = net.add(Reshape { shape: vec![3, 2] }, &[c]);
    let y = net.add(MatMul {}, &[a, c]);
    net.output(y);
    agrees(&mut net, &Options::plain(), 0.02);
}

#[test]
fn without_calibration() {
    let net = mnist_like(7);
    let compiled = net.compile(&Options::plain(), &[]);
    assert!(!compiled.report.warnings.is_empty());
}

#[test]
fn a_ring_that_is_too_small_is_an_error() {
    let net = mnist_like(8);
    let options = Options { ring: Some(20), ..Options::plain() };
    let refused = crate::compile(&net.graph, &net.weights, &options, &[]).map(|_| ());
    assert!(matches!(refused, Err(CompileError::RingTooSmall { .. })), "{refused:?}");
}

/// What no protocol computes is refused with the reason, whichever rewrites are allowed.
#[test]
fn what_has_no_protocol_is_named_with_a_way_out() {
    let mut filters = Net::new(9);
    let x = filters.input(&[1, 2, 3, 3]);
    let x = filters.conv(x, 2, 3, 1, 1);
    let w = filters.add(Reshape { shape: vec![2, 1, 3, 3] }, &[x]);
    let y = filters.add(Conv { stride: [1; 2], pads: [1; 4], dilation: [1; 2], groups: 2 }, &[x, w]);
    filters.output(y);
    let mut attention = Net::new(10);
    let x = attention.input(&[1, 64, 64]);
    let w = attention.weight(&[64, 64], 0.1);
    let x = attention.add(MatMul {}, &[x, w]);
    let y = attention.add(MatMul {}, &[x, x]);
    let y = attention.relu(y);
    attention.output(y);
    for (mut net, why) in [
        (filters, "weights are computed from the input"),
        (attention, "262144 products of elements, at most 65536"),
    ] {
        let calibration = net.samples(2, 1.0);
        for options in [Options::plain(), Options::default()] {
            let error = crate::compile(&net.graph, &net.weights, &options, &calibration).unwrap_err();
            assert!(
                matches!(&error, CompileError::Unsupported { .. }) && error.to_string().contains(why),
                "{error}"
            );
        }
    }
}

use super::*;
use crate::Fractions;
use crate::testing::{Net, outputs_of};
use picc_ir::cost::profile::Profile;
use picc_ir::mpc::ReluOt;
use picc_ir::op::MpcOp;
use std::collections::BTreeMap;

/// A small network, samples, and the class that it gives each over the reals: its own accuracy is 1.
fn labelled(seed: u64, n: usize) -> (Net, Vec<Sample>, Vec<i64>) {
    let mut net = Net::new(seed);
    let x = net.input(&[1, 3, 8, 8]);
    let a = net.conv(x, 6, 3, 1, 1);
    let a = net.bias(a);
    let a = net.relu(a);
    let b = net.conv(a, 6, 3, 1, 1);
    let b = net.bias(b);
    let b = net.max_pool(b, 2);
    let b = net.relu(b);
    let y = net.gemm(b, 4);
    net.output(y);
    let samples = net.samples(n, 1.0);
    let class = |sample: &Sample| {
        let scores = &outputs_of(&net.graph, &net.weights, sample)[0].data;
        scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i as i64)
    };
    let labels = samples.iter().map(class).collect();
    (net, samples, labels)
}

fn within(
    net: &Net,
    options: &Options,
    samples: &[Sample],
    labels: &[i64],
    (points, confidence): (f64, f64),
) -> Result<Compiled> {
    let budget = Budget { max_drop_points: points, confidence, labels: Some(labels), runner: &interpret };
    compile_within(&net.graph, &net.weights, options, samples, budget)
}

fn windows(compiled: &Compiled) -> usize {
    let skips = |n: &picc_ir::Node| match &n.op {
        Op::Mpc(MpcOp::ReluOt(op)) => op.skip_low > 0,
        Op::Mpc(MpcOp::MaxPoolOt(op)) => op.skip_low > 0,
        _ => false,
    };
    compiled.program.graph.nodes.iter().filter(|n| skips(n)).count()
}

/// Right answers of a program on some samples, on average over three draws, without any of this module's code.
fn right(compiled: &Compiled, samples: &[&Sample], labels: &[i64]) -> f64 {
    let graph = &compiled.program.graph;
    let evaluate = |sample: &Sample, seed: u64| {
        let f = graph.nodes[0].ty.as_fixed().unwrap();
        let inputs = BTreeMap::from([("x".to_owned(), picc_ir::eval::quantize_to(&sample["x"], f))]);
        let out = picc_ir::eval::run_shares(graph, &inputs, &compiled.weights, seed, &mut |_, _| ()).unwrap();
        let scores = &out[0].1.as_real().unwrap().data;
        (0..scores.len()).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as i64
    };
    let seeded =
        (0..3u64).flat_map(|draw| samples.iter().enumerate().map(move |(i, s)| (*s, draw << 32 | i as u64)));
    let count =
        seeded.zip(labels.iter().cycle()).filter(|((sample, seed), y)| evaluate(sample, *seed) == **y).count();
    count as f64 / 3.0
}

#[test]
fn a_budget_makes_programs_cheaper_and_states_what_was_measured() {
    let (net, samples, labels) = labelled(3, 400);
    for profile in [None, Some(Profile::wan())] {
        let options = Options { profile, ..Options::plain() };
        let exact = net.compile(&options, &samples);
        assert_eq!(
            (windows(&exact), exact.accuracy.is_none()),
            (0, true),
            "without labels nothing is approximated"
        );
        let chosen = within(&net, &options, &samples, &labels, (5.0, 95.0)).unwrap();
        let accuracy = chosen.accuracy.clone().unwrap();
        assert!(accuracy.holds && windows(&chosen) > 0, "{accuracy}");
        assert!(accuracy.bytes.1 * 4 < accuracy.bytes.0 * 3, "{accuracy}");
        assert_eq!(accuracy.bytes.1, outcome::bytes(&chosen).unwrap());
        assert!(accuracy.held_out.bound_points <= 5.0 && accuracy.tuned.drop_points() <= 5.0);
        for (part, tuned, count) in [(accuracy.tuned, true, 100), (accuracy.held_out, false, 300)] {
            let of_part = |i: usize| i.is_multiple_of(4) == tuned;
            let samples: Vec<&Sample> =
                samples.iter().enumerate().filter(|(i, _)| of_part(*i)).map(|s| s.1).collect();
            let labels: Vec<i64> = labels.iter().enumerate().filter(|(i, _)| of_part(*i)).map(|l| *l.1).collect();
            assert_eq!((part.samples, part.float), (count, count));
            assert!((part.chosen - right(&chosen, &samples, &labels)).abs() < 1e-6);
            assert!((part.lost - part.gained - (part.float as f64 - part.chosen)).abs() < 1e-6);
        }
        assert!(chosen.program.error_ulps[0] > 0);
        let again = within(&net, &options, &samples, &labels, (5.0, 95.0)).unwrap();
        assert_eq!(again.program.to_bytes(), chosen.program.to_bytes(), "the same twice");
        assert_eq!(again.accuracy, chosen.accuracy);
    }
}

#[test]
fn a_larger_budget_never_costs_more_and_none_changes_no_answer() {
    let (net, samples, labels) = labelled(5, 80);
    let mut last = u64::MAX;
    for points in [0.0, 2.5, 40.0] {
        let chosen = within(&net, &Options::plain(), &samples, &labels, (points, 50.0)).unwrap();
        let accuracy = chosen.accuracy.unwrap();
        assert!(accuracy.holds, "{accuracy}");
        assert!(accuracy.tuned.chosen >= accuracy.tuned.float as f64 * (1.0 - points / 100.0) - 1e-6);
        assert!(accuracy.bytes.1 <= last, "{points}: {accuracy}");
        last = accuracy.bytes.1;
    }
}

#[test]
fn more_confidence_needs_more_labels() {
    let (net, samples, labels) = labelled(5, 80);
    let compiled = |of| within(&net, &Options::plain(), &samples, &labels, of).unwrap();
    let sure = compiled((2.0, 95.0));
    let accuracy = sure.accuracy.clone().unwrap();
    assert!(!accuracy.holds && accuracy.bytes.0 == accuracy.bytes.1, "{accuracy}");
    assert_eq!(windows(&sure), 0);
    let warning = accuracy.warning().unwrap();
    assert!(warning.contains("40 held-out labels: at 95 % confidence give at least 78 more"), "{warning}");
    assert!(sure.report.warnings.contains(&warning));
    let unsure = compiled((2.0, 50.0)).accuracy.unwrap();
    assert!(unsure.holds && unsure.bytes.1 < unsure.bytes.0 && unsure.warning().is_none(), "{unsure}");
}

#[test]
fn labels_of_other_samples_are_noticed() {
    let labels: Vec<i64> = (0..40).map(|i| i % 4).collect();
    let doubt = report::doubt(10, &labels).unwrap();
    assert!(doubt.contains("right on 25.0 %") && doubt.contains("would be on 25.0 %"), "{doubt}");
    assert_eq!(report::doubt(11, &labels), None);
    assert_eq!(report::doubt(40, &[3; 40]), None, "one class tells nothing");
    let (net, samples, labels) = labelled(3, 80);
    let classes = labels.iter().max().unwrap() + 1;
    let shifted: Vec<i64> =
        labels.iter().enumerate().map(|(i, l)| if i == 0 { *l } else { (l + 1) % classes }).collect();
    let says =
        |labels: &[i64]| within(&net, &Options::default(), &samples, labels, (2.0, 50.0)).unwrap().report.warnings;
    assert!(says(&shifted).iter().any(|w| w.contains("in their order")), "{:?}", says(&shifted));
    assert!(!says(&labels).iter().any(|w| w.contains("in their order")));
}

#[test]
fn what_forbids_or_lacks_is_said() {
    let (net, samples, labels) = labelled(7, 20);
    let problem = |options: &Options, labels: &[i64], points| {
        within(&net, options, &samples, labels, (points, 95.0)).unwrap_err().to_string()
    };
    let default = Options::plain();
    assert!(problem(&Options { exact: true, ..Options::plain() }, &labels, 1.0).contains("`exact` forbids"));
    assert!(problem(&Options { ring: Some(37), ..Options::plain() }, &labels, 1.0).contains("`ring`"));
    assert!(problem(&default, &labels[1..], 1.0).contains("19 labels for 20 samples"));
    assert!(problem(&default, &labels, -1.0).contains("points"));
    assert!(problem(&default, &labels, f64::NAN).contains("points"));
    assert!(problem(&default, &[77; 20], 1.0).contains("none of the labels"));
    let unsure = within(&net, &default, &samples, &labels, (1.0, 30.0)).unwrap_err().to_string();
    assert!(unsure.contains("`confidence`"), "{unsure}");
}

#[test]
fn windows_claim_the_room_that_the_lost_carry_needs() {
    let (net, samples, _) = labelled(9, 8);
    let plain = net.compile(&Options::plain(), &samples).program.graph;
    let names: Vec<String> = plain.nodes.iter().map(|n| n.name.clone()).collect();
    for skip_low in [0, 1, 3, 5, 60] {
        let chosen = names.iter().map(|n| (n.clone(), skip_low)).collect();
        for profile in [None, Some(Profile::lan())] {
            let graph = with_windows_of_bits(&plain, &chosen, profile.as_ref()).unwrap();
            picc_ir::verify::verify(&graph, picc_ir::verify::Stage::Mpc).unwrap();
            for node in &graph.nodes {
                if let Op::Mpc(MpcOp::ReluOt(ReluOt { skip_low: got, .. })) = node.op {
                    let ring = graph.ty(node.args[0]).as_fixed().unwrap().ring_bits;
                    assert_eq!(got, skip_low.min(ring - 4));
                }
            }
        }
    }
    assert_eq!(with_windows_of_bits(&plain, &BTreeMap::new(), None).unwrap(), plain);
}

/// Without labels the model's own answers are what is kept.
#[test]
fn agreement_needs_no_labels() {
    let (net, samples, labels) = labelled(5, 80);
    let within = |points, labels| {
        let budget = Budget { max_drop_points: points, confidence: 50.0, labels, runner: &interpret };
        compile_within(&net.graph, &net.weights, &Options::plain(), &samples, budget)
    };
    let (own, given) = (within(2.0, None).unwrap(), within(2.0, Some(&labels)).unwrap());
    // The labels of these samples are the model's answers.
    assert_eq!(own.program, given.program);
    let accuracy = own.accuracy.unwrap();
    assert!(accuracy.agreement && accuracy.holds && accuracy.held_out.float == accuracy.held_out.samples);
    assert!(accuracy.to_string().starts_with("agreement with the model (class Approx), at least 98.00 %: holds"));
    assert!(within(101.0, None).unwrap_err().to_string().contains("per cent"));
}

#[test]
fn the_statement_names_samples_intervals_and_savings() {
    let part = |chosen, lost, gained, bound_points| Measured {
        samples: 300,
        draws: 3,
        float: 275,
        quantized: 275.0,
        chosen,
        lost,
        gained,
        bound_points,
        out_of_range: 0,
    };
    let rule = |name: &str, chosen, saved_bytes| ApproxRule {
        name: name.into(),
        says: format!("what {name} does"),
        chosen,
        saved_bytes,
    };
    let accuracy = Accuracy {
        agreement: false,
        budget_points: 0.5,
        confidence: 95.0,
        tuned: part(274.0, 2.0, 1.0, 1.0),
        held_out: part(275.0, 0.5, 0.5, 0.45),
        refused: 1,
        holds: true,
        needed: 392,
        activations: (Fractions::Significant(12), Fractions::Significant(6)),
        margin: (2.0, 1.25),
        bytes: (35_000_000, 20_000_000),
        rules: vec![rule("drelu_window", 19, 4_000_000), rule("weight_bits", 0, 0)],
        changes: vec![],
    };
    insta::assert_snapshot!(accuracy, @"
    accuracy (class Approx), budget 0.50 points: holds
      chosen on  300 samples, 3 draws: float 91.67 %, quantized 91.67 %, chosen 91.33 % (2.0 lost, 1.0 gained): drop 0.33 points
      held out   300 samples, 3 draws: float 91.67 %, quantized 91.67 %, chosen 91.67 % (0.5 lost, 0.5 gained): drop 0.00 points, at most 0.45 at 95 % confidence
      1 cheaper programs seemed to hold where they were chosen and could not be shown to on the rest
      35000000 -> 20000000 B an inference, 1.75 times fewer
      activations: 12 -> 6 significant bits; ranges: 2 -> 1.25 times what was seen
      drelu_window             chosen   19 saved    4000000 B  what drelu_window does
    ");
}

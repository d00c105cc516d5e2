use super::*;
use crate::testing::{Net, outputs_of};
use picc_ir::mpc::ReluOt;

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

fn within(net: &Net, options: &Options, samples: &[Sample], labels: &[i64], points: f64) -> Result<Compiled> {
    let budget = Budget { max_drop_points: points, labels, runner: &interpret };
    compile_within(&net.graph, &net.weights, options, samples, budget)
}

fn windows(compiled: &Compiled) -> usize {
    let skips = |n: &picc_ir::Node| match &n.op {
        Op::ReluOt(op) => op.skip_low > 0,
        Op::MaxPoolOt(op) => op.skip_low > 0,
        _ => false,
    };
    compiled.program.graph.nodes.iter().filter(|n| skips(n)).count()
}

/// Accuracy of a program on some samples, without any of this module's code.
fn right(compiled: &Compiled, samples: &[&Sample], labels: &[i64]) -> usize {
    let graph = &compiled.program.graph;
    let evaluate = |(i, sample): (usize, &&Sample)| {
        let f = graph.nodes[0].ty.as_fixed().unwrap();
        let inputs = BTreeMap::from([("x".to_owned(), picc_ir::eval::quantize_to(&sample["x"], f))]);
        let out = picc_ir::eval::run_shares(graph, &inputs, &compiled.weights, i as u64, &mut |_, _| ()).unwrap();
        let scores = &out[0].1.as_real().unwrap().data;
        (0..scores.len()).rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap() as i64
    };
    samples.iter().enumerate().map(evaluate).zip(labels).filter(|(a, y)| a == *y).count()
}

#[test]
fn a_budget_makes_programs_cheaper_and_states_what_was_measured() {
    let (net, samples, labels) = labelled(3, 120);
    for profile in [None, Some(Profile::wan())] {
        let options = Options { profile, ..Options::default() };
        let exact = net.compile(&options, &samples);
        assert_eq!(
            (windows(&exact), exact.accuracy.is_none()),
            (0, true),
            "without labels nothing is approximated"
        );
        let chosen = within(&net, &options, &samples, &labels, 5.0).unwrap();
        let accuracy = chosen.accuracy.clone().unwrap();
        assert!(accuracy.holds && windows(&chosen) > 0, "{accuracy}");
        assert!(accuracy.bytes.1 * 4 < accuracy.bytes.0 * 3, "{accuracy}");
        assert_eq!(accuracy.bytes.1, bytes(&chosen).unwrap());
        assert!(accuracy.held_out.drop_points() <= 5.0 && accuracy.tuned.drop_points() <= 5.0);
        for (part, first) in [(accuracy.tuned, 0), (accuracy.held_out, 1)] {
            let samples: Vec<&Sample> = samples.iter().skip(first).step_by(2).collect();
            let labels: Vec<i64> = labels.iter().skip(first).step_by(2).copied().collect();
            assert_eq!((part.samples, part.float), (60, 60));
            assert_eq!(part.chosen, right(&chosen, &samples, &labels));
            assert_eq!(part.lost, part.float - part.chosen + part.gained);
        }
        assert!(chosen.program.error_ulps[0] > 0);
        let again = within(&net, &options, &samples, &labels, 5.0).unwrap();
        assert_eq!(again.program.to_bytes(), chosen.program.to_bytes(), "the same twice");
        assert_eq!(again.accuracy, chosen.accuracy);
    }
}

#[test]
fn a_larger_budget_never_costs_more_and_none_changes_no_answer() {
    let (net, samples, labels) = labelled(5, 80);
    let mut last = u64::MAX;
    for points in [0.0, 2.5, 40.0] {
        let chosen = within(&net, &Options::default(), &samples, &labels, points).unwrap();
        let accuracy = chosen.accuracy.unwrap();
        assert!(accuracy.holds, "{accuracy}");
        assert!(accuracy.tuned.chosen as f64 >= accuracy.tuned.float as f64 * (1.0 - points / 100.0));
        assert!(accuracy.bytes.1 <= last, "{points}: {accuracy}");
        last = accuracy.bytes.1;
    }
}

#[test]
fn what_forbids_or_lacks_is_said() {
    let (net, samples, labels) = labelled(7, 20);
    let problem = |options: &Options, labels: &[i64], points| {
        within(&net, options, &samples, labels, points).unwrap_err().to_string()
    };
    let default = Options::default();
    assert!(problem(&Options { exact: true, ..Options::default() }, &labels, 1.0).contains("`exact` forbids"));
    assert!(problem(&Options { ring: Some(37), ..Options::default() }, &labels, 1.0).contains("`ring`"));
    assert!(problem(&default, &labels[1..], 1.0).contains("19 labels for 20 samples"));
    assert!(problem(&default, &labels, -1.0).contains("points"));
    assert!(problem(&default, &labels, f64::NAN).contains("points"));
    assert!(problem(&default, &[77; 20], 1.0).contains("none of the labels"));
}

#[test]
fn windows_claim_the_room_that_the_lost_carry_needs() {
    let (net, samples, _) = labelled(9, 8);
    let plain = net.compile(&Options::default(), &samples).program.graph;
    let names: Vec<String> = plain.nodes.iter().map(|n| n.name.clone()).collect();
    for skip_low in [0, 1, 3, 5, 60] {
        let chosen = names.iter().map(|n| (n.clone(), skip_low)).collect();
        for profile in [None, Some(Profile::lan())] {
            let graph = with_windows_of_bits(&plain, &chosen, profile.as_ref()).unwrap();
            picc_ir::verify::verify(&graph, picc_ir::verify::Stage::Mpc).unwrap();
            for node in &graph.nodes {
                if let Op::ReluOt(ReluOt { skip_low: got, .. }) = node.op {
                    let ring = graph.ty(node.args[0]).as_fixed().unwrap().ring_bits;
                    assert_eq!(got, skip_low.min(ring - 4));
                }
            }
        }
    }
    assert_eq!(with_windows_of_bits(&plain, &BTreeMap::new(), None).unwrap(), plain);
}

#[test]
fn the_statement_names_samples_intervals_and_savings() {
    let part = |chosen, lost, gained| Measured {
        samples: 300,
        float: 275,
        quantized: 275,
        chosen,
        lost,
        gained,
        out_of_range: 0,
    };
    let rule = |name: &str, chosen, saved_bytes| ApproxRule {
        name: name.into(),
        says: format!("what {name} does"),
        chosen,
        saved_bytes,
    };
    let accuracy = Accuracy {
        budget_points: 0.5,
        tuned: part(274, 2, 1),
        held_out: part(275, 0, 0),
        refused: 1,
        holds: true,
        frac: (12, 6),
        margin: (2.0, 1.25),
        bytes: (35_000_000, 20_000_000),
        rules: vec![rule("drelu_window", 19, 4_000_000), rule("weight_bits", 0, 0)],
        changes: vec![],
    };
    insta::assert_snapshot!(accuracy, @"
    accuracy (class Approx), budget 0.50 points: holds
      chosen on  300 samples: float 91.67 %, quantized 91.67 %, chosen 91.33 % (2 lost, 1 gained): drop 0.33 points, 95 % interval -0.96 to 1.63
      held out   300 samples: float 91.67 %, quantized 91.67 %, chosen 91.67 % (0 lost, 0 gained): drop 0.00 points, 95 % interval -0.65 to 0.65
      1 cheaper programs held where they were chosen and not on the rest
      35000000 -> 20000000 B an inference, 1.75 times fewer
      activations: 12 -> 6 fraction bits; ranges: 2 -> 1.25 times what was seen
      drelu_window             chosen   19 saved    4000000 B  what drelu_window does
    ");
}

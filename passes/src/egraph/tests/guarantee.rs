//! Everything on costs no more than less, on random networks and where growing is cut short.

use crate::egraph::{Extract, Family, Limits, RuleOptions, Stop, optimize};
use crate::testing::{Net, Rng};
use crate::{Compiled, Options};
use picc_ir::cost::profile::Profile;
use picc_ir::ops::*;

/// A random network: layers, activations, pools, branches that are added or concatenated.
fn random(seed: u64) -> Net {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9) + 3);
    let mut net = Net::new(seed);
    let mut x = net.input(&[1, 2 + rng.below(3), 8, 8]);
    for _ in 0..3 + rng.below(3) {
        let channels = net.shape(x)[1];
        x = match rng.below(6) {
            0 => {
                let c = net.conv(x, 2 + rng.below(6), 3, 1, 1);
                let c = net.batch_norm(c);
                net.relu(c)
            }
            1 => {
                let c = net.conv(x, 2 + rng.below(6), 1, 1, 1);
                net.relu(c)
            }
            2 if net.shape(x)[2] > 2 => {
                let y = net.relu(x);
                net.max_pool(y, 2)
            }
            3 if net.shape(x)[2] > 2 => net.average_pool(x, 2),
            4 => {
                let c = net.conv(x, channels, 3, 1, 1);
                let c = net.bias(c);
                let sum = net.add(Add {}, &[c, x]);
                net.relu(sum)
            }
            _ => {
                let (a, b) = (net.conv(x, 3, 1, 1, 1), net.conv(x, 2, 3, 1, 1));
                let (a, b) = (net.relu(a), net.relu(b));
                let all = net.add(Concat { axis: 1 }, &[a, b]);
                let all = net.batch_norm(all);
                net.relu(all)
            }
        };
    }
    let y = net.gemm(x, 3);
    net.output(y);
    net
}

fn seconds(c: &Compiled, profile: &Profile, options: &RuleOptions) -> (f64, Stop) {
    let o = optimize(&c.ring_graph, &c.weights, profile, options).unwrap_or_else(|e| panic!("{e}"));
    (o.explanation.after.seconds, o.explanation.stop)
}

fn holds(seed: u64, options: &RuleOptions) {
    let mut net = random(seed);
    let calibration = net.samples(2, 1.0);
    let ring = [None, Some(37)][seed as usize % 2];
    let c = net.compile(&Options { ring, ..Options::plain() }, &calibration);
    let profile = [Profile::lan(), Profile::wan(), Profile::mobile()][seed as usize % 3].clone();
    let (all, stop) = seconds(&c, &profile, options);
    let none = seconds(&c, &profile, &options.protocols_only()).0;
    assert!(all <= none, "seed {seed}, {stop:?}: all {all}, none {none}");
    for family in Family::ALL {
        let alone = seconds(&c, &profile, &options.only(&[family])).0;
        assert!(all <= alone, "seed {seed}, {stop:?}: all {all}, {family:?} alone {alone}");
    }
}

#[test]
fn everything_costs_no_more_than_any_family_alone_on_random_networks() {
    for seed in 0..6 {
        holds(seed, &RuleOptions::default());
        holds(seed, &RuleOptions { extract: Extract::Greedy, exact: true, ..RuleOptions::default() });
    }
}

#[test]
fn everything_costs_no_more_than_any_family_alone_where_growing_is_cut_short() {
    for seed in 0..6 {
        for limits in [Limits { iterations: 2, nodes: 60_000 }, Limits { iterations: 64, nodes: 70 }] {
            holds(seed, &RuleOptions { limits, ..RuleOptions::default() });
        }
    }
}

/// How far off local search is: within a few percent of the optimum, which the exact search proves.
#[test]
fn local_search_comes_close_to_the_optimum() {
    let mut worst: f64 = 1.0;
    for seed in 0..6 {
        let mut net = random(seed);
        let calibration = net.samples(2, 1.0);
        let c = net.compile(&Options { ring: Some(37), ..Options::plain() }, &calibration);
        for profile in [Profile::lan(), Profile::wan()] {
            let options = |extract| RuleOptions { extract, ..RuleOptions::default() };
            let (greedy, _) = seconds(&c, &profile, &options(Extract::Greedy));
            let exact = options(Extract::Exact { seconds: 10 });
            let best = optimize(&c.ring_graph, &c.weights, &profile, &exact).unwrap().explanation;
            assert!(best.extraction.optimal, "seed {seed}: {:?}", best.extraction);
            assert!(best.after.seconds <= greedy);
            worst = worst.max(greedy / best.after.seconds);
        }
    }
    println!("local search: at most {worst:.4} times the optimum");
    assert!(worst < 1.05, "{worst}");
}

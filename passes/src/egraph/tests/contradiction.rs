//! The literature disagrees on what pays: operators, fewer ReLUs, or nothing. Each paper fixes a protocol first. Here
//! one network is optimized for each of these protocols, and the same rules, the same prices and the same search
//! decide.
//!
//! | linear layers | ReLUs | wins |
//! |---|---|---|
//! | OT products | OT | Winograd: products are what is paid for |
//! | prepared offline (DELPHI), online counts | garbled | ReLU rules: a layer costs its input, a ReLU costs 656 bytes |
//! | RLWE | OT | the order of ReLU and pooling, and no Winograd: transformed layers are larger ciphertexts |

use super::ring_graph::{Ring, conv};
use crate::egraph::{Explanation, Extract, Family, RuleOptions, optimize};
use picc_ir::cost::profile::Profile;
use picc_ir::ops::*;
use picc_ir::{Fixed, Id, Owner, Ty};
use std::fmt::Write;

/// A truncated layer with a bias, ready for a ReLU: 3x3, stride 1.
fn layer(r: &mut Ring, x: Id, outs: usize) -> Id {
    let wide = r.add(Extend { ring_bits: 31 }, &[x]);
    let shape = [outs, r.graph.ty(x).shape[1], 3, 3];
    let twelve_bits = Fixed::ranged(31, 12, -2047, 2047);
    let name = format!("w{}", r.weights.len());
    let values = r.values(&shape, twelve_bits);
    r.weights.insert(name.clone(), values);
    let w = r.add(Weight { name, ty: Ty::fixed(&shape, twelve_bits, Owner::Server) }, &[]);
    let c = r.add(conv(3, 1, 1), &[wide, w]);
    let b = r.bias(c, &[outs, 1, 1]);
    let y = r.add(Add {}, &[c, b]);
    let y = r.add(TruncReduce { shift: 12 }, &[y]);
    r.add(Assume { lo: -(1 << 16), hi: 1 << 16 }, &[y])
}

/// The 3x3 layers of VGG and of ResNet with ReLU before pooling, as published: 64 channels at 56x56, 128 at 28x28, 256
/// at 14x14, 512 at 7x7. Nothing has rewritten it.
fn layers() -> Ring {
    let mut r = Ring::new(2);
    let small = Fixed { ring_bits: 19, frac_bits: 12, lo: 0, hi: 1 << 16 };
    let mut x = r.input(&[1, 64, 56, 56], small);
    for channels in [64, 128, 256, 512] {
        let y = layer(&mut r, x, channels);
        let y = r.add(Relu {}, &[y]);
        x = r.add(MaxPool { kernel: [2; 2], stride: [2; 2], pads: [0; 4], dilation: [1, 1] }, &[y]);
    }
    r.graph.outputs.push(("y".to_owned(), x));
    r
}

const RLWE: [&str; 2] = ["conv_rlwe", "matmul_rlwe"];
const OT: [&str; 4] = ["conv_ot_client", "conv_ot_server", "matmul_ot_client", "matmul_ot_server"];

fn decided(r: &Ring, disabled: &[&str], profile: &Profile) -> Explanation {
    let options = RuleOptions {
        exact: false,
        disabled: disabled.iter().map(|&n| n.to_owned()).collect(),
        priced_only: true,
        extract: Extract::Auto,
        ..RuleOptions::default()
    };
    optimize(&r.graph, &r.weights, profile, &options).unwrap_or_else(|e| panic!("{e}")).explanation
}

/// Share of what everything together saves that a family saves alone, in percent of seconds.
fn share(e: &Explanation, family: Family) -> f64 {
    let alone = e.alone.iter().find(|a| a.family == family).expect("a rewriting family").after;
    100.0 * (e.before.seconds - alone.seconds) / (e.before.seconds - e.after.seconds)
}

fn chosen(e: &Explanation, family: Family) -> usize {
    e.rules.iter().filter(|r| r.family == family).map(|r| r.chosen).sum()
}

/// How many times fewer bytes a layer takes: everything that computes it, in the rows of the explanation.
fn fewer(e: &Explanation, node: &str) -> f64 {
    let region = e.node(node).expect("a layer");
    region.before.bytes as f64 / region.after.bytes as f64
}

fn convs(e: &Explanation) -> Vec<String> {
    e.regions.iter().map(|r| r.node.clone()).filter(|n| n.starts_with("conv")).collect()
}

/// What a person reads first.
fn summary(title: &str, e: &Explanation) -> String {
    let mut text = format!("{title}\n");
    let mb = |bytes: u64| (bytes as f64 / 1e6).round();
    let _ = writeln!(text, "  {} MB online become {}", mb(e.before.bytes), mb(e.after.bytes));
    for a in e.alone.iter().filter(|a| share(e, a.family) >= 0.5) {
        let _ = writeln!(text, "  {} alone saves {:.0}% of what all save", a.family.name(), share(e, a.family));
    }
    for conv in convs(e) {
        let region = e.node(&conv).expect("a layer");
        let rules: Vec<&str> =
            region.chain.iter().map(String::as_str).filter(|r| r.starts_with("winograd")).collect();
        let how = if rules.is_empty() { "as it is".to_owned() } else { rules.join(", ") };
        let _ = writeln!(text, "  {conv}: {how}, {:.1} times fewer bytes", fewer(e, &conv));
    }
    text
}

#[test]
fn each_protocol_makes_another_optimization_win() {
    let r = layers();
    let wan = Profile::wan();

    // 31 bits hold the sums, 19 the activations: what quantization would choose.
    let ot = decided(&r, &[&RLWE[..], &["conv_pre", "matmul_pre", "relu_gc"]].concat(), &wan);
    assert!(chosen(&ot, Family::Winograd) > 0);
    assert!(share(&ot, Family::Winograd) > 80.0 && share(&ot, Family::Relu) < 10.0, "{ot}");
    let first = fewer(&ot, &convs(&ot)[0]);
    assert!((2.2..3.9).contains(&first), "{first}");

    // Online, as DELPHI counts: what is prepared before costs nothing.
    let online = Profile { offline_percent: 0, ..Profile::wan() };
    let delphi = decided(&r, &[&RLWE[..], &OT, &["relu_ot", "relu_rescale_ot"]].concat(), &online);
    // On the smallest image Winograd spares the server's plain products, and costs bytes: next to nothing either way.
    assert!(share(&delphi, Family::Winograd) < 1.0, "{delphi}");
    assert!(share(&delphi, Family::Relu) > 80.0, "{delphi}");
    assert!(delphi.after.offline_bytes > 0);

    let rlwe = decided(&r, &[&OT[..], &["conv_pre", "matmul_pre", "relu_gc"]].concat(), &wan);
    assert_eq!(chosen(&rlwe, Family::Winograd), 0, "{rlwe}");
    assert!(convs(&rlwe).iter().all(|c| fewer(&rlwe, c) < 1.5));

    let text = [
        summary("OT products", &ot),
        summary("prepared offline, ReLUs garbled, online counts", &delphi),
        summary("RLWE", &rlwe),
    ];
    insta::assert_snapshot!(text.concat());
}

/// With its storage and its offline phase priced too, a garbled ReLU at published prices is not worth its bytes.
#[test]
fn garbled_relus_lose_where_their_preparation_counts() {
    let r = layers();
    let used = |percent| {
        let profile = Profile { offline_percent: percent, ..Profile::lan() };
        let e = decided(&r, &[&RLWE[..], &OT].concat(), &profile);
        let garbled = e.rules.iter().find(|r| r.name == "relu_gc").map_or(0, |r| r.chosen);
        (garbled, e.after.offline_bytes)
    };
    let (garbled, _) = used(100);
    assert_eq!(garbled, 0);
}

//! The reported cost of DenseNet-121 under CrypTFlow2, counted on the model file, and what picc's program for the same
//! model and image size costs. Skipped where the models are absent.

use picc_compiler::onnx::{Imported, Options, import_file};
use picc_ir::cost::baseline::{Cryptflow2, trunc_by_sign_bits};
use picc_ir::mpc::schedule::program_cost;
use std::path::PathBuf;

const GB: f64 = 1e9;

/// `PICC_SHARED`, or the folder beside the checkout.
fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: nothing at {}", folder.display());
    None
}

/// DenseNet-121 for images of 320 x 320.
fn densenet121() -> Option<Imported> {
    let options = Options { input_shapes: vec!["1x3x320x320".parse().unwrap()], ..Options::default() };
    let path = shared()?.join("models/models/imagenet_densenet121.onnx");
    Some(import_file(&path, &options).unwrap_or_else(|e| panic!("{e}")))
}

#[allow(clippy::cast_precision_loss)]
fn gb(bytes: u64) -> f64 {
    bytes as f64 / GB
}

/// `found` is within 2% of `reported`.
fn near(what: &str, found: f64, reported: f64) {
    let off = 100.0 * (found / reported - 1.0);
    println!("{what:24} {found:8.1} GB, reported {reported:6.0} ({off:+.1}%)");
    assert!(off.abs() < 2.0, "{what}: {found} GB");
}

#[test]
fn cryptflow2_pays_three_terabytes_for_densenet121() {
    let Some(model) = densenet121() else { return };

    let setting = Cryptflow2 { ring: 60, frac: 12 };
    let cost = setting.price(&model.graph).unwrap();
    println!("{cost:?}");
    near("ReLU", gb(cost.relu.bytes()), 33.0);
    near("truncation", gb(cost.trunc.bytes()), 49.0);
    near("all", gb(cost.bytes()), 2740.0);
    // The figures of the module's table.
    assert_eq!(cost.relu.count, 31_872_000);
    assert_eq!(cost.scale.count, 31_974_400);
    assert_eq!(cost.linear.count, 5_782_937_600);
    assert_eq!(cost.max_pool.count, 64 * 80 * 80 * 8);
    let narrow = gb(cost.linear.bytes() + cost.relu.bytes() + cost.trunc.bytes());
    println!("without batch norms' products and max pool {narrow:.1} GB");
    assert!((narrow - 2742.6).abs() < 0.1);
    // Other readings, which the reported figures do not fit: a factor for each element of a batch norm, the paper's
    // own truncation, powers of 1024.
    let elementwise = gb(2 * cost.scale.count * (60 * 128 + 1830) / 8);
    let wide = gb(cost.bytes() - cost.scale.bytes()) + elementwise;
    println!("with elementwise batch norms {wide:.1} GB");
    assert!(wide / 2740.0 > 1.02);
    let by_sign = gb(cost.trunc.count * trunc_by_sign_bits(60, 12) / 8);
    println!("truncation by sign {by_sign:.1} GB");
    assert!(by_sign / 49.0 > 1.1);
    assert!(gb(cost.bytes()) * GB / f64::from(1 << 20) / f64::from(1 << 20) < 2.74 * 0.98);
}

#[test]
fn picc_pays_far_less_for_densenet121() {
    let Some(model) = densenet121() else { return };
    let published = Cryptflow2 { ring: 60, frac: 12 }.price(&model.graph).unwrap().bytes();
    let compiled = picc_passes::compile(&model.graph, &model.weights, &picc_passes::Options::plain(), &[]);
    let compiled = compiled.unwrap_or_else(|e| panic!("{e}"));
    let traffic = program_cost(&compiled.program).unwrap().inference();
    println!("picc {:.2} GB, {} rounds; CrypTFlow2 {:.1} GB", gb(traffic.total()), traffic.rounds, gb(published));
    assert!(traffic.total() * 200 < published);
}

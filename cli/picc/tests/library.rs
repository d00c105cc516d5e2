//! What the command line compiles and what the library compiles are the same bytes.

use picc::{Layout, Model, Options, Preprocess, Profile};
use picc_ir::weights::read_weights;
use std::path::{Path, PathBuf};
use std::process::Command;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// `model.pi` and `model.piw` as `picc` writes them.
fn command(arguments: &[&str]) -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let mut picc = Command::new(env!("CARGO_BIN_EXE_picc"));
    picc.current_dir(folder.path())
        .arg(example("models/pneumonia_vggsmall.onnx"))
        .args(["-o", "model.pi", "--quiet"]);
    picc.arg("--calibrate").arg(example("data/xray_calibration.npy")).args(arguments);
    let output = picc.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ["model.pi", "model.piw"].map(|name| std::fs::read(folder.path().join(name)).unwrap())
}

fn library(options: &Options) -> [Vec<u8>; 2] {
    let model = Model::from_onnx_file(example("models/pneumonia_vggsmall.onnx")).unwrap();
    let images = model.samples(&std::fs::read(example("data/xray_calibration.npy")).unwrap()).unwrap();
    let compiled = model.calibrate(images).compile(options).unwrap();
    [compiled.program.to_bytes(), compiled.weights.to_bytes()]
}

/// Not `assert_eq`: nobody wants to read two programs. Of weights, all but the salt, which is drawn anew each time.
fn same(arguments: &[&str], options: &Options) {
    let ([program, weights], [other_program, other_weights]) = (command(arguments), library(options));
    assert!(program == other_program, "{arguments:?}");
    assert_eq!(weights.len(), other_weights.len());
    let [(weights, digest, salt), (other, other_digest, other_salt)] =
        [&weights, &other_weights].map(|bytes| read_weights(bytes).expect("weights"));
    assert!(weights == other && digest == other_digest, "{arguments:?}");
    assert_ne!(salt.0, other_salt.0);
}

#[test]
fn by_default() {
    same(&[], &Options::default());
}

#[test]
fn with_options() {
    let preprocess = Preprocess {
        divisor: 255.0.into(),
        mean: vec![0.5.into()],
        std: vec![0.5.into()],
        layout: Layout::Nchw,
        bgr: false,
    };
    let labels = example("data/xray_labels.txt");
    let arguments = ["--mean", "0.5", "--std", "0.5", "--profile", "wan", "--labels", labels.to_str().unwrap()];
    let names = vec!["normal".to_owned(), "pneumonia".to_owned()];
    let options = Options { profile: Some(Profile::wan()), labels: names, ..Options::default() };
    same(&arguments, &Options { preprocess: Some(preprocess), ..options });
}

/// One ring for all values means no rewrites, whoever is asked.
#[test]
fn in_one_ring() {
    let options = Options { ring: Some(37), frac: Some(12), exact: true, ..Options::default() };
    same(&["--ring", "37", "--frac", "12", "--exact"], &options);
}

//! Models rewritten by rules of class `Retrain`: the written ONNX file compiles, and runs privately as it should.

use picc_compiler::onnx::export::export;
use picc_compiler::onnx::{ExternalData, Imported, import, import_file};
use picc_ir::Tensor;
use picc_ir::npy::NpyArray;
use picc_passes::retrain::{Family, Settings, relu_count, retrain};
use picc_passes::{Options, compile};
use picc_runtime::inputs::Sample;
use picc_tests::commands::{picc, pirun, printed};
use picc_tests::example::{self, INPUT};
use picc_tests::private::compare;
use serde_json::Value;
use std::path::PathBuf;

/// The example's calibration images, preprocessed.
fn xrays() -> Vec<Sample> {
    let file = std::fs::read(example::data("xray_calibration.npy")).unwrap();
    let images = NpyArray::parse(&file).unwrap().to_f32();
    let sample = |x: &[f32]| Sample::from([(INPUT.to_owned(), Tensor::new(&[1, 1, 28, 28], x.to_vec()))]);
    images.data.chunks_exact(28 * 28).map(sample).collect()
}

fn settings(families: &[Family], budget: u64) -> Settings {
    Settings { families: families.to_vec(), named: true, relu_budget: Some(budget), ..Settings::default() }
}

#[test]
fn the_rewritten_file_runs_privately_bit_for_bit() {
    let imported = example::imported(1);
    let samples = xrays();
    let all = relu_count(&imported.graph);
    for families in [&[Family::Polynomial][..], &[Family::Linearize, Family::Prune, Family::Shuffle]] {
        let settings = settings(families, all / 8);
        let options = Options { model: "pneumonia".to_owned(), exact: true, ..Options::plain() };
        let rewritten = retrain(&imported.graph, &imported.weights, &options, &settings, &samples).unwrap();
        assert!(rewritten.report.relus_after <= all / 8, "{}", rewritten.report);
        let file = export(&rewritten.graph, &rewritten.weights, "pneumonia").unwrap();
        let Imported { graph, weights, .. } = import(&file, &ExternalData::default(), &Default::default()).unwrap();
        let compiled = compile(&graph, &weights, &options, &samples).unwrap_or_else(|e| panic!("{e}\n{graph}"));
        let protocols: Vec<&str> = compiled.program.graph.nodes.iter().map(|n| n.op.name()).collect();
        assert_eq!(protocols.contains(&"square.ot"), families.contains(&Family::Polynomial));
        // Also that the traffic is the predicted one, byte for byte.
        let found = compare(&compiled, &samples[..2]);
        assert_eq!(found.ulps, 0, "{families:?}");
        assert!(found.argmax.iter().all(|(private, reference)| private == reference), "{families:?}");
    }
}

#[test]
fn picc_writes_the_rewritten_model_and_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let run = |model: PathBuf, output: &str, options: &[&str], code: i32| {
        let mut command = picc(folder.path());
        command.arg(model).args(["-o", output, "--mean", "0.5", "--std", "0.5"]).args(options);
        printed(&command.output().unwrap(), code)
    };
    let calibration = example::data("xray_calibration.npy");
    let calibrate = ["--calibrate", calibration.to_str().unwrap()];
    let allow = [&calibrate[..], &["--allow", "retrain", "--relu-budget", "2000"]].concat();
    let (out, err) = run(example::model(), "model.pi", &allow, 0);
    assert!(out.contains("ReLUs") && out.contains("(budget 2000)") && out.contains("class Retrain"), "{out}");
    assert!(err.contains("must be fine-tuned") && err.contains("accuracy was not measured"), "{err}");
    let rewritten = folder.path().join("model.retrain.onnx");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = rewritten.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the weights are in it");
    }
    let graph = import_file(&rewritten, &Default::default()).unwrap().graph;
    assert!(relu_count(&graph) <= 2000);

    let explain = |options: &[&str], code: i32| {
        let output = picc(folder.path()).args(["explain", "model.pi"]).args(options).output().unwrap();
        printed(&output, code)
    };
    assert!(explain(&[], 0).0.contains("class Retrain"));
    let object: Value = serde_json::from_str(&explain(&["--json"], 0).0).unwrap();
    let report = &object["retrain"];
    assert!(report["bytes_after"].as_u64().unwrap() < report["bytes_before"].as_u64().unwrap(), "{report}");
    let choice = &report["choices"][0];
    assert_eq!(choice["class"], "Retrain");
    let node = choice["node"].as_str().unwrap();
    assert!(explain(&["--node", node], 0).0.contains(choice["rule"].as_str().unwrap()));
    assert!(explain(&["--node", "nowhere"], 1).1.contains(node));

    // What was written is a model like any other, and the same program comes out of it.
    let (_, _) = run(rewritten, "again.pi", &calibrate, 0);
    let local = pirun(folder.path())
        .args(["local", "again.pi", "--weights", "again.piw", "--check-reference"])
        .arg("--input")
        .arg(example::data("xray_normal.png"))
        .output()
        .unwrap();
    let _ = printed(&local, 0);

    let (_, err) = run(example::model(), "none.pi", &["--allow", "retrain", "--relu-budget", "10"], 1);
    assert!(err.contains("--calibrate"), "{err}");
    let few = [&calibrate[..], &["--allow", "retrain=shuffle", "--relu-budget", "10"]].concat();
    assert!(run(example::model(), "none.pi", &few, 1).1.contains("cannot get below"));
    assert!(!folder.path().join("none.pi").exists() && !folder.path().join("none.retrain.onnx").exists());
    let _ = run(example::model(), "none.pi", &["--relu-budget", "10"], 2);
    let _ = run(example::model(), "none.pi", &["--allow", "retrain=luck"], 2);
}

/// `PICC_SHARED`, or the folder beside the repository.
fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| example::root().join("../shared")).join("models");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no models in {}", folder.display());
    None
}

/// The first images, as CIFAR-10's ResNet takes them.
fn cifar(folder: &std::path::Path, count: usize, input: &str) -> Vec<Sample> {
    let bytes = std::fs::read(folder.join("inputs/cifar10_x.npy")).unwrap();
    let images = NpyArray::parse(&bytes).unwrap().to_f32();
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let image = |pixels: &[f32]| {
        let value = |i: usize| (pixels[i % 1024 * 3 + i / 1024] / 255.0 - mean[i / 1024]) / std[i / 1024];
        Tensor::new(&[1, 3, 32, 32], (0..3 * 1024).map(value).collect())
    };
    let images = images.data.chunks_exact(3 * 1024).take(count);
    images.map(|p| Sample::from([(input.to_owned(), image(p))])).collect()
}

#[test]
fn resnet20_within_fifty_thousand_relus() {
    let Some(folder) = shared() else { return };
    let imported = import_file(&folder.join("models/cifar10_resnet20.onnx"), &Default::default()).unwrap();
    let samples = cifar(&folder, 8, &imported.inputs[0].name);
    let options = Options::plain();
    let families: Vec<Family> = Family::ALL.into_iter().filter(|f| *f != Family::XOperator).collect();
    let settings = Settings { named: false, ..settings(&families, 50_000) };
    let rewritten = retrain(&imported.graph, &imported.weights, &options, &settings, &samples).unwrap();
    let mut report = rewritten.report;
    let bytes =
        |graph, weights| compile(graph, weights, &options, &samples).unwrap().report.cost.inference().total();
    report.bytes_before = Some(bytes(&imported.graph, &imported.weights));
    report.bytes_after = Some(bytes(&rewritten.graph, &rewritten.weights));
    insta::assert_snapshot!(report.to_string());
}

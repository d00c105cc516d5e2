//! `picc check` accepts what `picc MODEL -o PROGRAM` compiles, and nothing else.

#[path = "../../compiler/tests/builder/mod.rs"]
mod builder;

use builder::Builder;
use picc_tests::commands::{picc, printed};
use picc_tests::example;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// `PICC_SHARED`, or the folder beside the repository.
fn shared() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| example::root().join("../shared"));
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: nothing at {}", folder.display());
    None
}

fn models(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|f| f.unwrap().path());
    let mut models: Vec<PathBuf> = files.filter(|f| f.extension().is_some_and(|e| e == "onnx")).collect();
    models.sort();
    models
}

/// Both accept the model or both refuse it, with as many problems; whether they accept.
fn agree(folder: &TempDir, model: &Path, calibration: Option<&Path>) -> Result<bool, String> {
    let check = picc(folder.path()).arg("check").arg(model).output().unwrap();
    let mut compile = picc(folder.path());
    compile.arg(model).args(["-o", "agree.pi", "--quiet"]);
    compile.args(calibration.iter().flat_map(|c| [Path::new("--calibrate"), c]));
    let compile = compile.output().unwrap();
    let (check_err, compile_err) = (
        String::from_utf8_lossy(&check.stderr).into_owned(),
        String::from_utf8_lossy(&compile.stderr).into_owned(),
    );
    let problems = |err: &str| err.lines().next().and_then(|l| l.rsplit_once(": ")).map(|(_, n)| n.to_owned());
    let same = check.status.code() == compile.status.code()
        && (check.status.success() || calibration.is_some() || problems(&check_err) == problems(&compile_err));
    if same {
        return Ok(check.status.success());
    }
    Err(format!("{}: check says\n{check_err}\ncompile says\n{compile_err}", model.display()))
}

fn all_agree(models: &[PathBuf], calibrated: bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut faults = Vec::new();
    for model in models {
        faults.extend(agree(&folder, model, None).err());
        let inputs = ["x.npz", "npz"].map(|e| model.with_extension(e)).into_iter().find(|f| f.is_file());
        if let (true, Some(inputs)) = (calibrated, inputs) {
            faults.extend(agree(&folder, model, Some(&inputs)).err());
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn check_and_compile_agree_on_the_models_of_this_repository() {
    let folder = tempfile::tempdir().unwrap();
    let layer = || {
        let weights: Vec<f32> = (0..32).map(|i| (i % 7) as f32 / 4.0 - 0.7).collect();
        Builder::new(17).input("x", &[1, 8]).weight("w", &[8, 4], &weights).node("MatMul", &["x", "w"], &["h"])
    };
    let square = layer().weight("v", &[4, 4], &[0.5; 16]);
    let made = [
        ("plain", true, layer().node("Relu", &["h"], &["y"])),
        ("tail", true, layer().node("Softmax", &["h"], &["y"])),
        ("hidden", false, square.node("Sigmoid", &["h"], &["s"]).node("MatMul", &["s", "v"], &["y"])),
        ("gate", false, layer().node("Sigmoid", &["h"], &["s"]).node("Mul", &["h", "s"], &["y"])),
        ("unknown", false, layer().node("Sin", &["h"], &["y"])),
        ("masked", true, {
            let low = [0.0, -3.4e38, 0.0, 0.0];
            let model = layer().weight("m", &[4], &low).node("Add", &["h", "m"], &["a"]);
            model.node("Softmax", &["a"], &["y"])
        }),
    ];
    for (name, accepted, model) in made {
        let path = folder.path().join(name).with_extension("onnx");
        std::fs::write(&path, model.output("y").bytes()).unwrap();
        assert_eq!(agree(&folder, &path, None), Ok(accepted), "{name}");
    }
    all_agree(&models(&example::root().join("examples/models")), false);
}

#[test]
fn check_lists_the_problems_of_all_stages_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let model = Builder::new(17).input("x", &[1, 4]).input("spare", &[3]).weight("w", &[4, 4], &[0.25; 16]);
    let model = model.node("MatMul", &["x", "w"], &["a"]).node("Sigmoid", &["a"], &["b"]);
    let model = model.node("MatMul", &["b", "w"], &["c"]).node("Sin", &["c"], &["d"]);
    let model = model.node("MatMul", &["d", "w"], &["e"]).node("Cos", &["e"], &["y"]).output("y");
    std::fs::write(folder.path().join("m.onnx"), model.bytes()).unwrap();
    let output = picc(folder.path()).args(["check", "m.onnx"]).output().unwrap();
    let (_, err) = printed(&output, 1);
    assert!(err.contains("3 problems"), "{err}");
    let about = |node: &str| err.split("\n  node ").find(|p| p.starts_with(&format!("`{node}`"))).unwrap();
    // Only what stands at the end can be left to the client.
    assert!(about("y").contains("let the client"), "{err}");
    assert!(about("d").contains("Relu") && !about("d").contains("the client"), "{err}");
    assert!(about("b").contains("HardSigmoid") && !about("b").contains("let the client"), "{err}");
}

#[test]
fn check_lists_the_inputs_and_what_the_client_learns() {
    let folder = tempfile::tempdir().unwrap();
    let model = Builder::new(17).input("x", &[1, 4]).input("spare", &[3]).weight("w", &[4, 2], &[0.25; 8]);
    let model = model.node("MatMul", &["x", "w"], &["h"]).node("Softmax", &["h"], &["y"]).output("y");
    std::fs::write(folder.path().join("m.onnx"), model.bytes()).unwrap();
    let (out, _) = printed(&picc(folder.path()).args(["check", "m.onnx"]).output().unwrap(), 0);
    for line in [
        "supplies input `x` 1x4",
        "input `spare` is dropped",
        "output `y` 1x2",
        "no more than the declared outputs",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    assert!(!out.contains("supplies input `spare`"), "{out}");
}

#[test]
fn check_and_compile_agree_on_small_models() {
    let Some(shared) = shared() else { return };
    let cases = ["reveal", "importer", "user", "ranges", "numerics", "exporters"];
    let mut all: Vec<PathBuf> = cases.iter().flat_map(|c| models(&shared.join("cases").join(c))).collect();
    let small = |m: &PathBuf| {
        let name = m.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("mnist") || name.starts_with("pneumonia")
    };
    all.extend(models(&shared.join("models/models")).into_iter().filter(small));
    all_agree(&all, false);
}

/// Half an hour.
#[test]
#[ignore = "compiles every model twice, networks of ImageNet's size among them"]
fn check_and_compile_agree_on_all_models() {
    let Some(shared) = shared() else { return };
    let folders = ["models/models", "models/light", "cases/reveal", "cases/importer", "cases/user", "cases/ranges"];
    let all: Vec<PathBuf> = folders.iter().flat_map(|f| models(&shared.join(f))).collect();
    all_agree(&all, true);
}

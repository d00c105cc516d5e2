//! `picc` and `pirun` as two people use them: one compiles and serves, the other has an image.

#[path = "../../compiler/tests/builder/mod.rs"]
mod builder;

use builder::Builder;
use picc_ir::npy::NpyArray;
use picc_tests::commands::{Server, picc, pirun, printed};
use picc_tests::example;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

const SERVER: [&str; 3] = ["model.pi", "--weights", "model.piw"];

/// The example's model, compiled by `picc`.
struct Compiled {
    folder: TempDir,
    printed: String,
}

impl Compiled {
    fn new(options: &[&str]) -> Compiled {
        let folder = tempfile::tempdir().unwrap();
        let mut command = picc(folder.path());
        command.arg(example::model()).args(["-o", "model.pi", "--mean", "0.5", "--std", "0.5"]);
        command.arg("--calibrate").arg(example::data("xray_calibration.npy"));
        command.arg("--labels").arg(example::data("xray_labels.txt")).args(options);
        let (printed, _) = printed(&command.output().unwrap(), 0);
        Compiled { folder, printed }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap()
    }
}

#[test]
fn compiling_writes_a_public_and_a_secret_file() {
    let compiled = Compiled::new(&[]);
    assert!(compiled.printed.contains("one inference"), "{}", compiled.printed);
    let mut files: Vec<_> = std::fs::read_dir(compiled.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["model.explain.json", "model.pi", "model.piw"], "nothing else is left behind");
    assert!(compiled.printed.contains("predicted for profile lan; peak memory"), "{}", compiled.printed);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for secret in ["model.piw", "model.explain.json"] {
            let mode = compiled.file(secret).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{secret} is the server's");
        }
    }

    // One model, one program: the same bytes, whoever compiles, and no words if none are wanted.
    let again = Compiled::new(&["--quiet"]);
    assert_eq!(again.printed, "");
    assert_eq!(again.read("model.pi"), compiled.read("model.pi"));
    // But for the salt of the commitment to the weights.
    let [(weights, program, salt), (same, of, another)] =
        [&compiled, &again].map(|c| picc_ir::weights::read_weights(&c.read("model.piw")).unwrap());
    assert!(weights == same && program == of, "one model, other weights");
    assert!(salt.0 != another.0, "a salt is drawn once for each compilation");
}

#[test]
fn check_names_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let check = |file: &str, bytes: &[u8], code: i32| {
        std::fs::write(folder.path().join(file), bytes).unwrap();
        printed(&picc(folder.path()).args(["check", file]).output().unwrap(), code)
    };
    let model = Builder::new(13).input("x", &[1, 4]);
    let model = model.node("Relu", &["x"], &["a"]).node("NonZero", &["a"], &["b"]).node("Det", &["a"], &["c"]);
    let (_, err) = check("hard.onnx", &model.output("b").output("c").bytes(), 1);
    for word in ["hard.onnx", "2 problems", "NonZero", "Det"] {
        assert!(err.contains(word), "{word}: {err}");
    }
    let (_, err) = check("text.onnx", b"this is not a model", 1);
    assert!(err.contains("text.onnx: 1 problem"), "{err}");
    let easy = Builder::new(13).input("x", &[1, 4]).node("Relu", &["x"], &["y"]).output("y");
    let (out, _) = check("easy.onnx", &easy.bytes(), 0);
    assert!(out.contains("compiles"), "{out}");

    let missing = picc(folder.path()).args(["check", "missing.onnx"]).output().unwrap();
    assert!(printed(&missing, 1).1.contains("missing.onnx"));
    let _ = printed(&picc(folder.path()).arg("check").output().unwrap(), 2);
    // A model that is refused leaves no files.
    let refused = picc(folder.path()).args(["hard.onnx", "-o", "hard.pi"]).output().unwrap();
    let _ = printed(&refused, 1);
    assert!(!folder.path().join("hard.pi").exists() && !folder.path().join("hard.piw").exists());
}

#[test]
fn inspect_says_who_learns_what_and_the_cost_of_each_layer() {
    let compiled = Compiled::new(&["--exact"]);
    let inspect = |options: &[&str]| {
        let output = picc(compiled.path()).args(["inspect", "model.pi"]).args(options).output().unwrap();
        printed(&output, 0).0
    };
    let text = inspect(&[]);
    let object: Value = serde_json::from_str(&inspect(&["--json"])).unwrap();
    let digest = object["digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    insta::assert_snapshot!(text.replace(&digest[..16], "[digest]"));
    assert!(object["learns"][0].as_str().unwrap().contains("client learns"), "{object}");
    assert!(inspect(&["--graph"]).contains("conv.rlwe"));
    let kernels = inspect(&["--kernels"]);
    assert!(kernels.contains("segment 1, after ") && kernels.contains("kernel {"), "{kernels}");
    let client: Value = serde_json::from_str(&inspect(&["--kernels=client", "--json"])).unwrap();
    assert_eq!(client["kernels"]["party"], "Client");
    assert!(client["kernels"]["segments"].as_array().is_some_and(|s| s.len() > 3));
    // The weights are no program.
    let output = picc(compiled.path()).args(["inspect", "model.piw"]).output().unwrap();
    assert!(printed(&output, 1).1.contains("not a picc program"));
}

#[test]
fn a_deployment_is_shown_and_can_be_changed() {
    let compiled = Compiled::new(&["--profile", "wan"]);
    let inspect = |options: &[&str]| -> Value {
        let output = picc(compiled.path()).args(["inspect", "model.pi", "--json"]).args(options).output().unwrap();
        serde_json::from_str(&printed(&output, 0).0).unwrap()
    };
    let (wan, mobile) = (inspect(&[]), inspect(&["--profile", "mobile"]));
    assert_eq!((&wan["profile"], &mobile["profile"]), (&"wan".into(), &"mobile".into()));
    let seconds = |o: &Value| o["seconds"].as_f64().unwrap();
    assert!(seconds(&wan) > 0.1 && seconds(&mobile) > seconds(&wan), "{wan}");
    assert!(
        wan["rows"].as_array().unwrap().iter().all(|r| r["seconds"].as_f64().is_some_and(|s| s > 0.0)),
        "{wan}"
    );
    assert!(wan["peak_memory"]["server"].as_u64() > wan["peak_memory"]["client"].as_u64(), "{wan}");
    // Nobody says for what network a program without its record was compiled.
    std::fs::remove_file(compiled.file("model.explain.json")).unwrap();
    assert!(inspect(&[])["seconds"].is_null());
}

#[test]
fn every_stage_can_be_printed() {
    let folder = tempfile::tempdir().unwrap();
    let emit = |options: &[&str]| {
        let mut command = picc(folder.path());
        command.arg(example::model()).arg("--calibrate").arg(example::data("xray_calibration.npy")).args(options);
        printed(&command.output().unwrap(), 0).0
    };
    for (stage, has, lacks) in [
        ("real", "= mul", "dequantize"),
        ("canonical", "= conv", "= mul"),
        ("ring", "= trunc_reduce", ".rlwe"),
        ("optimized", "= trunc_reduce", ".rlwe"),
        ("mpc", "= conv.rlwe", "= conv "),
    ] {
        let text = emit(&["--emit", stage]);
        assert!(text.contains(has) && !text.contains(lacks), "{stage}: {text}");
    }
    // The code of one architecture does not depend on the machine that shows it, nor on the run.
    for (target, instruction) in [("x86-64", "movq"), ("aarch64", "ldr ")] {
        let asm = || emit(&["--emit", "asm", "--target", target]);
        let text = asm();
        assert!(
            text.contains(instruction) && text.contains("ret") && !text.contains("function"),
            "{target}: {text}"
        );
        assert_eq!(text, asm());
    }
    let clif = emit(&["--emit", "clif", "--target", "x86-64"]);
    let first = clif.split("\nsegment ").find(|s| s.contains("function")).expect("a kernel");
    insta::assert_snapshot!("cranelift_ir_of_a_kernel", first);
    let alone = |passes: &str| emit(&["--passes", passes, "--emit", "pir"]);
    assert!(alone("none") != alone("ring,fuse-relu"));
    let unknown = picc(folder.path()).args(["m.onnx", "-o", "m.pi", "--passes", "winogard"]).output().unwrap();
    assert!(printed(&unknown, 2).1.contains("winograd"));
}

/// One machine measures itself and its connection to another; the compiler takes what it writes.
#[test]
fn a_calibrated_machine_is_a_profile() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = pirun(folder.path());
    let peer = peer.args(["calibrate", "--listen", "127.0.0.1:0"]).stderr(std::process::Stdio::piped());
    let mut peer = peer.spawn().unwrap();
    let mut said = std::io::BufReader::new(peer.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap();
    let mut measure = pirun(folder.path());
    measure.args(["calibrate", "-o", "here.toml", "--threads", "1", "--seconds", "0.01", "--peer", address]);
    let (table, _) = printed(&measure.output().unwrap(), 0);
    assert!(peer.wait().unwrap().success());
    for word in ["Mbit/s up", "COT, k = 8", "hash", "RLWE product", "picc --profile here.toml"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let mut compile = picc(folder.path());
    compile.arg(example::model()).args(["-o", "model.pi", "--profile", "here.toml"]);
    compile.arg("--calibrate").arg(example::data("xray_calibration.npy"));
    let (out, _) = printed(&compile.output().unwrap(), 0);
    assert!(out.contains("predicted for profile here;"), "{out}");
}

#[test]
fn two_processes_diagnose_an_image() {
    let compiled = Compiled::new(&["--exact"]);
    for (image, label) in [("xray_normal.png", "normal"), ("xray_pneumonia.png", "pneumonia")] {
        let server = Server::start(compiled.path(), &[&SERVER[..], &["--once"]].concat());
        let mut client = pirun(compiled.path());
        client.args(["infer", "model.pi", "--server", &server.address, "--top", "1", "-o", "private.npy"]);
        client.arg("--input").arg(example::data(image));
        let (out, _) = printed(&client.output().unwrap(), 0);
        assert!(out.trim_end().ends_with(&format!(" {label}")), "{out}");
        let (status, log) = server.end();
        assert!(status.success() && log.contains("1 inferences"), "{log}");

        // What the same image gives without cryptography.
        let mut reference = pirun(compiled.path());
        reference.arg("reference").args(SERVER).args(["-o", "reference.npy", "--input"]).arg(example::data(image));
        let _ = printed(&reference.output().unwrap(), 0);
        let values = |name: &str| NpyArray::parse(&compiled.read(name)).unwrap().to_f32();
        assert_eq!(values("private.npy"), values("reference.npy"));
    }
}

#[test]
fn json_is_one_object_with_the_documented_keys() {
    let compiled = Compiled::new(&[]);
    let mut local = pirun(compiled.path());
    local.arg("local").args(SERVER).arg("--json").arg("--input").arg(example::data("xray_normal.png"));
    let (out, _) = printed(&local.output().unwrap(), 0);
    assert_eq!(out.lines().count(), 1, "one line: {out}");
    let object: Value = serde_json::from_str(&out).unwrap();
    for key in ["bytes_client_to_server", "bytes_server_to_client", "rounds", "peak_memory_bytes", "inferences"] {
        assert!(object[key].as_u64().is_some_and(|n| n > 0), "{key}: {}", object[key]);
    }
    assert!(object["seconds"].as_f64().is_some_and(|s| s > 0.0));
    assert_eq!(object["top"][0][0]["label"], "normal");
    let nodes = object["nodes"].as_array().unwrap();
    for node in nodes {
        assert!(node["name"].is_string() && node["op"].is_string() && node["seconds"].is_f64(), "{node}");
    }
    // Rows, extension, setup and requests are all there is.
    let phases = [&object["extension"], &object["setup"]];
    for way in ["bytes_client_to_server", "bytes_server_to_client"] {
        let rows: u64 = nodes.iter().chain(phases).map(|n| n[way].as_u64().unwrap()).sum();
        let rest = object[way].as_u64().unwrap() - rows;
        assert!(rest < 64, "{rest} bytes are in no row");
    }
}

#[test]
fn parties_with_different_programs_both_say_so() {
    let (ours, theirs) = (Compiled::new(&[]), Compiled::new(&["--exact"]));
    let server = Server::start(ours.path(), &[&SERVER[..], &["--once"]].concat());
    let mut client = pirun(theirs.path());
    client
        .args(["infer", "model.pi", "--server", &server.address, "--input"])
        .arg(example::data("xray_normal.png"));
    let (out, err) = printed(&client.output().unwrap(), 4);
    assert!(out.is_empty() && err.contains("programs differ"), "{out}{err}");
    let (status, log) = server.end();
    assert_eq!(status.code(), Some(4));
    assert!(log.contains("programs differ"), "{log}");

    // Weights of another compilation are refused before anybody connects.
    std::fs::copy(theirs.file("model.piw"), ours.file("other.piw")).unwrap();
    let output = pirun(ours.path()).args(["serve", "model.pi", "--weights", "other.piw"]).output().unwrap();
    let (_, err) = printed(&output, 1);
    assert!(err.contains("other.piw") && err.contains("another program"), "{err}");
}

/// `picc inspect model.pi | head -1`.
#[cfg(unix)]
#[test]
fn a_reader_that_leaves_ends_printing_quietly() {
    let compiled = Compiled::new(&[]);
    let mut command = picc(compiled.path());
    command.args(["inspect", "model.pi", "--kernels"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

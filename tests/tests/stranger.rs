//! A crate outside this workspace that depends on the front door by path: it builds, with no patch and no setting of
//! this workspace, and runs an inference.

use picc_tests::commands::cargo;
use picc_tests::example::root;
use std::fmt::Write;
use std::fs;

/// A test of the other crate: what the front page of `picc` shows.
const TEST: &str = r#"
use picc::{Client, Model, Options, Server};
use std::net::TcpListener;

/// What the README shows compiles.
#[allow(dead_code, unused_variables)]
fn readme(program: picc::Program, sample: picc::Sample, listener: TcpListener) -> Result<(), Box<dyn std::error::Error>> {
    // README
    Ok(())
}

#[test]
fn an_inference() {
    let examples = std::path::Path::new(env!("EXAMPLES"));
    let model = Model::from_onnx_file(examples.join("models/pneumonia_vggsmall.onnx")).unwrap();
    let images = model.samples(&std::fs::read(examples.join("data/xray_calibration.npy")).unwrap()).unwrap();
    let compiled = model.calibrate(images.clone()).compile(&Options::default()).unwrap();
    let expected = compiled.program.reference(&compiled.weights, &images[0]).unwrap();
    let server = Server::new(&compiled.program, compiled.weights).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || server.accept(&listener));
    let mut client = Client::connect(&compiled.program, address).unwrap();
    let answer = client.infer(&images[0]).unwrap();
    client.close().unwrap();
    assert_eq!(serving.join().unwrap().unwrap().inferences, 1);
    let bound = compiled.program.error_ulps()[0] as f32 / 4096.0;
    for (a, b) in answer.outputs[0].1.data.iter().zip(&expected.outputs[0].1.data) {
        assert!((a - b).abs() <= bound, "{a} is not {b}");
    }
}
"#;

/// The crates of this repository that the front door pulls. They are compiled again, and hence without optimization,
/// which takes a third of the time; an inference of the small model still takes seconds.
const OURS: [&str; 7] =
    ["picc", "picc-compiler", "picc-ir", "picc-kernels", "picc-onnx-protobuf", "picc-passes", "picc-runtime"];

/// The other crate's manifest. Of dependencies it needs `picc` alone. For its tests it also names all that this
/// workspace takes from the registry, so that the same features are selected, and what `cargo test` has compiled is
/// used again.
fn manifest() -> String {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace's manifest");
    let section = |name: &str| {
        let lines = workspace.split(&format!("\n[{name}]\n")).nth(1).expect("a section");
        lines.split("\n[").next().expect("its lines").to_owned()
    };
    let mut text =
        "[package]\nname = \"stranger\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n".to_owned();
    let _ = writeln!(text, "picc = {{ path = {:?} }}\n\n[dev-dependencies]", root().join("facade"));
    for line in section("workspace.dependencies").lines().filter(|l| !l.starts_with('#') && !l.contains("path =")) {
        // The tests of `picc-kernels` put guard pages around buffers.
        let _ = writeln!(text, "{}", line.replace(r#"["fs", "process"]"#, r#"["fs", "process", "mm"]"#));
    }
    for profile in ["release", "dev"] {
        let _ = writeln!(text, "\n[profile.{profile}]\n{}", section(&format!("profile.{profile}")));
        for krate in OURS {
            let _ = writeln!(text, "[profile.{profile}.package.{krate}]\nopt-level = 0");
        }
    }
    let _ = writeln!(text, "\n[profile.dev.package.\"*\"]\n{}", section("profile.dev.package.\"*\""));
    text
}

/// The lines of the README's "As a library".
fn readme() -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let section = readme.split("\n## As a library\n").nth(1).expect("the README shows the library");
    let section = section.split("\n## ").next().unwrap_or(section);
    let lines: Vec<&str> = section.lines().filter(|line| line.starts_with("    ")).collect();
    assert!(lines.len() > 3, "{section}");
    lines.join("\n")
}

#[test]
fn a_strangers_crate_runs_an_inference() {
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["src", "tests"] {
        fs::create_dir(folder.path().join(part)).expect("a folder");
    }
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("Cargo.toml", &manifest());
    write("src/lib.rs", "");
    write("tests/infer.rs", &TEST.replace("// README", &readme()));
    // The versions of this workspace: nothing is fetched.
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("a copy");
    let mut test = cargo(folder.path(), "test");
    test.args(["--offline", "--test", "infer"]).env("EXAMPLES", root().join("examples"));
    let output = test.output().expect("cargo runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}{err}");
}

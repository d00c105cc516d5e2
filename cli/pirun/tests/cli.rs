//! `pirun` as a user runs it: files in, files and text out, exit codes, a server with several clients.

#[path = "../../../runtime/tests/common/mod.rs"]
mod common;

use common::{Linear, Truncation, cnn, reference, sample};
use picc_ir::eval::Value;
use picc_ir::npy::{NpyArray, write_f32, write_i64};
use picc_ir::weights::{Salt, write_weights};
use picc_ir::{Party, Tensor};
use picc_runtime::exec::Executable;
use picc_runtime::inputs::Sample;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A model and inputs on disk.
struct Files {
    dir: TempDir,
    samples: Vec<Sample>,
    expected: Vec<Vec<f32>>,
}

impl Files {
    fn new(linear: Linear) -> Files {
        let dir = tempfile::tempdir().unwrap();
        let built = cnn(linear, Truncation::Faithful);
        let exe = Executable::new(built.program.clone()).unwrap();
        let samples: Vec<Sample> = (0..3).map(|seed| sample(&built.program, seed)).collect();
        let expected = samples
            .iter()
            .map(|s| match &reference(&exe, &built.weights, s)[0].1 {
                Value::Real(t) => t.data.clone(),
                Value::Ring(_) => panic!("logits are real"),
            })
            .collect();
        let files = Files { dir, samples, expected };
        files.write("model.pi", &built.program.to_bytes());
        files.write("model.piw", &write_weights(&built.weights, built.program.digest(), &Salt([9; 32])));
        files.write("x.npy", &write_f32(&files.samples[0]["image"]));
        let all: Vec<f32> = files.samples.iter().flat_map(|s| s["image"].data.clone()).collect();
        files.write("all.npy", &write_f32(&Tensor::new(&[3, 2, 8, 8], all)));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    /// `pirun` in the directory of the files.
    fn pirun(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pirun"));
        command.current_dir(self.dir.path()).args(args.split_whitespace());
        command
    }

    fn run(&self, args: &str) -> Output {
        self.pirun(args).output().unwrap()
    }
}

fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn array(path: &Path) -> Tensor<f32> {
    NpyArray::parse(&std::fs::read(path).unwrap()).unwrap().to_f32()
}

/// A server that is running, and where.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(files: &Files, args: &str) -> Server {
        let mut command = files.pirun(&format!("serve model.pi --weights model.piw --listen 127.0.0.1:0 {args}"));
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        // The rest must be read, or the server's messages would block it.
        std::thread::spawn(move || stderr.read_to_string(&mut String::new()));
        Server { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn local_prints_one_object_and_writes_the_outputs() {
    let files = Files::new(Linear::Rlwe);
    let text = ok(&files.run(
        "local model.pi --weights model.piw --input x.npy --json --top 2 --check-reference --threads 1 -o out.npz",
    ));
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["as_predicted"], true);
    assert_eq!(object["reference"]["max_ulps"], 0);
    assert_eq!(object["top"][0].as_array().unwrap().len(), 2);
    let bytes = |key: &str| object[key].as_u64().unwrap();
    assert_eq!(bytes("predicted_bytes"), bytes("bytes_client_to_server") + bytes("bytes_server_to_client"));
    assert_eq!(bytes("predicted_rounds"), bytes("rounds"));
    let npz = picc_runtime::inputs::read_npz(&std::fs::read(files.path("out.npz")).unwrap()).unwrap();
    assert_eq!(NpyArray::parse(&npz["logits"]).unwrap().to_f32().data, files.expected[0]);

    let text =
        ok(&files.run("local model.pi --weights model.piw --input all.npy --top 1 --network 1Gbit,1ms -o out.npy"));
    assert_eq!(array(&files.path("out.npy")).data, files.expected.concat());
    assert_eq!(&array(&files.path("out.probabilities.npy")).shape[..], [3, 10]);
    assert_eq!(text.lines().filter(|l| l.starts_with("sample")).count(), 3, "{text}");
}

#[test]
fn exit_codes_say_whose_fault_it_is() {
    let files = Files::new(Linear::Ot(Party::Server));
    let code = |args: &str| files.run(args).status.code();
    assert_eq!(code("local model.pi --weights model.piw --input missing.npy"), Some(2));
    assert_eq!(code("local model.pi --weights model.piw --input model.pi"), Some(2));
    assert_eq!(code("local model.pi --input x.npy"), Some(2));
    assert_eq!(code("local x.npy --weights model.piw --input x.npy"), Some(1));
    assert_eq!(code("infer model.pi --server 127.0.0.1:9 --input x.npy --timeout 1"), Some(3));
    let other = cnn(Linear::Ot(Party::Client), Truncation::Faithful);
    files.write("other.piw", &write_weights(&other.weights, other.program.digest(), &Salt([9; 32])));
    let refused = files.run("local model.pi --weights other.piw --input x.npy");
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("other.piw"));
}

#[test]
fn a_server_answers_several_clients_and_survives_bad_ones() {
    let files = Files::new(Linear::Ot(Party::Server));
    let mut server = Server::start(&files, "--timeout 20 --json");
    let address = server.address.clone();

    // One that speaks something else, one that leaves at once, one that says nothing.
    TcpStream::connect(&address).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    drop(TcpStream::connect(&address).unwrap());
    let silent = TcpStream::connect(&address).unwrap();

    let infer = |out: &str| {
        files.pirun(&format!("infer model.pi --server {address} --input all.npy -o {out}")).spawn().unwrap()
    };
    let mut clients = [infer("a.npz"), infer("b.npz")];
    for client in &mut clients {
        assert!(client.wait().unwrap().success());
    }
    for out in ["a.npz", "b.npz"] {
        let npz = picc_runtime::inputs::read_npz(&std::fs::read(files.path(out)).unwrap()).unwrap();
        let logits = NpyArray::parse(&npz["logits"]).unwrap().to_f32();
        assert_eq!(&logits.shape[..], [3, 10]);
        assert_eq!(logits.data, files.expected.concat());
    }

    // Another program: both sides are told, and the server goes on.
    let other = cnn(Linear::Ot(Party::Client), Truncation::Faithful);
    files.write("other.pi", &other.program.to_bytes());
    let refused = files.run(&format!("infer other.pi --server {address} --input x.npy"));
    assert_eq!(refused.status.code(), Some(4), "{}", String::from_utf8_lossy(&refused.stderr));
    ok(&files.run(&format!("infer model.pi --server {address} --input x.npy")));
    drop(silent);

    #[cfg(unix)]
    {
        let pid = server.child.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(server.child.wait().unwrap().success());
        let mut lines = String::new();
        server.child.stdout.take().unwrap().read_to_string(&mut lines).unwrap();
        let sessions: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(sessions.iter().filter(|s| s["inferences"] == 3).count(), 2, "{lines}");
        let differs = |s: &&serde_json::Value| s["error"].as_str().is_some_and(|e| e.contains("programs differ"));
        assert_eq!(sessions.iter().find(differs).map(|s| &s["fault"]), Some(&"handshake".into()), "{lines}");
    }
}

#[test]
fn once_serves_one_session_and_ends() {
    let files = Files::new(Linear::Rlwe);
    let mut server = Server::start(&files, "--once");
    ok(&files.run(&format!("infer model.pi --server {} --input x.npy --top 1", server.address)));
    assert!(server.child.wait().unwrap().success());
}

/// Weights, inputs and shares do not reach the disk of a party that crashes.
#[test]
#[cfg(target_os = "linux")]
fn a_party_leaves_no_core_dump() {
    let files = Files::new(Linear::Rlwe);
    let server = Server::start(&files, "");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.child.id())).unwrap();
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "soft and hard limit");
}

#[cfg(unix)]
#[test]
fn weights_that_others_may_read_are_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new(Linear::Rlwe);
    for (mode, warns) in [(0o600, false), (0o640, true), (0o604, true)] {
        std::fs::set_permissions(files.path("model.piw"), std::fs::Permissions::from_mode(mode)).unwrap();
        let output = files.run("reference model.pi --weights model.piw --input x.npy");
        ok(&output);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(said.contains("may be read by others"), warns, "{mode:o}: {said}");
    }
}

#[test]
fn the_reference_counts_right_answers() {
    let files = Files::new(Linear::Rlwe);
    let argmax = |v: &[f32]| (0..v.len()).max_by(|&a, &b| v[a].total_cmp(&v[b])).unwrap() as i64;
    let mut labels: Vec<i64> = files.expected.iter().map(|v| argmax(v)).collect();
    labels[0] += 1;
    files.write("y.npy", &write_i64(&Tensor::new(&[3], labels)));
    let text = ok(&files.run("reference model.pi --weights model.piw --input all.npy --labels-npy y.npy"));
    assert!(text.starts_with("2 of 3 right"), "{text}");
    ok(&files.run("reference model.pi --weights model.piw --input all.npy --first 2 -o out.npz"));
    let npz = picc_runtime::inputs::read_npz(&std::fs::read(files.path("out.npz")).unwrap()).unwrap();
    files.write("logits.npy", &npz["logits"]);
    assert_eq!(array(&files.path("logits.npy")).data, files.expected[..2].concat());
}

/// Every second of a party is computation on shares, cryptography or waiting, and the bytes are those of the cost.
#[test]
fn bench_splits_the_time_of_both_parties() {
    let files = Files::new(Linear::Rlwe);
    let out = files.run("bench model.pi --weights model.piw --runs 1 --network none --network 1Gbit,1ms --json");
    let json: serde_json::Value = serde_json::from_str(&ok(&out)).unwrap();
    assert_eq!(json["as_predicted"], true);
    assert_eq!(json["networks"].as_array().unwrap().len(), 2);
    let seconds = |of: &serde_json::Value, what: &str| of[what].as_f64().unwrap();
    for network in json["networks"].as_array().unwrap() {
        for party in ["client", "server"] {
            let s = &network[party];
            let sum =
                seconds(s, "kernel_seconds") + seconds(s, "cryptography_seconds") + seconds(s, "waiting_seconds");
            assert!((sum - seconds(s, "seconds")).abs() < 1e-6, "{s}");
            assert!(seconds(s, "waiting_seconds") > 0.0 && seconds(s, "kernel_seconds") > 0.0, "{s}");
        }
    }
    let text = ok(&files.run("bench model.pi --weights model.piw --runs 1 --network none --input x.npy"));
    for part in ["as predicted", "network", "waiting", "(extension)", "conv.rlwe"] {
        assert!(text.contains(part), "{text}");
    }
}

//! `pirun` when something is wrong: inputs and outputs that do not fit, connections that break, promises that are not
//! kept. Nothing is overwritten, nothing is left behind, and what is done is kept.

#[path = "../../../runtime/tests/common/mod.rs"]
mod common;

use common::{Builder, Linear, Truncation, cnn, reference, sample};
use picc_ir::Tensor;
use picc_ir::eval::Value;
use picc_ir::npy::{NpyArray, write_f32, write_i64};
use picc_ir::weights::{Salt, write_weights};
use picc_runtime::exec::Executable;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A program, its weights and three inputs, one of which lies far outside the program's range.
struct Files {
    dir: TempDir,
    built: common::Built,
    expected: Vec<f32>,
}

impl Files {
    fn new(truncation: Truncation) -> Files {
        Files::of(cnn(Linear::Rlwe, truncation))
    }

    fn of(built: common::Built) -> Files {
        let exe = Executable::new(built.program.clone()).unwrap();
        let samples: Vec<Vec<f32>> =
            (0..3).map(|seed| sample(&built.program, seed).remove("image").unwrap().data).collect();
        let logits = |seed| match reference(&exe, &built.weights, &sample(&built.program, seed)).remove(0).1 {
            Value::Real(t) => t.data,
            Value::Ring(t) => t.data.iter().map(|&v| v as f32).collect(),
        };
        let expected = (0..3).flat_map(logits).collect();
        let files = Files { dir: tempfile::tempdir().unwrap(), built, expected };
        files.write("model.pi", &files.built.program.to_bytes());
        files
            .write("model.piw", &write_weights(&files.built.weights, files.built.program.digest(), &Salt([9; 32])));
        let shape = files.built.program.inputs[0].shape.to_vec();
        files.write("x.npy", &write_f32(&Tensor::new(&shape, samples[0].clone())));
        let mut three = shape.clone();
        three[0] = 3;
        files.write("all.npy", &write_f32(&Tensor::new(&three, samples.concat())));
        let mut wide = samples[0].clone();
        (wide[1], wide[3]) = (100.0, -7.5);
        files.write("wide.npy", &write_f32(&Tensor::new(&shape, wide)));
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

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn pirun(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pirun"));
        command.current_dir(self.dir.path()).args(args.split_whitespace());
        command
    }

    /// Exit code, standard output, standard error.
    fn run(&self, args: &str) -> (Option<i32>, String, String) {
        text(&self.pirun(args).output().unwrap())
    }

    /// Fails with this exit code and these words.
    fn refused(&self, args: &str, code: i32, words: &[&str]) {
        let (found, _, err) = self.run(args);
        assert_eq!(found, Some(code), "{args}: {err}");
        words.iter().for_each(|word| assert!(err.contains(word), "{args}: no `{word}` in {err}"));
    }

    fn logits(&self, file: &str) -> Tensor<f32> {
        NpyArray::parse(&std::fs::read(self.path(file)).unwrap()).unwrap().to_f32()
    }
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

const LOCAL: &str = "local model.pi --weights model.piw --input all.npy";

#[test]
fn outputs_never_overwrite_what_is_there() {
    let files = Files::new(Truncation::Faithful);
    files.write("y.npy", &write_i64(&Tensor::new(&[3], vec![1, 2, 3])));
    files.write("names", b"a list of names");
    files.write("here.toml", b"# not a profile");
    let before: Vec<Vec<u8>> = files.names().iter().map(|n| std::fs::read(files.path(n)).unwrap()).collect();
    for output in ["model.piw", "model.pi", "all.npy", "names", "missing/y.npy", ".", "answers.txt"] {
        files.refused(&format!("{LOCAL} -o {output}"), 2, &[output]);
        files.refused(&format!("infer model.pi --server 127.0.0.1:9 --input all.npy -o {output}"), 2, &[output]);
        files.refused(&LOCAL.replace("local", &format!("reference -o {output}")), 2, &[output]);
    }
    files.refused(&LOCAL.replace("local", "reference --labels-npy y.npy -o y.npy"), 2, &["reads it"]);
    // Before anything is measured, which would take a minute.
    let start = Instant::now();
    for output in ["model.pi", "here.toml", "missing/here.toml"] {
        files.refused(&format!("calibrate --seconds 60 -o {output}"), 2, &[output]);
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    let after: Vec<Vec<u8>> = files.names().iter().map(|n| std::fs::read(files.path(n)).unwrap()).collect();
    assert!(before == after, "{:?}", files.names());
}

#[test]
fn inputs_that_do_not_fit_are_errors_before_anything_is_sent() {
    let files = Files::new(Truncation::Faithful);
    let range = ["wide.npy: sample 0", "2 of 128 values", "range -2 to 1.9961", "-7.5 to 100", "--clip"];
    for command in ["local", "reference", "infer"] {
        let server = if command == "infer" { "--server 127.0.0.1:9" } else { "--weights model.piw" };
        files.refused(&format!("{command} model.pi {server} --input wide.npy"), 2, &range);
    }
    let clipped = |command: &str, out: &str| {
        let args = format!("{command} model.pi --weights model.piw --input wide.npy --clip -o {out}");
        let (code, _, err) = files.run(&args);
        assert!(code == Some(0) && err.contains("warning: wide.npy: 2 values moved"), "{err}");
        files.logits(out).data
    };
    assert_eq!(clipped("local", "a.npy"), clipped("reference", "b.npy"));
    let mut nan = vec![0.0; 128];
    nan[7] = f32::NAN;
    files.write("nan.npy", &write_f32(&Tensor::new(&[1, 2, 8, 8], nan)));
    files.write("nhwc.npy", &write_f32(&Tensor::full(&[3, 8, 8, 2], 0.5)));
    for command in ["local", "reference"] {
        let run = |input: &str| format!("{command} model.pi --weights model.piw --input {input}");
        files.refused(&run("nan.npy --clip"), 2, &["nan.npy", "NaN", "index 7"]);
        files.refused(
            &run("nhwc.npy"),
            2,
            &["nhwc.npy", "[3, 8, 8, 2]", "(n, 2, 8, 8)", "x.transpose(0, 3, 1, 2)"],
        );
        files.refused(&run("all.npy --mean 0.5"), 2, &["leave the options away"]);
        files.refused(&run("x.npy --std 0"), 2, &["leave the options away"]);
    }
    for (labels, says) in [
        (write_i64(&Tensor::new(&[4], vec![0; 4])), "shape [4] for 3 samples"),
        (write_f32(&Tensor::new(&[3], vec![0.0; 3])), "integers"),
        (write_i64(&Tensor::new(&[3], vec![0, 10, 1])), "sample 1 has class 10"),
        (write_i64(&Tensor::new(&[3, 10], vec![0; 30])), "y.argmax(1)"),
    ] {
        files.write("y.npy", &labels);
        files.refused(&LOCAL.replace("local", "reference --labels-npy y.npy"), 2, &["y.npy", says]);
    }
    // Names of classes: as many as values, and a blank line at the end is none.
    let names: String = (0..10).map(|i| format!("class no. {i}\n")).collect();
    files.write("nine.txt", names.trim_end().rsplit_once('\n').unwrap().0.as_bytes());
    files.refused(&format!("{LOCAL} --labels nine.txt"), 2, &["9 names", "`logits` has 10 values"]);
    files.write("ten.txt", format!("{names}\n\n").as_bytes());
    let (code, out, _) = files.run("local model.pi --weights model.piw --input x.npy --labels ten.txt --top 1");
    assert!(code == Some(0) && out.contains("class no. "), "{out}");
}

/// A promise of no difference, and truncations that make one.
#[test]
fn a_broken_promise_is_an_exit_code() {
    let files = Files::new(Truncation::Local);
    files.refused(&format!("{LOCAL} --check-reference"), 1, &["differ from the reference by", "0 are promised"]);
    let files = Files::new(Truncation::Faithful);
    let (code, out, err) = files.run(&format!("{LOCAL} --check-reference"));
    assert!(code == Some(0) && out.contains("0 ulps (promised: 0)"), "{out}{err}");
}

/// The sum of two values each of which is nearly as large as what is claimed for the sum.
#[test]
fn claims_about_ranges_are_counted_by_node() {
    let mut b = Builder::new(Linear::Rlwe, Truncation::Faithful);
    let x = b.input("image", &[1, 4]);
    let sum = b.add(picc_ir::ops::Add {}, &[x, x], "sum");
    let sum = b.add(picc_ir::ops::Assume { lo: -256, hi: 255 }, &[sum], "sum");
    let y = b.relu(sum, "relu");
    b.output(y, "y");
    let files = Files::of(b.build());
    let values = [[0.1, 0.2, 0.3, 0.4], [0.1, 1.5, -1.5, 0.4], [0.9, 0.0, 0.0, 0.0]].concat();
    files.write("x3.npy", &write_f32(&Tensor::new(&[3, 4], values)));
    let run = "reference model.pi --weights model.piw --input x3.npy";
    let says = "node `sum`: 3 values outside -1 to 0.99609, in 2 inputs";
    let (code, out, err) = files.run(run);
    assert!(code == Some(0) && out.contains("3 inputs") && err.contains(says), "{out}{err}");
    assert!(err.contains("warning: 2 of 3 inputs leave ranges"), "{err}");
    files.refused(&format!("{run} --strict"), 1, &[says, "pirun: 2 of 3 inputs leave ranges"]);
    let (_, out, _) = files.run(&format!("{run} --json --errors 1"));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let left = &json["left_ranges"][0];
    assert_eq!((&left["node"], &left["values"], &left["inputs"]), (&"sum".into(), &3.into(), &2.into()));
    assert_eq!(json["inputs_outside_ranges"], 2);
    // With the private run beside it, the same.
    let (_, _, err) = files.run("local model.pi --weights model.piw --input x3.npy --check-reference");
    assert!(err.contains(says), "{err}");
    // Inside, not a word.
    let (code, _, err) = files.run(&format!("{} --first 1 --strict", run));
    assert!(code == Some(0) && err.is_empty(), "{err}");
}

/// A server, and where it listens.
struct Server(Child, String);

impl Server {
    fn start(files: &Files) -> Server {
        let mut command = files.pirun("serve model.pi --weights model.piw --listen 127.0.0.1:0 --timeout 20");
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        std::thread::spawn(move || stderr.read_to_string(&mut String::new()));
        Server(child, line.trim().rsplit(' ').next().unwrap().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Passes bytes on, and drops each of the first `drops` connections after `most` bytes from the server.
fn dropping_proxy(server: String, drops: usize, most: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for (i, client) in listener.incoming().enumerate() {
            let (mut client, mut up) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), up.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from_client, &mut to_server);
                let _ = to_server.shutdown(Shutdown::Write);
            });
            let (mut left, mut buffer) = (if i < drops { most } else { usize::MAX }, [0; 1024]);
            while left > 0 {
                let n = up.read(&mut buffer[..left.min(1024)]).unwrap_or(0);
                if n == 0 || client.write_all(&buffer[..n]).is_err() {
                    break;
                }
                left -= n;
            }
            let _ = client.shutdown(Shutdown::Both);
            let _ = up.shutdown(Shutdown::Both);
        }
    });
    address
}

#[test]
fn what_is_done_is_kept_and_the_rest_is_done_again() {
    let files = Files::new(Truncation::Faithful);
    let server = Server::start(&files);
    let exe = Executable::new(files.built.program.clone()).unwrap();
    // In the middle of the second answer.
    let [one, two] = [1, 2].map(|n| exe.cost().session(n).server_to_client as usize);
    let most = (one + two) / 2;

    let address = dropping_proxy(server.1.clone(), 1, most);
    let infer = |address: &str, more: &str| format!("infer model.pi --server {address} --input all.npy {more}");
    let (code, out, err) = files.run(&infer(&address, "-o part.npy --top 1"));
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("1 of 3 samples done, written to part.npy"), "{err}");
    assert!(out.contains("sample 0") && !out.contains("sample 1"), "{out}");
    assert_eq!(files.logits("part.npy").data, files.expected[..10]);

    let address = dropping_proxy(server.1.clone(), 2, most);
    let (code, out, err) = files.run(&infer(&address, "-o all.npz --retry 2 --json"));
    assert_eq!(code, Some(0), "{err}");
    assert!(
        err.contains("1 of 3 samples done, new session 1 of 2") && err.contains("2 of 3 samples done"),
        "{err}"
    );
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["sessions"], json["top"].as_array().unwrap().len()), (&3.into(), 3));
    let npz = picc_runtime::inputs::read_npz(&std::fs::read(files.path("all.npz")).unwrap()).unwrap();
    assert_eq!(NpyArray::parse(&npz["logits"]).unwrap().to_f32().data, files.expected);

    // With too few of them, what is done is in the object.
    let address = dropping_proxy(server.1.clone(), 9, most);
    let (code, out, _) = files.run(&infer(&address, "-o two.npz --retry 1 --json"));
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["inferences"], &json["samples"]), (Some(3), &2.into(), &3.into()));
    assert!(json["error"].as_str().is_some_and(|e| e.contains("connection")) && json["written"] == "two.npz");
}

#[test]
fn a_port_without_a_server_says_so_within_seconds() {
    let files = Files::new(Truncation::Faithful);
    for (says, mail) in [(&b""[..], false), (b"22", false), (b"220 mail.example.org ESMTP\r\n", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(says).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let start = Instant::now();
        let (code, word) = if mail { (4, "does not speak this protocol") } else { (3, "is it a `pirun serve`?") };
        files.refused(&format!("infer model.pi --server {address} --input x.npy"), code, &[word]);
        assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
        other.join().unwrap();
    }
    files.refused("infer model.pi --server 127.0.0.1 --input x.npy", 2, &["HOST:PORT"]);
    files.refused("serve model.pi --weights model.piw --listen 7700", 2, &["HOST:PORT"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_behind_and_a_reader_that_leaves_costs_no_answer() {
    let files = Files::new(Truncation::Faithful);
    let before = files.names();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client =
        files.pirun(&format!("infer model.pi --server {address} --input x.npy -o y.npz")).spawn().unwrap();
    let _stream = listener.accept().unwrap();
    assert!(files.names().len() > before.len(), "a part file");
    Command::new("kill").args(["-INT", &client.id().to_string()]).status().unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(130));
    assert_eq!(files.names(), before);

    let mut command = files.pirun(&format!("{LOCAL} -o y.npz"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let npz = picc_runtime::inputs::read_npz(&std::fs::read(files.path("y.npz")).unwrap()).unwrap();
    assert_eq!(NpyArray::parse(&npz["logits"]).unwrap().to_f32().data, files.expected);
}

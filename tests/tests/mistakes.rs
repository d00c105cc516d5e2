//! docs/mistakes.md: what a newcomer may do wrong, and what the programs say. The table is what they print, made by
//! this test; each message must name the cause and the way out.

#[path = "../../compiler/tests/builder/mod.rs"]
mod builder;
#[path = "mistakes/table.rs"]
mod table;

use builder::Builder;
use picc_ir::Tensor;
use picc_ir::npy::{NpyArray, write_f32, write_i64};
use picc_ir::program::VERSION;
use picc_runtime::inputs::write_npz;
use picc_tests::commands::{picc, pirun, printed};
use picc_tests::example;
use std::fmt::Write;
use std::path::Path;
use table::{MISTAKES, Mistake};

/// Everything that the commands speak of.
fn prepare(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("written");
    for (from, to) in [
        (example::model(), "model.onnx"),
        (example::data("xray_pneumonia.png"), "photo.png"),
        (example::data("xray_calibration.npy"), "x.npy"),
    ] {
        std::fs::copy(from, folder.join(to)).expect("a copy");
    }
    let x = NpyArray::parse(&std::fs::read(folder.join("x.npy")).expect("images")).expect("an array").to_f32();
    write("pixels.npy", &write_f32(&x.map(|v| ((v * 0.5 + 0.5) * 255.0).round())));
    write("notes", b"what I must not forget");
    write("three.txt", b"red\ngreen\nblue\n");
    write("two.npy", &write_i64(&Tensor::new(&[2], vec![0, 1])));
    write("onehot.npy", &write_i64(&Tensor::new(&[4, 4], (0..16).map(|i| i64::from(i % 5 == 0)).collect())));
    let values = |shape: &[usize]| {
        let n = shape.iter().product::<usize>();
        write_f32(&Tensor::new(shape, (0..n).map(|i| (i * 37 % 256) as f32).collect()))
    };
    write("raw.npy", &values(&[4, 3, 8, 8]));
    write("nhwc.npy", &values(&[4, 8, 8, 3]));
    let weights: Vec<f32> = (0..4 * 3 * 9).map(|i| (i % 7) as f32 / 30.0 - 0.1).collect();
    let dense: Vec<f32> = (0..16).map(|i| (i % 5) as f32 / 4.0 - 0.5).collect();
    let rgb = Builder::new(13).input("image", &[1, 3, 8, 8]).weight("w", &[4, 3, 3, 3], &weights);
    let rgb = rgb.weight("d", &[4, 4], &dense).node("Conv", &["image", "w"], &["c"]).node("Relu", &["c"], &["r"]);
    let rgb = rgb.node("GlobalAveragePool", &["r"], &["p"]).node("Flatten", &["p"], &["f"]);
    let rgb = rgb.node("MatMul", &["f", "d"], &["logits"]).output("logits");
    let whole = rgb.bytes();
    write("rgb.onnx", &whole);
    write("last.npy", &values(&[3, 8, 8, 4]));
    write("signs.npy", &write_i64(&Tensor::new(&[4], vec![-1, 1, 1, -1])));
    let named = [("x".to_owned(), values(&[4, 30]))];
    write("named.npz", &write_npz(&named).expect("an archive"));
    write("table.csv", b"0.5,0.25\n1.0,0.75\n");
    write("half.npy", &write_f32(&x.map(|v| v * 0.5 + 0.5)));
    write("webp.png", b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0");
    write("model.pt", b"PK\x03\x04archive/data.pkl");
    write("lfs.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    write("broken.onnx", &whole[..whole.len() - 40]);
    let layer = |w: f32| Builder::new(13).input("a", &[1, 30]).weight("w", &[30, 2], &[w; 60]);
    let two = layer(0.25).input("b", &[1, 2]).node("MatMul", &["a", "w"], &["h"]);
    write("two.onnx", &two.node("Add", &["h", "b"], &["y"]).output("y").bytes());
    let diverged = layer(f32::NAN).node("MatMul", &["a", "w"], &["y"]).output("y");
    write("diverged.onnx", &diverged.bytes());
    let det = Builder::new(13).input("x", &[1, 4, 4]).node("Det", &["x"], &["y"]).output("y");
    write("det.onnx", &det.bytes());
    let image = ["model.onnx", "-o", "image.pi", "--calibrate", "x.npy", "--mean", "0.5", "--std", "0.5"];
    let model = ["model.onnx", "-o", "model.pi", "--calibrate", "x.npy"];
    for model in [&model[..], &image, &["rgb.onnx", "-o", "rgb.pi"]] {
        let _ = printed(&picc(folder).args(model).arg("--quiet").output().expect("picc"), 0);
    }
    let program = std::fs::read(folder.join("rgb.pi")).expect("a program");
    for (name, step) in [("older.pi", -1i32), ("newer.pi", 1)] {
        let mut other = program.clone();
        other[4] = other[4].wrapping_add_signed(step as i8);
        write(name, &other);
    }
}

/// What a command says, on one line: usage, which clap adds, is left out.
fn said(error: &str) -> String {
    let lines = error.lines().map(str::trim);
    let message: Vec<&str> = lines.take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more")).collect();
    message
        .into_iter()
        .filter(|l| !l.is_empty() && !l.contains("may be read by others"))
        .collect::<Vec<_>>()
        .join(" ")
}

const HEAD: &str = "\
# Mistakes, and what picc and pirun say

Made from what they print by `cargo test -p picc-tests --test mistakes` (with `BLESS=1` it is written again). Exit codes:
`picc --help`, `pirun --help`. No command of this table changes or leaves a file, and none sends anything.

| mistake | command | what it says |
|---|---|---|
";

#[test]
fn every_message_names_the_cause_and_the_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    let files = |folder: &Path| -> Vec<(std::ffi::OsString, Vec<u8>)> {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry"));
        let mut files: Vec<_> =
            entries.map(|e| (e.file_name(), std::fs::read(e.path()).expect("a file"))).collect();
        files.sort();
        files
    };
    let before = files(folder.path());
    let mut page = HEAD.to_owned();
    for Mistake { what, command, code, cause, way_out } in MISTAKES {
        let mut words = command.split_whitespace();
        let mut run = if words.next() == Some("picc") { picc(folder.path()) } else { pirun(folder.path()) };
        let (_, error) = printed(&run.args(words).output().expect("it runs"), code);
        let message = said(&error);
        // Other systems have other numbers.
        let message = message.split(" (os error ").enumerate();
        let rest = |(i, part): (usize, &str)| {
            if i == 0 { part.to_owned() } else { part.split_once(')').map_or(String::new(), |p| p.1.to_owned()) }
        };
        let message: String = message.map(rest).collect();
        for word in [cause, way_out] {
            assert!(message.contains(word), "{command}: no `{word}` in: {message}");
        }
        // The page stays as it is when the format changes.
        let version = |name: &str, v: u32| (format!("version {v}"), format!("version {name}"));
        let versions = [version("N", VERSION), version("N - 1", VERSION - 1), version("N + 1", VERSION + 1)];
        let message = versions.iter().fold(message, |text, (number, name)| text.replace(number, name));
        let message = message.replace('|', "\\|");
        writeln!(page, "| {what} | `{command}` | {message} |").expect("a string");
    }
    assert!(files(folder.path()) == before, "a command changed or left a file");
    let path = example::root().join("docs/mistakes.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/mistakes.md is not what the programs say; BLESS=1 writes it:\n{page}");
}

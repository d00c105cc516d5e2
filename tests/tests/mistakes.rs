//! docs/mistakes.md: what a newcomer may do wrong, and what the programs say. The table is what they print, made by this
//! test; each message must name the cause and the way out.

#[path = "../../compiler/tests/builder/mod.rs"]
mod builder;

use builder::Builder;
use picc_ir::Tensor;
use picc_ir::npy::{NpyArray, write_f32, write_i64};
use picc_ir::program::VERSION;
use picc_tests::commands::{picc, pirun, printed};
use picc_tests::example;
use std::fmt::Write;
use std::path::Path;

/// One thing that goes wrong.
struct Mistake {
    what: &'static str,
    command: &'static str,
    code: i32,
    /// What the message must name.
    cause: &'static str,
    way_out: &'static str,
}

const MISTAKES: [Mistake; 22] = [
    Mistake {
        what: "the output has the model's name",
        command: "picc model.onnx -o model.onnx",
        code: 1,
        cause: "this command reads it, so it does not overwrite it",
        way_out: "name it model.pi",
    },
    Mistake {
        what: "the program gets the ending of the weights",
        command: "picc model.onnx -o model.piw",
        code: 1,
        cause: "the name is that of a weights file",
        way_out: "name it model.pi",
    },
    Mistake {
        what: "the output's folder does not exist",
        command: "picc model.onnx -o programs/model.pi",
        code: 1,
        cause: "there is no folder programs",
        way_out: "make it first",
    },
    Mistake {
        what: "answers are written over something else",
        command: "pirun local model.pi --weights model.piw --input x.npy -o notes",
        code: 2,
        cause: "exists and is not a .npy array",
        way_out: "remove it first, or give another name",
    },
    Mistake {
        what: "a command is misspelt",
        command: "picc inspekt model.pi",
        code: 2,
        cause: "no command `inspekt`",
        way_out: "did you mean `inspect`?",
    },
    Mistake {
        what: "calibration images with their channels last, for a model with its channels first",
        command: "picc rgb.onnx -o rgb.pi --calibrate nhwc.npy",
        code: 1,
        cause: "an array of shape [4, 8, 8, 3]",
        way_out: "x.transpose(0, 3, 1, 2)",
    },
    Mistake {
        what: "means of pixels 0..=255, with the divisor left at 255",
        command: "picc rgb.onnx -o rgb.pi --mean 123.675,116.28,103.53 --std 58.395,57.12,57.375",
        code: 1,
        cause: "is that of pixels 0..=255",
        way_out: "add --divisor 1",
    },
    Mistake {
        what: "another number of means than channels",
        command: "picc rgb.onnx -o rgb.pi --mean 0.5,0.5",
        code: 1,
        cause: "--mean has 2 values, the input of shape [1, 3, 8, 8] has 3 channels",
        way_out: "give one, or one for each channel",
    },
    Mistake {
        what: "a deviation of zero",
        command: "picc rgb.onnx -o rgb.pi --std 0",
        code: 1,
        cause: "--std 0",
        way_out: "must be larger than zero",
    },
    Mistake {
        what: "calibrated on raw values, while clients normalise theirs",
        command: "picc rgb.onnx -o rgb.pi --calibrate raw.npy --mean 0.5 --std 0.5",
        code: 1,
        cause: "make -1 to 1 of pixels",
        way_out: "prepare the values in the same way",
    },
    Mistake {
        what: "names of other classes",
        command: "picc rgb.onnx -o rgb.pi --labels three.txt",
        code: 1,
        cause: "3 names of classes, but the output `logits` has 4 values",
        way_out: "one name a line",
    },
    Mistake {
        what: "one-hot labels",
        command: "picc rgb.onnx -o rgb.pi --calibrate raw.npy --labels onehot.npy --max-accuracy-drop 0.5",
        code: 1,
        cause: "an array of shape [4, 4] for 4 samples",
        way_out: "y.argmax(1)",
    },
    Mistake {
        what: "an operator that cannot be computed privately",
        command: "picc det.onnx -o det.pi",
        code: 1,
        cause: "Det",
        way_out: "node",
    },
    Mistake {
        what: "the secret file where the public one belongs",
        command: "pirun local model.piw --weights model.pi --input x.npy",
        code: 1,
        cause: "not a picc program",
        way_out: "give the .pi file",
    },
    Mistake {
        what: "weights of another compilation",
        command: "pirun local model.pi --weights rgb.piw --input x.npy",
        code: 1,
        cause: "weights of another program",
        way_out: "take the files of one compilation",
    },
    Mistake {
        what: "pixels as they are, for a program of normalised values",
        command: "pirun local model.pi --weights model.piw --input pixels.npy",
        code: 2,
        cause: "lie outside the program's range",
        way_out: "--clip",
    },
    Mistake {
        what: "an image for a program without preprocessing",
        command: "pirun local model.pi --weights model.piw --input photo.png",
        code: 2,
        cause: "does not say how pixels become its input",
        way_out: "give --divisor, --mean, --std",
    },
    Mistake {
        what: "an image of another size",
        command: "pirun local rgb.pi --weights rgb.piw --input photo.png --divisor 255",
        code: 2,
        cause: "the image is 28 x 28, the program needs 8 x 8",
        way_out: "--resize",
    },
    Mistake {
        what: "labels of other samples",
        command: "pirun reference model.pi --weights model.piw --input x.npy --labels-npy two.npy",
        code: 2,
        cause: "an array of shape [2] for 16 samples",
        way_out: "one class for each is expected",
    },
    Mistake {
        what: "an address without a port",
        command: "pirun infer model.pi --server example.org --input x.npy",
        code: 2,
        cause: "invalid value 'example.org'",
        way_out: "HOST:PORT",
    },
    Mistake {
        what: "a program of an older picc",
        command: "pirun infer older.pi --server example.org:7700 --input x.npy",
        code: 1,
        cause: "format version",
        way_out: "compile the model again",
    },
    Mistake {
        what: "a program of a newer picc",
        command: "picc inspect newer.pi",
        code: 1,
        cause: "format version",
        way_out: "upgrade this one",
    },
];

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
    write("rgb.onnx", &rgb.bytes());
    let det = Builder::new(13).input("x", &[1, 4, 4]).node("Det", &["x"], &["y"]).output("y");
    write("det.onnx", &det.bytes());
    for model in [&["model.onnx", "-o", "model.pi", "--calibrate", "x.npy"][..], &["rgb.onnx", "-o", "rgb.pi"]] {
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

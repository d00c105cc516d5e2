//! docs/compatibility.md: files of other versions are refused with the way out, by both programs.

use picc_ir::program::VERSION;
use picc_tests::commands::{picc, pirun, printed};
use picc_tests::example;
use std::path::Path;

/// A program and weights as picc 0.1.0 of 2026-11-30 wrote them: format 2, for ever.
const FORMAT: u32 = 2;

fn old(name: &str) -> Vec<u8> {
    std::fs::read(example::root().join("tests/data/format2").join(name)).unwrap()
}

/// The commands that read programs say the same about `bytes`.
fn refused(folder: &Path, bytes: &[u8], words: &[&str]) {
    std::fs::write(folder.join("m.pi"), bytes).unwrap();
    std::fs::write(folder.join("m.piw"), old("tiny.piw")).unwrap();
    let commands = [
        picc(folder).args(["inspect", "m.pi"]).output().unwrap(),
        picc(folder).args(["explain", "m.pi"]).output().unwrap(),
        pirun(folder).args(["local", "m.pi", "--weights", "m.piw", "--input", "x.npy"]).output().unwrap(),
        pirun(folder).args(["serve", "m.pi", "--weights", "m.piw", "--listen", "127.0.0.1:0"]).output().unwrap(),
        pirun(folder).args(["infer", "m.pi", "--server", "127.0.0.1:9", "--input", "x.npy"]).output().unwrap(),
    ];
    for output in &commands {
        let (_, error) = printed(output, 1);
        for word in words.iter().chain(&["m.pi: "]) {
            assert!(error.contains(word), "no `{word}` in: {error}");
        }
    }
}

#[test]
fn programs_of_other_formats_are_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let program = old("tiny.pi");
    let format = |bytes: &[u8]| u32::from_le_bytes(bytes[4..8].try_into().unwrap());
    assert_eq!(format(&program), FORMAT, "the fixture stays as it is");
    let with = |version: u32| {
        let mut other = program.clone();
        other[4..8].copy_from_slice(&version.to_le_bytes());
        other
    };
    let reads = format!("this picc reads version {VERSION}");
    if FORMAT < VERSION {
        refused(folder.path(), &program, &["format version 2", &reads, "compile the model again"]);
    } else {
        std::fs::write(folder.path().join("m.pi"), &program).unwrap();
        let (text, _) = printed(&picc(folder.path()).args(["inspect", "m.pi"]).output().unwrap(), 0);
        assert!(text.contains("tiny"), "{text}");
    }
    refused(folder.path(), &with(VERSION - 1), &[&reads, "older picc; compile the model again"]);
    let newer = [&format!("format version {}", VERSION + 1)[..], &reads, "newer picc; upgrade this one"];
    refused(folder.path(), &with(VERSION + 1), &newer);
}

/// Weights name the digest of their program, and with it the format.
#[test]
fn weights_are_those_of_one_compilation() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = picc(folder.path());
    command
        .arg(example::model())
        .args(["-o", "m.pi"])
        .arg("--calibrate")
        .arg(example::data("xray_calibration.npy"));
    let _ = printed(&command.output().unwrap(), 0);
    std::fs::write(folder.path().join("old.piw"), old("tiny.piw")).unwrap();
    let mut local = pirun(folder.path());
    local.args(["local", "m.pi", "--weights", "old.piw", "--input"]).arg(example::data("xray_calibration.npy"));
    let (_, error) = printed(&local.output().unwrap(), 1);
    assert!(error.contains("old.piw: weights of another program: compile the model again"), "{error}");
}

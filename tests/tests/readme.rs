//! The commands of the README's "Your own model" run, in order, on the example's model.

use picc_ir::Tensor;
use picc_ir::npy::{NpyArray, write_i64};
use picc_runtime::inputs::write_npz;
use picc_tests::commands::{Server, picc, pirun, printed};
use picc_tests::example;
use std::path::Path;

/// "Your own model", up to the next section.
fn section() -> String {
    let readme = std::fs::read_to_string(example::root().join("README.md")).expect("a README");
    let section = readme.split("\n## Your own model\n").nth(1).expect("the README explains how to compile a model");
    section.split("\n## ").next().unwrap_or(section).to_owned()
}

/// Lines of the section's indented block, without their comments.
fn commands(section: &str) -> Vec<Vec<String>> {
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    let code = lines.map(|line| line.split(" #").next().unwrap_or(line));
    let commands = code.flat_map(|line| line.split(" && "));
    commands.map(|command| command.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The files that the commands speak of.
fn prepare(folder: &Path) {
    let calibration = example::data("xray_calibration.npy");
    for (from, to) in [
        (example::model(), "model.onnx"),
        (example::data("xray_pneumonia.png"), "photo.png"),
        (calibration.clone(), "x.npy"),
    ] {
        std::fs::copy(from, folder.join(to)).expect("a copy");
    }
    let images = std::fs::read(calibration).expect("images");
    let samples = NpyArray::parse(&images).expect("an array").shape[0];
    std::fs::write(folder.join("classes.npy"), write_i64(&Tensor::full(&[samples], 1))).expect("written");
    let archive = write_npz(&[("images".to_owned(), images)]).expect("an archive");
    std::fs::write(folder.join("images.npz"), archive).expect("written");
}

#[test]
fn the_commands_for_a_model_of_ones_own_work() {
    let folder = tempfile::tempdir().expect("a folder");
    prepare(folder.path());
    let mut server: Option<Server> = None;
    let mut seen = Vec::new();
    for command in commands(&section()) {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        println!("$ {}", words.join(" "));
        match &words[..] {
            [] => continue,
            ["cargo", "install", "--path", krate] => {
                assert!(example::root().join(krate).join("Cargo.toml").exists(), "{krate}");
            }
            ["picc", arguments @ ..] => {
                let _ = printed(&picc(folder.path()).args(arguments).output().expect("picc"), 0);
            }
            ["pirun", "serve", arguments @ ..] => {
                // A free port instead of the README's, and an end.
                let at = arguments.iter().position(|a| *a == "--listen").expect("an address");
                let rest = [&arguments[..at], &arguments[at + 2..], &["--once"]].concat();
                server = Some(Server::start(folder.path(), &rest));
            }
            ["pirun", "infer", arguments @ ..] => {
                let server = server.take().expect("a server before its client");
                let at = arguments.iter().position(|a| *a == "--server").expect("an address");
                let mut arguments = arguments.to_vec();
                arguments[at + 1] = &server.address;
                let _ = printed(&pirun(folder.path()).arg("infer").args(arguments).output().expect("pirun"), 0);
                assert!(server.end().0.success());
            }
            ["pirun", arguments @ ..] => {
                let _ = printed(&pirun(folder.path()).args(arguments).output().expect("pirun"), 0);
            }
            other => panic!("a command that this test does not know: {other:?}"),
        }
        seen.extend(words.iter().take(2).map(|&w| w.to_owned()));
    }
    for word in ["cargo", "check", "inspect", "local", "serve", "infer"] {
        assert!(seen.iter().any(|s| s == word), "no `{word}` in the README's block");
    }
}

/// Every option that the section names is one of the two programs'.
#[test]
fn the_options_exist() {
    let section = section();
    let folder = tempfile::tempdir().expect("a folder");
    let help = |arguments: &[&str]| {
        let program = if arguments[0] == "picc" { picc } else { pirun };
        printed(&program(folder.path()).args(&arguments[1..]).arg("--help").output().expect("help"), 0).0
    };
    let mut known =
        help(&["picc"]) + &help(&["picc", "check"]) + &help(&["picc", "inspect"]) + &help(&["picc", "explain"]);
    for command in ["local", "infer", "serve", "reference", "calibrate", "bench"] {
        known += &help(&["pirun", command]);
    }
    // cargo's.
    known += "--path";
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-';
    for (at, _) in section.match_indices("--") {
        let option: String = section[at..].chars().take_while(|&c| is_part(c)).collect();
        let starts = section[..at].chars().next_back().is_none_or(|c| !is_part(c) && c != '!');
        if starts && option.len() > 3 && option.starts_with("--") && !option.starts_with("---") {
            assert!(known.contains(&option), "the README names `{option}`, which is no option");
        }
    }
}

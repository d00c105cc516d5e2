//! The pages of this repository speak of what is there: every path and every command that they name.

use picc_tests::example::root;
use std::fs;
use std::path::Path;

const PAGES: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "BENCHMARKING.md", "SECURITY.md"];

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The words of a page that begin with a folder of the repository, such as `ir/src/ops`.
fn paths(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let folder = |word: &str| word.split_once('/').is_some_and(|(first, _)| first != "target" && is_folder(first));
    let words = text.split(|c| !is_part(c)).map(|word| word.trim_end_matches(['.', '-', '/']));
    words.filter(|word| folder(word)).collect()
}

fn is_folder(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && root().join(name).is_dir()
}

/// `NAME` and `FAMILY` stand for what the reader chooses: `ir/src/ops/NAME.rs` needs its folder.
fn is_there(path: &str) -> bool {
    let is_given = |part: &&str| !["NAME", "FAMILY"].iter().any(|word| part.starts_with(word));
    let given: Vec<&str> = path.split('/').take_while(is_given).collect();
    root().join(given.join("/")).exists()
}

#[test]
fn paths_exist() {
    assert_eq!(
        paths("in `ir/src/lib.rs`, tests/tests. And a/b or https://x.org/ir/src"),
        ["ir/src/lib.rs", "tests/tests"]
    );
    assert!(is_there("ir/src/NAME.rs") && !is_there("ir/sources/NAME.rs") && !is_there("ir/src/no.rs"));
    for name in PAGES {
        let text = page(name);
        let missing: Vec<&str> = paths(&text).into_iter().filter(|path| !is_there(path)).collect();
        assert!(missing.is_empty(), "{name} names what is not there: {missing:#?}");
    }
}

#[test]
fn commands_name_what_exists() {
    let mut commands = 0;
    for name in PAGES {
        // A command may go on in the next line.
        let text = page(name).replace('\n', " ");
        let words: Vec<&str> = text.split([' ', '`', ')', ',']).filter(|word| !word.is_empty()).collect();
        for (i, &word) in words.iter().enumerate() {
            let Some(&next) = words.get(i + 1) else { continue };
            let is_there = match word {
                "--example" => there_is(next, &["kernels/examples", "runtime/examples"]),
                "--bin" => there_is(next, &["examples/src/bin", "tests/src/bin", "cli/pirun/src", "cli/picc/src"]),
                "--test" => there_is(next, &["tests/tests"]),
                "python3" | "--manifest-path" => root().join(next).is_file(),
                "-p" => next == "CRATE" || package(next),
                _ => continue,
            };
            assert!(is_there, "{name}: `{word} {next}`");
            commands += 1;
        }
    }
    assert!(commands > 10, "{commands} commands");
}

/// A source file or a folder of this name.
fn there_is(name: &str, folders: &[&str]) -> bool {
    folders
        .iter()
        .any(|f| root().join(f).join(name).is_dir() || root().join(f).join(format!("{name}.rs")).is_file())
}

/// A crate of the workspace.
fn package(name: &str) -> bool {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).expect("members");
    members.split(',').map(|member| member.trim().trim_matches('"')).any(|member| {
        let manifest = root().join(Path::new(member)).join("Cargo.toml");
        fs::read_to_string(manifest).is_ok_and(|text| text.contains(&format!("\nname = \"{name}\"\n")))
    })
}

//! The written argument of `docs/security` and SECURITY.md against the sources: what they name exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn files(dir: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("readable") {
        let path = entry.expect("entry").path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

/// Names and texts of the pages.
fn pages() -> Vec<(String, String)> {
    let mut paths = vec![root().join("SECURITY.md")];
    files(&root().join("docs/security"), "md", &mut paths);
    assert!(paths.len() > 5, "pages of the argument");
    paths.iter().map(|p| (p.display().to_string(), fs::read_to_string(p).expect("utf-8"))).collect()
}

/// What stands between backquotes in each paragraph.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2))
}

/// A name of four words or more, as tests have.
fn is_test_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.chars().all(plain) && word.split('_').filter(|w| !w.is_empty()).count() >= 4
}

/// Names of functions that carry `#[test]`.
fn tests() -> BTreeSet<String> {
    let mut paths = Vec::new();
    for dir in ["ir", "passes", "compiler", "kernels", "identity", "runtime", "facade", "cli", "examples", "tests"]
    {
        files(&root().join(dir), "rs", &mut paths);
    }
    let mut found = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(path).expect("utf-8");
        for after in text.split("#[test]").skip(1) {
            let name = after.split("fn ").nth(1).and_then(|rest| rest.split(['(', '<']).next());
            found.extend(name.map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_test_that_is_named_exists() {
    let tests = tests();
    let mut named = 0;
    for (page, text) in pages() {
        for word in code(&text).filter(|w| is_test_name(w)) {
            named += 1;
            assert!(tests.contains(word), "{page} names `{word}`, and there is no such test");
        }
    }
    assert!(named > 40, "{named} tests are named");
}

/// Functions that `runtime::protocol` exports.
fn exported(module: &str) -> Vec<&str> {
    let exported = module.lines().filter_map(|l| l.strip_prefix("pub use ")?.strip_suffix(';'));
    let names =
        exported.flat_map(|path| path.split("::").last().unwrap_or(path).trim_matches(['{', '}']).split(", "));
    names.filter(|name| name.starts_with(|c: char| c.is_lowercase())).collect()
}

#[test]
fn every_protocol_has_its_argument() {
    let module = fs::read_to_string(root().join("runtime/src/protocol/mod.rs")).expect("utf-8");
    let names = exported(&module);
    assert!(names.len() > 20, "{names:?}");
    let pages = pages();
    let headings: BTreeSet<&str> =
        pages.iter().flat_map(|(_, text)| text.lines()).filter(|l| l.starts_with("## ")).flat_map(code).collect();
    for name in names {
        assert!(headings.contains(name), "docs/security has no section on `{name}`");
    }
}

/// Sources that a page points to.
#[test]
fn every_source_that_is_named_exists() {
    for (page, text) in pages() {
        for word in code(&text).filter(|w| w.contains('/') && w.ends_with(".rs") && !w.contains(' ')) {
            assert!(root().join(word).exists(), "{page} names `{word}`");
        }
    }
}

/// A section of SECURITY.md that promises something says which tests or scripts keep it.
#[test]
fn every_section_names_what_keeps_it() {
    let text = fs::read_to_string(root().join("SECURITY.md")).expect("utf-8");
    let tests = tests();
    let sections: Vec<(&str, &str)> = text.split("\n## ").skip(1).filter_map(|s| s.split_once('\n')).collect();
    assert!(sections.len() > 8, "{} sections", sections.len());
    for (title, section) in sections {
        assert!(code(section).any(|word| tests.contains(word)), "*{title}* names no test");
        let is_kept =
            |word: &str| tests.contains(word) || (word.starts_with("tests/") && root().join(word).exists());
        for paragraph in section.split("\n\n").filter(|p| p.trim_start().starts_with("Tests: ")) {
            for word in code(paragraph) {
                assert!(is_kept(word), "*{title}*: `{word}` is neither a test nor a file");
            }
        }
    }
}

/// What is exported for shares runs under valgrind with secrets undefined. Packing runs inside those that send, and the
/// plain layers are definitions that tests compare with.
#[test]
fn every_protocol_is_tried_for_constant_time() {
    let module = fs::read_to_string(root().join("runtime/src/protocol/mod.rs")).expect("utf-8");
    let cases = fs::read_to_string(root().join("runtime/examples/constant_time/protocols.rs")).expect("utf-8");
    let inside = ["pack", "unpack", "plain_conv", "plain_matmul"];
    let names = exported(&module);
    assert!(names.len() > 20, "{names:?}");
    for name in names.iter().filter(|name| !inside.contains(name)) {
        assert!(cases.contains(&format!("p::{name}(")), "no case of the constant-time test calls `{name}`");
    }
}

/// Types that hold shares, keys and masks cannot be printed or compared by accident.
#[test]
fn secrets_have_no_debug_and_no_comparison() {
    let mut paths = Vec::new();
    files(&root().join("runtime/src"), "rs", &mut paths);
    let text: String = paths.iter().map(|p| fs::read_to_string(p).expect("utf-8")).collect();
    let types = [
        "Value",
        "Secrets",
        "RlweKeys",
        "Block",
        "Rng",
        "Csprng",
        "Mask",
        "SecretKey",
        "Prg",
        "StreamKey",
        "RoundKeys",
        "CotSender",
        "CotReceiver",
        "KeyPair",
        "Delta",
        "Session",
    ];
    for name in types {
        let is_head = |line: &str| {
            let words: Vec<&str> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            words.windows(2).any(|w| ["struct", "enum"].contains(&w[0]) && w[1] == name)
        };
        let heads: Vec<usize> = text.lines().enumerate().filter(|(_, l)| is_head(l)).map(|(i, _)| i).collect();
        assert!(!heads.is_empty(), "there is no type `{name}`: name the one that took its place");
        let lines: Vec<&str> = text.lines().collect();
        for head in heads {
            let above = lines[..head].iter().rev().take_while(|l| l.trim_start().starts_with(['#', '/']));
            for attribute in above.filter(|l| l.contains("derive")) {
                assert!(!attribute.contains("Debug") && !attribute.contains("PartialEq"), "{name}: {attribute}");
            }
        }
        for what in ["Debug for", "PartialEq for"] {
            assert!(!text.contains(&format!("{what} {name} ")), "{what} {name}");
        }
    }
}

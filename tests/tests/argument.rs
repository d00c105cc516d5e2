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

#[test]
fn every_protocol_has_its_argument() {
    let module = fs::read_to_string(root().join("runtime/src/protocol/mod.rs")).expect("utf-8");
    let exported = module.lines().filter_map(|l| l.strip_prefix("pub use ")?.strip_suffix(';'));
    let names: Vec<&str> = exported
        .flat_map(|path| path.split("::").last().unwrap_or(path).trim_matches(['{', '}']).split(", "))
        .filter(|name| name.starts_with(|c: char| c.is_lowercase()))
        .collect();
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

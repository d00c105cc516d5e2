//! Every example runs to its end, which is an assertion.

use std::process::Command;

/// Runs a binary of this crate; what it printed.
fn run(path: &str) -> String {
    let output = Command::new(path).output().expect("the example starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn xray() {
    let printed = run(env!("CARGO_BIN_EXE_xray"));
    // The optimizer was on: without rewrites it is 6.24 MB.
    let before = printed.split(" bytes").filter_map(|text| text.rsplit(' ').next());
    let bytes: u64 = before.filter_map(|n| n.parse::<u64>().ok()).sum();
    assert!((1..6_200_000).contains(&bytes), "{printed}");
}

#[test]
fn embed() {
    run(env!("CARGO_BIN_EXE_embed"));
}

#[test]
fn serve() {
    run(env!("CARGO_BIN_EXE_serve"));
}

#[test]
fn explain() {
    run(env!("CARGO_BIN_EXE_explain"));
}

#[test]
fn budget() {
    run(env!("CARGO_BIN_EXE_budget"));
}

/// The list at the top of the crate names every example.
#[test]
fn all_are_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let list = std::fs::read_to_string(folder.join("lib.rs")).expect("the crate's first file");
    let mut binaries = 0;
    for entry in std::fs::read_dir(folder.join("bin")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(list.contains(&format!("* `{name}`:")), "{name} is not in the list of examples");
        binaries += 1;
    }
    assert_eq!(binaries, 5, "a new example needs a test above");
}

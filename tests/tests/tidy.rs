//! The rules of ARCHITECTURE.md that a program can check: which crate may see which, which module may see which, how
//! large a file may be, and what no file may contain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut stack = vec![root().join(dir)];
    while let Some(path) = stack.pop() {
        if path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            stack.extend(fs::read_dir(&path).expect("readable").map(|e| e.expect("entry").path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).expect("utf-8");
            found.push((path, text));
        }
    }
    assert!(!found.is_empty(), "no sources under {dir}");
    found
}

/// The crates of this workspace that `dir`'s manifest depends on, outside tests.
fn workspace_dependencies(dir: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(dir).join("Cargo.toml")).expect("manifest");
    let dependencies = manifest.split("[dependencies]").nth(1).expect("a dependency section");
    let dependencies = dependencies.split("\n[").next().expect("its lines");
    dependencies
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| name.starts_with("picc"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn crates_depend_one_way() {
    for (dir, below) in [
        ("ir", [].as_slice()),
        ("passes", &["picc-ir"]),
        ("kernels", &["picc-ir"]),
        ("compiler", &["picc-ir", "picc-kernels", "picc-passes"]),
        // The compiler signs and the runtime authenticates.
        ("identity", &["picc-ir"]),
        // The runtime is built without importer and optimizer.
        ("runtime", &["picc-identity", "picc-ir", "picc-kernels"]),
        ("facade", &["picc-compiler", "picc-identity", "picc-ir", "picc-passes", "picc-runtime"]),
        // Both command lines write files by the same rules, and neither sees the other; files know nothing of programs.
        ("cli/files", &[]),
        ("cli/picc", &["picc-compiler", "picc-files", "picc-identity", "picc-ir", "picc-kernels", "picc-passes"]),
        ("cli/pirun", &["picc-files", "picc-identity", "picc-ir", "picc-kernels", "picc-runtime"]),
    ] {
        assert_eq!(workspace_dependencies(dir), below, "{dir}");
    }
}

/// A library does not make its users compile what only a command line needs.
#[test]
fn libraries_carry_no_command_line() {
    let libraries =
        ["picc", "picc-identity", "picc-ir", "picc-passes", "picc-kernels", "picc-compiler", "picc-runtime"];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.current_dir(root()).args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--format", "{p}"]).args(libraries.iter().flat_map(|l| ["--package", l]));
    let output = tree.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let packages: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(libraries.iter().all(|l| packages.contains(l)) && packages.contains("aes"), "{packages:?}");
    for package in ["clap", "ctrlc", "image", "indicatif", "mio", "picc-files", "signal-hook", "sigpipe"] {
        assert!(!packages.contains(package), "a library depends on {package}");
    }
}

#[test]
fn modules_know_only_what_lies_below() {
    for (module, forbidden) in [
        ("runtime/src/crypto", ["crate::protocol", "crate::channel", "crate::exec", "std::net"].as_slice()),
        ("runtime/src/protocol", &["crate::exec", "std::net", "TcpStream"]),
        ("ir/src", &["std::net", "std::fs", "unsafe {"]),
        ("facade/src", &["unsafe {"]),
        ("cli/files/src", &["std::net"]),
        ("identity/src", &["std::net", "unsafe {"]),
        ("cli", &["unsafe {"]),
        ("passes/src", &["std::net", "unsafe {"]),
        ("compiler/src", &["std::net", "unsafe {"]),
        ("cli/picc/src", &["std::net"]),
    ] {
        for (path, text) in sources(module) {
            for word in forbidden {
                assert!(!text.contains(word), "{} must not contain `{word}`", path.display());
            }
        }
    }
}

/// Folders of a crate know each other one way. Exceptions have a reason.
#[test]
fn folders_go_in_no_circle() {
    // An error names the kind of message that was expected.
    let excused = |dir: &str, folder: &str, other: &str| (dir, folder, other) == ("runtime", "error", "channel");
    for dir in ["ir", "passes", "compiler", "kernels", "identity", "runtime", "facade", "cli/picc", "cli/pirun"] {
        let src = root().join(dir).join("src");
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, text) in sources(&format!("{dir}/src")) {
            let inside = path.strip_prefix(&src).expect("inside").to_string_lossy().into_owned();
            let Some((folder, _)) = inside.split_once('/') else { continue };
            if inside.contains("test") {
                continue;
            }
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code: String = lines.collect::<Vec<_>>().join(" ");
            let words = code.split("crate::").skip(1);
            let named = words.filter_map(|w| w.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next());
            let others = named.filter(|n| *n != folder && src.join(n).is_dir() && !excused(dir, folder, n));
            uses.entry(folder.to_owned()).or_default().extend(others.map(str::to_owned));
        }
        for folder in uses.keys() {
            let mut reached: BTreeSet<&String> = BTreeSet::new();
            let mut open: Vec<&String> = uses[folder].iter().collect();
            while let Some(next) = open.pop() {
                if reached.insert(next) {
                    open.extend(uses.get(next).into_iter().flatten());
                }
            }
            assert!(!reached.contains(folder), "{dir}: {folder} needs itself by way of {reached:?}");
        }
    }
}

#[test]
fn files_stay_readable() {
    for dir in ["ir", "passes", "compiler", "kernels", "identity", "runtime", "facade", "cli", "examples", "tests"]
    {
        for (path, text) in sources(dir) {
            let lines = text.lines().count();
            assert!(lines <= 400, "{} has {lines} lines: split it by concept", path.display());
        }
    }
}

/// Facts of an operator stand at the operator. Tables of many operators are few: kernels of nodes, steps of the fast
/// runner, and the export to ONNX.
#[test]
fn tables_of_operators_are_few() {
    let names = |text: &str| {
        let name = |rest: &str| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().map(str::to_owned);
        let found = text.split("Op::").skip(1).filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
        found.filter_map(name).collect::<BTreeSet<String>>().len()
    };
    let code = |path: &Path| {
        let path = path.to_string_lossy();
        !path.contains("/tests/") && !path.ends_with("tests.rs") && !path.ends_with("ir/src/op.rs")
    };
    let mut tables: Vec<String> = Vec::new();
    for dir in ["ir", "passes", "compiler", "kernels", "runtime", "cli", "facade"] {
        let large = sources(dir).into_iter().filter(|(path, text)| code(path) && names(text) > 20);
        tables.extend(large.map(|(path, _)| path.strip_prefix(root()).expect("inside").display().to_string()));
    }
    tables.sort();
    assert_eq!(
        tables,
        ["compiler/src/onnx/export/nodes.rs", "ir/src/kernel/construct/expr.rs", "kernels/src/fast/build.rs"]
    );
}

/// CONTRIBUTING's recipe for a protocol lists every source outside tests that names it, and needs no more.
#[test]
fn a_protocol_is_named_by_the_files_of_its_recipe() {
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("a page");
    let recipe =
        page.split("### A protocol").nth(1).expect("the recipe").split("Tests:").next().expect("its files");
    let is_test =
        |path: &str| path.contains("/tests/") || path.contains("/examples/") || path.ends_with("tests.rs");
    for (operator, name) in [("SquareOt", "square"), ("ReluRescaleOt", "relu_rescale")] {
        let mut named = BTreeSet::new();
        for dir in ["ir", "passes", "kernels", "compiler", "runtime", "facade", "cli"] {
            for (path, text) in sources(dir) {
                let path = path.strip_prefix(root()).expect("inside").display().to_string();
                let names_it = text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == operator);
                if names_it && !is_test(&path) {
                    named.insert(path);
                }
            }
        }
        assert_eq!(named.len(), 5, "{operator}: {named:#?}");
        for path in named {
            let as_listed = path.replace(&format!("/{name}"), "/NAME");
            assert!(recipe.contains(&format!("`{as_listed}`")), "the recipe leaves out {path}");
        }
    }
}

/// Likewise for a source of correlated OTs: whoever else needs to know it asks `Source`.
#[test]
fn a_source_is_named_by_the_files_of_its_recipe() {
    let mut named = BTreeSet::new();
    for dir in ["ir", "passes", "kernels", "compiler", "runtime", "facade", "cli"] {
        for (path, text) in sources(dir) {
            let path = path.strip_prefix(root()).expect("inside").display().to_string();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            if code.contains("Source::SoftSpoken") && !path.contains("/tests/") {
                named.insert(path);
            }
        }
    }
    let expected = ["ir/src/correlation/mod.rs", "runtime/src/calibrate/units.rs", "runtime/src/ot/mod.rs"];
    assert_eq!(named, expected.map(str::to_owned).into());
}

/// `cargo fmt` keeps code within its width, but not comments.
#[test]
fn comments_stay_within_their_width() {
    for dir in ["ir", "kernels", "compiler", "runtime", "facade", "identity", "cli", "examples", "tests"] {
        for (path, text) in sources(dir) {
            for (number, line) in text.lines().enumerate() {
                let is_comment = line.trim_start().starts_with("//");
                let columns = line.chars().count();
                // A row of a table and a picture cannot be wrapped.
                let is_prose = !line.contains("//! |") && !line.contains("//!   ") && !line.contains("//! extern");
                assert!(
                    !is_comment || !is_prose || columns <= 120,
                    "{}:{}: {columns} columns",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn unsafe_lives_where_it_may() {
    for (path, text) in sources("runtime") {
        let low = path.components().any(|c| ["crypto", "ot"].iter().any(|dir| c.as_os_str() == *dir));
        assert!(low || !text.contains("unsafe {"), "{}: unsafe outside SIMD code", path.display());
    }
}

/// The rest of the kernels, where unsafe code is allowed, must not need it.
#[test]
fn the_fast_runner_is_safe() {
    for (path, text) in sources("kernels/src/fast") {
        assert!(!text.contains("unsafe"), "{}: unsafe", path.display());
    }
    for (path, text) in sources("kernels/src") {
        let room = ["jit", "call", "micro"].iter().any(|d| path.components().any(|c| c.as_os_str() == *d));
        assert!(room || !text.contains("unsafe {"), "{}: unsafe outside calls and micro-kernels", path.display());
    }
}

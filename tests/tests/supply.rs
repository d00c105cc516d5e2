//! What the build takes from others: known vulnerabilities, licences, sources, and generators of randomness that are
//! named and not "whatever the library's standard one is".
//!
//! `cargo deny` would do the first three. It compiles for minutes and clones its database from a host that a build
//! machine need not reach; this takes a second, and its copy of the database is in `tests/data/advisories.tsv`
//! (`tests/advisories.py` says how to renew it).

use picc_tests::example::root;
use semver::{Version, VersionReq};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const LOCKS: [&str; 3] = ["Cargo.lock", "tests/fuzz/Cargo.lock", "tests/products/Cargo.lock"];

/// Where every package must come from, unless it is one of this repository's.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Advisories that say no more than that nobody maintains a crate, and why it is used all the same.
const ACCEPTED: [(&str, &str); 2] = [
    (
        "RUSTSEC-2023-0089",
        "atomic-polyfill: behind postcard, for processors without atomics; not compiled for ours",
    ),
    ("RUSTSEC-2024-0436", "paste: macros at compile time, behind a crate that tests/products measures against"),
];

/// Licences that a package may be under. MPL-2.0 asks for changes to its files, which `third_party` holds.
const LICENCES: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One advisory: crate, identifier, "unmaintained" and the like, versions that do not have the fault.
struct Advisory {
    package: String,
    id: String,
    informational: String,
    fine: Vec<VersionReq>,
}

impl Advisory {
    fn parse(line: &str) -> Advisory {
        let columns: Vec<&str> = line.split('\t').collect();
        let [package, id, informational, patched, unaffected] = columns[..] else { panic!("a row: {line}") };
        let ranges = patched.split('|').chain(unaffected.split('|')).filter(|range| !range.is_empty());
        let fine = ranges.map(|range| range.parse().unwrap_or_else(|e| panic!("{id}: {range}: {e}"))).collect();
        Advisory { package: package.into(), id: id.into(), informational: informational.into(), fine }
    }

    fn concerns(&self, package: &str, version: &Version) -> bool {
        self.package == package && !self.fine.iter().any(|range| range.matches(version))
    }
}

fn advisories() -> Vec<Advisory> {
    let text = read("tests/data/advisories.tsv");
    let rows: Vec<Advisory> = text.lines().filter(|l| !l.starts_with('#')).map(Advisory::parse).collect();
    assert!(rows.len() > 1000, "{} advisories: the copy is not whole", rows.len());
    rows
}

/// Name, version and source of each package of a lock file.
fn locked(text: &str) -> Vec<(String, Version, Option<String>)> {
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
        line.map(|value| value.trim_end_matches('"').to_owned())
    };
    let packages = text.split("[[package]]\n").skip(1).map(|package| {
        let name = field(package, "name").expect("a name");
        let version = field(package, "version").expect("a version").parse().expect("a version");
        (name, version, field(package, "source"))
    });
    packages.collect()
}

/// What the advisories say about a lock file, but for what is accepted.
fn warnings(lock: &str, advisories: &[Advisory]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, version, _) in locked(lock) {
        for advisory in advisories.iter().filter(|a| a.concerns(&name, &version)) {
            let is_accepted = advisory.informational == "unmaintained"
                && ACCEPTED.iter().any(|(id, why)| *id == advisory.id && why.starts_with(&name));
            if !is_accepted {
                found.push(format!("{name} {version}: {} {}", advisory.id, advisory.informational));
            }
        }
    }
    found
}

#[test]
fn no_dependency_has_a_known_vulnerability() {
    let advisories = advisories();
    for lock in LOCKS {
        let found = warnings(&read(lock), &advisories);
        assert!(found.is_empty(), "{lock}: {found:#?}\nSee https://rustsec.org/advisories; update the crates.");
    }
}

#[test]
fn a_vulnerable_version_is_found() {
    let advisories = advisories();
    let lock =
        |package: &str, version: &str| format!("[[package]]\nname = \"{package}\"\nversion = \"{version}\"\n");
    let count = |package: &str, version: &str| warnings(&lock(package, version), &advisories).len();
    // What made this repository copy onnx-protobuf, before and after.
    assert_eq!((count("protobuf", "3.4.0"), count("protobuf", "3.7.2")), (1, 0));
    // Faults that came in with a version, in ranges of several branches.
    assert_eq!((count("rand", "0.6.0"), count("rand", "0.8.5"), count("rand", "0.9.3")), (0, 1, 0));
    assert_eq!(count("smallvec", "0.6.9"), 4);
    // Unsound is not unmaintained, and what is accepted is accepted for one crate.
    assert_eq!((count("memmap2", "0.9.10"), count("paste", "1.0.15")), (1, 0));
    assert!(ACCEPTED.iter().all(|(id, _)| advisories.iter().any(|a| a.id == *id)));
}

#[test]
fn packages_come_from_the_registry() {
    for lock in LOCKS {
        let packages = locked(&read(lock));
        assert!(packages.len() > 50, "{lock}: {} packages", packages.len());
        for (name, _, source) in packages {
            let is_ours = name.starts_with("picc");
            assert!(
                if is_ours { source.is_none() } else { source.as_deref() == Some(REGISTRY) },
                "{name}: {source:?}"
            );
        }
    }
}

/// Whether one of the alternatives of an SPDX expression is a licence of the list.
fn is_allowed(expression: &str) -> bool {
    let text = expression.replace('/', " OR ");
    let parts = text.split(" AND ").map(|part| part.trim().trim_matches(['(', ')']));
    // `(A OR B) AND C` is all that crates use of parentheses: no alternative may hold an AND.
    assert!(
        !text.contains('(') || !text.split('(').skip(1).any(|p| p.split(')').next().unwrap_or(p).contains(" AND "))
    );
    parts.into_iter().all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

#[test]
fn licences_allow_this_use() {
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0") && is_allowed("Unlicense/MIT"));
    assert!(!is_allowed("GPL-3.0-only") && !is_allowed("MIT AND GPL-2.0") && !is_allowed(""));
    let host = host();
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &host];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).current_dir(root()).args(arguments).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "{} packages", packages.len());
    for package in packages {
        let (name, licence) = (&package["name"], package["license"].as_str().unwrap_or_default());
        assert!(is_allowed(licence), "{name}: licence `{licence}`");
        let source = package["source"].as_str();
        assert!(source.is_none_or(|s| s == REGISTRY), "{name}: {source:?}");
    }
}

/// The platform that this test runs on, as rustc names it.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host").to_owned()
}

/// Generators whose algorithm their library may change with any version.
const UNNAMED: [&str; 5] = ["StdRng", "SmallRng", "ThreadRng", "thread_rng", "rand::rng("];

/// The lines that use one of them, outside comments and unit tests at a file's end.
fn unnamed(source: &str) -> Vec<String> {
    let code = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(source);
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.filter(|line| UNNAMED.iter().any(|word| line.contains(word))).map(str::to_owned).collect()
}

#[test]
fn generators_are_named() {
    assert_eq!(unnamed("use rand::rngs::StdRng;\n// StdRng\nlet r = rand::rng();\n").len(), 2);
    assert!(unnamed("\n#[cfg(test)]\nmod tests {\nuse rand::rngs::StdRng;\n}").is_empty());
    for folder in ["ir/src", "passes/src", "compiler/src", "runtime/src", "kernels/src", "cli/pirun/src"] {
        let mut folders = vec![root().join(folder)];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let lines = unnamed(&read(&path));
                    assert!(lines.is_empty(), "{}: name the algorithm: {lines:#?}", path.display());
                    files += 1;
                }
            }
        }
        assert!(files > 5, "{folder}: {files} files");
    }
}

//! The cache on disk: read back, refused, repaired.
#![cfg(unix)]

use crate::memory;
use picc_ir::kernel::{Verified, interp, testing, verify::verify};
use picc_kernels::cache::Cache;
use picc_kernels::jit::{Compiled, Jit};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

fn kernels() -> Vec<Verified> {
    (0..5).map(|s| verify(testing::kernel(s)).unwrap()).collect()
}

/// Compiles with the cache and checks that the code computes the right thing, wherever it came from.
fn compile(dir: &Path) -> Compiled {
    let kernels = kernels();
    let jit = Jit::with_cache(Some(Cache::at(dir).unwrap())).unwrap();
    let (codes, report) = jit.compile(&kernels.iter().collect::<Vec<_>>()).unwrap();
    for (kernel, code) in kernels.iter().zip(&codes) {
        let mut expected = testing::memory(kernel, 3);
        let mut found = expected.clone();
        interp::run(kernel, &mut expected).unwrap();
        memory::run(code, kernel, &mut found).unwrap();
        assert!(found == expected);
    }
    report
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn code_is_read_back() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("picc/kernels");
    let first = compile(&dir);
    assert_eq!((first.distinct, first.cached, first.notes.len()), (5, 0, 0));
    assert_eq!(files(&dir).len(), 5);
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    for f in files(&dir) {
        assert_eq!(fs::metadata(f).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let second = compile(&dir);
    assert_eq!((second.cached, second.code_bytes), (5, first.code_bytes));
}

#[test]
fn damaged_files_are_made_anew() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("k");
    compile(&dir);
    let all = files(&dir);
    let mut bytes = fs::read(&all[0]).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&all[0], &bytes).unwrap();
    fs::write(&all[1], &bytes[..60]).unwrap();
    fs::write(&all[2], b"").unwrap();
    // Whole, but another kernel's.
    fs::copy(&all[4], &all[3]).unwrap();
    let report = compile(&dir);
    assert_eq!((report.cached, report.notes.len()), (1, 4), "{:?}", report.notes);
    assert_eq!(compile(&dir).cached, 5);
}

#[test]
fn what_others_may_write_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("k");
    compile(&dir);
    let all = files(&dir);
    mode(&all[0], 0o620);
    mode(&all[1], 0o602);
    let away = home.path().join("elsewhere");
    fs::rename(&all[2], &away).unwrap();
    symlink(&away, &all[2]).unwrap();
    fs::remove_file(&all[3]).unwrap();
    fs::create_dir(&all[3]).unwrap();
    let report = compile(&dir);
    assert_eq!((report.cached, report.notes.len()), (1, 4), "{:?}", report.notes);
}

#[test]
fn a_directory_that_others_may_write_is_no_cache() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("k");
    fs::create_dir(&dir).unwrap();
    mode(&dir, 0o777);
    assert!(Cache::at(&dir).unwrap_err().contains("can be written by others"));
    mode(&dir, 0o700);
    let link = home.path().join("link");
    symlink(&dir, &link).unwrap();
    assert!(Cache::at(&link).is_err());
    assert!(Cache::at(&dir).is_ok());
}

/// However many kernels are compiled, the oldest ones make room.
#[test]
fn the_oldest_files_make_room() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("k");
    compile(&dir);
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    // The file that is to stay is the smallest, so that the others are enough to make room.
    let mut all = files(&dir);
    all.sort_by_key(size);
    let bytes: u64 = all.iter().map(size).sum();
    let age = |path: &Path, seconds: u64| {
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    };
    all.iter().enumerate().for_each(|(i, path)| age(path, 1000 - i as u64));
    // What a killed process left, and what one that runs now is writing.
    let [left, now] = [".left.1.1", ".now.1.1"].map(|name| dir.join(name));
    for part in [&left, &now] {
        fs::write(part, b"part").unwrap();
        mode(part, 0o600);
    }
    age(&left, 100_000);
    // Reading a file makes it the youngest.
    let jit = Jit::with_cache(Some(Cache::at(&dir).unwrap().holding(bytes - 1))).unwrap();
    let kernels = kernels();
    let oldest = (0..5).find(|&i| {
        let before = fs::metadata(&all[0]).unwrap().modified().unwrap();
        jit.compile(&[&kernels[i]]).unwrap();
        fs::metadata(&all[0]).unwrap().modified().unwrap() != before
    });
    assert!(oldest.is_some(), "none of the kernels has the oldest file");
    assert_eq!(files(&dir).len(), 7, "nothing was added, so nothing makes room");
    all.iter().skip(1).enumerate().for_each(|(i, path)| age(path, 1000 - i as u64));
    // A sixth kernel.
    let other = verify(testing::kernel(77)).unwrap();
    jit.compile(&[&other]).unwrap();
    let rest = files(&dir);
    assert!(rest.iter().map(size).sum::<u64>() < bytes);
    assert!(rest.contains(&all[0]) && !rest.contains(&all[1]), "the one that was read stays, the oldest goes");
    assert!(!rest.contains(&left) && rest.contains(&now));
}

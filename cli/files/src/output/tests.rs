use super::*;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, bytes)| fs::write(folder.path(name), bytes).unwrap());
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn refusal(&self, inputs: &[&str], output: &str, kind: Kind) -> String {
        let inputs: Vec<PathBuf> = inputs.iter().map(|i| self.path(i)).collect();
        let mut outputs = Outputs::reading(inputs.iter().map(PathBuf::as_path));
        outputs.open(&self.path(output), kind, Readers::Everybody).unwrap_err().to_string()
    }
}

const PROGRAM: &[u8] = b"PICC....";
const WEIGHTS: &[u8] = b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{\"picc.program\":\"00\"}}";

#[test]
fn what_is_read_is_not_written() {
    let folder = Folder::new(&[("m.onnx", b"model"), ("same.pi", PROGRAM)]);
    assert!(folder.refusal(&["same.pi"], "same.pi", Kind::Program).contains("overwrite it: give another name"));
    let other = folder.refusal(&["m.onnx"], "m.onnx", Kind::Program);
    assert!(other.contains("overwrite it: name it ") && other.ends_with("m.pi"), "{other}");
    // By another way, too.
    let around = folder.0.path().join("..").join(folder.0.path().file_name().unwrap()).join("same.pi");
    let mut outputs = Outputs::reading([around.as_path()]);
    assert!(outputs.open(&folder.path("same.pi"), Kind::Program, Readers::Everybody).is_err());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path("same.pi"), folder.path("link.pi")).unwrap();
        fs::hard_link(folder.path("same.pi"), folder.path("hard.pi")).unwrap();
        for other in ["link.pi", "hard.pi"] {
            assert!(folder.refusal(&["same.pi"], other, Kind::Program).contains("reads it"), "{other}");
            assert!(folder.refusal(&[other], "same.pi", Kind::Program).contains("reads it"), "{other}");
        }
    }
}

#[test]
fn another_kind_is_not_overwritten() {
    let folder = Folder::new(&[
        ("notes", b"years of work"),
        ("program", PROGRAM),
        ("weights", WEIGHTS),
        ("x.npy", b"\x93NUMPY"),
        ("empty", b""),
        ("fake.pi", b"no program"),
    ]);
    for (name, kind, says) in [
        ("m.onnx", Kind::Program, "m.pi"),
        ("m.PIW", Kind::Array, "m.npy"),
        ("x.npy", Kind::Page, "x.html"),
        ("y.CSV", Kind::Array, "that of a table of text: name it"),
        ("notes", Kind::Program, "is not a program"),
        ("fake.pi", Kind::Program, "would be lost"),
        ("program", Kind::Weights, "is not a weights file"),
        ("weights", Kind::Archive, "is not an .npz archive"),
        ("missing/m.pi", Kind::Program, "make it first"),
        ("notes/m.pi", Kind::Program, "cannot be written"),
        (".", Kind::Program, "folder"),
    ] {
        let error = folder.refusal(&[], name, kind);
        assert!(error.contains(says), "{name}: {error}");
    }
    assert_eq!(folder.names().len(), 6, "a refusal leaves nothing");
    let mut outputs = Outputs::default();
    for (name, kind) in [("program", Kind::Program), ("weights", Kind::Weights), ("empty", Kind::Record)] {
        outputs.open(&folder.path(name), kind, Readers::Everybody).unwrap();
    }
    let twice = outputs.open(&folder.path("program"), Kind::Program, Readers::Everybody).unwrap_err();
    assert!(twice.to_string().contains("twice"), "{twice}");
}

#[test]
fn a_file_is_there_whole_or_not_at_all() {
    let folder = Folder::new(&[("old.pi", PROGRAM)]);
    let mut outputs = Outputs::default();
    let mut old = outputs.open(&folder.path("old.pi"), Kind::Program, Readers::Everybody).unwrap();
    let mut new = outputs.open(&folder.path("new.npy"), Kind::Array, Readers::Owner).unwrap();
    assert_eq!(folder.names().len(), 3, "both part files");
    old.stage(b"PICC, another one").unwrap();
    old.stage(b"PICC, a third one").unwrap();
    assert_eq!(fs::read(folder.path("old.pi")).unwrap(), PROGRAM, "not before the commit");
    old.commit().unwrap();
    old.commit().unwrap();
    assert_eq!(fs::read(folder.path("old.pi")).unwrap(), b"PICC, a third one");
    // Written again and again, as samples finish; each time whole.
    for content in [&b"one"[..], b"one, two"] {
        new.write(content).unwrap();
        assert_eq!(fs::read(folder.path("new.npy")).unwrap(), content);
    }
    new.stage(b"not committed").unwrap();
    drop((old, new));
    assert_eq!(folder.names(), ["new.npy", "old.pi"]);
    assert_eq!(fs::read(folder.path("new.npy")).unwrap(), b"one, two");
}

#[cfg(unix)]
#[test]
fn modes_links_and_streams() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new(&[("kept.npy", b"\x93NUMPY"), ("target.npy", b"\x93NUMPY")]);
    let mode = |name: &str| fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(folder.path("kept.npy"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("target.npy", folder.path("link.npy")).unwrap();
    symlink("nothing.npy", folder.path("dangling.npy")).unwrap();
    let mut outputs = Outputs::default();
    let mut write = |name: &str, kind, readers| {
        outputs.open(&folder.path(name), kind, readers).unwrap().write(b"\x93NUMPY new").unwrap();
    };
    write("kept.npy", Kind::Array, Readers::Everybody);
    write("secret.piw", Kind::Weights, Readers::Owner);
    write("link.npy", Kind::Array, Readers::Everybody);
    assert_eq!((mode("kept.npy"), mode("secret.piw")), (0o600, 0o600));
    assert!(folder.path("link.npy").is_symlink(), "the link stays, what it leads to is new");
    assert_eq!(fs::read(folder.path("target.npy")).unwrap(), b"\x93NUMPY new");
    assert!(folder.refusal(&[], "dangling.npy", Kind::Array).contains("link to nothing"));
    for _ in 0..2 {
        let mut null = outputs.open(Path::new("/dev/null"), Kind::Array, Readers::Everybody).unwrap();
        assert!(null.is_stream());
        null.write(b"gone").unwrap();
    }
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

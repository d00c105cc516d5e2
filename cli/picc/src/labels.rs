//! `--labels`: names of the classes (text) or the classes of the calibration samples (`.npy`), told apart by content.

use super::Failure;
use picc_ir::Graph;
use picc_ir::labels::{LabelsError, class_names, classes, names_fit, scores};
use picc_ir::npy::NpyArray;
use std::path::PathBuf;

/// First bytes of a `.npy` file.
const NPY: &[u8] = b"\x93NUMPY";

/// What the files hold.
#[derive(Debug, Default, PartialEq)]
pub struct Labels {
    /// Names of the classes; empty if none were given.
    pub names: Vec<String>,
    /// The class of each sample.
    pub classes: Option<Vec<i64>>,
}

impl Labels {
    pub fn read(paths: &[PathBuf]) -> Result<Labels, Failure> {
        let mut labels = Labels::default();
        for path in paths {
            let bad = |problem: String| Failure::File { path: path.clone(), problem };
            let file = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
            if file.starts_with(b"PK") {
                let way_out = "take one out: numpy.save('y.npy', numpy.load(..)['y'])";
                return Err(bad(format!(
                    "an archive of arrays, and the classes of samples are one .npy: {way_out}"
                )));
            }
            let npy = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy"));
            if npy || file.starts_with(NPY) {
                // How many there must be is not known yet; of what is no array, `classes` says why.
                let samples = NpyArray::parse(&file).map_or(0, |a| a.shape.first().copied().unwrap_or(0));
                let found = classes(&file, samples, None).map_err(|e| bad(e.to_string()))?;
                if labels.classes.replace(found).is_some() {
                    return Err(bad("a second file with the classes of samples".to_owned()));
                }
            } else {
                let text = String::from_utf8(file)
                    .map_err(|_| bad("neither text (names of classes) nor .npy (classes of samples)".to_owned()))?;
                if !labels.names.is_empty() {
                    return Err(bad("a second file with names of classes".to_owned()));
                }
                labels.names = class_names(&text).map_err(|e| bad(e.to_string()))?;
            }
        }
        Ok(labels)
    }

    /// Whether names and classes are those of the model's first output.
    pub fn fit(&self, paths: &[PathBuf], graph: &Graph) -> Result<(), Failure> {
        let path = paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        let bad = |problem: String| Failure::File { path: path.clone().into(), problem };
        names_fit(&self.names, graph).map_err(|e| bad(e.to_string()))?;
        let classes = scores(graph).map(|(_, classes)| classes as i64);
        let wrong = |c: &&i64| classes.is_some_and(|n| **c >= n);
        match self.classes.iter().flatten().enumerate().find(|(_, c)| wrong(c)) {
            Some((sample, &class)) => {
                let last = classes.map(|n| n - 1);
                Err(bad(LabelsError::Class { sample, class, last }.to_string()))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::Tensor;
    use picc_ir::npy::{write_f32, write_i64};

    #[test]
    fn files_are_told_apart_by_content() {
        let dir = std::env::temp_dir().join(format!("picc-labels-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let names = write("names.txt", b"cat\ndog\n");
        let classes = write("classes", &write_i64(&Tensor::new(&[3], vec![1, 0, 1])));
        let both = Labels::read(&[names.clone(), classes.clone()]).unwrap();
        assert_eq!(both, Labels { names: vec!["cat".into(), "dog".into()], classes: Some(vec![1, 0, 1]) });
        let problem = |paths: &[PathBuf]| Labels::read(paths).unwrap_err().to_string();
        assert!(problem(&[names.clone(), names]).contains("second"));
        assert!(problem(&[classes.clone(), classes]).contains("second"));
        let scores = write("scores.npy", &write_f32(&Tensor::new(&[1], vec![0.5])));
        assert!(problem(&[scores]).contains("integers"));
        let one_hot = write("one_hot.npy", &write_i64(&Tensor::new(&[2, 3], vec![0, 1, 0, 0, 0, 1])));
        assert!(problem(&[one_hot]).contains("y.argmax(1)"));
        let gap = write("gap.txt", b"cat\n\ndog\n");
        assert!(problem(&[gap]).contains("line 2 is empty"));
        assert!(problem(&[write("text.npy", b"cat")]).contains("npy"));
        assert!(problem(&[write("binary", &[0xff, 0xfe])]).contains("neither"));
        assert!(problem(&[write("y.npz", b"PK\x03\x04")]).contains("take one out"));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

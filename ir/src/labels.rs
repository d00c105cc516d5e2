//! Names of classes, and the right classes of samples, as files hold them.

use crate::graph::Graph;
use crate::npy::{NpyArray, NpyError};

/// Why a file is not what it was given for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    #[error("{0}")]
    Npy(#[from] NpyError),
    #[error("{names} names of classes, but the output `{output}` has {classes} values: one name a line")]
    Names { names: usize, output: String, classes: usize },
    #[error("line {0} is empty: one name a line")]
    Blank(usize),
    #[error("classes of samples must be integers, and these are floats: y.astype('int64')")]
    Floats,
    #[error(
        "classes of samples must be numbers, and these are names: give the place of each among the model's classes"
    )]
    Text,
    #[error("an array of shape {shape:?} for {samples} samples: one class for each is expected, shape ({samples},){}", way_out(shape, *samples))]
    Count { shape: Vec<usize>, samples: usize },
    /// `last` where it is known.
    #[error("sample {sample} has class {class}, and {}", classes_are(*class, *last))]
    Class { sample: usize, class: i64, last: Option<i64> },
}

fn way_out(shape: &[usize], samples: usize) -> &'static str {
    match shape {
        [n, classes] if *n == samples && *classes > 1 => "; if these are one-hot: y.argmax(1)",
        _ => "",
    }
}

fn classes_are(class: i64, last: Option<i64>) -> String {
    let hint = match last {
        Some(last) if class == last + 1 => " (they count from 0: y - 1, if yours count from 1)",
        _ if class == -1 => " (if yours are -1 and 1: (y + 1) // 2)",
        _ => "",
    };
    last.map_or_else(
        || format!("classes count from 0{hint}"),
        |last| format!("there are classes 0 to {last}{hint}"),
    )
}

/// One name a line; blank lines at the end are none.
///
/// # Errors
/// If a line between others is blank: all names after it would be those of other classes.
pub fn class_names(text: &str) -> Result<Vec<String>, LabelsError> {
    let names: Vec<String> = text.trim_end().lines().map(|l| l.trim().to_owned()).collect();
    match names.iter().position(String::is_empty) {
        Some(at) => Err(LabelsError::Blank(at + 1)),
        None => Ok(names),
    }
}

/// The first output and how many classes it tells apart, where it is a vector of scores.
#[must_use]
pub fn scores(graph: &Graph) -> Option<(&str, usize)> {
    let (name, id) = graph.outputs.first()?;
    let mut long = graph.ty(*id).shape.iter().copied().filter(|&d| d > 1);
    match (long.next(), long.next()) {
        (Some(classes), None) => Some((name, classes)),
        _ => None,
    }
}

/// Whether there is a name for every score of the first output, or none.
///
/// # Errors
/// If the numbers differ.
pub fn names_fit(names: &[String], graph: &Graph) -> Result<(), LabelsError> {
    match scores(graph) {
        Some((output, classes)) if !names.is_empty() && names.len() != classes => {
            Err(LabelsError::Names { names: names.len(), output: output.to_owned(), classes })
        }
        _ => Ok(()),
    }
}

/// The class of each of `samples` samples, of `classes` classes if that is known, from a `.npy` file.
///
/// # Errors
/// If it holds something else.
pub fn classes(file: &[u8], samples: usize, classes: Option<usize>) -> Result<Vec<i64>, LabelsError> {
    let array = NpyArray::parse(file).map_err(|e| match e {
        NpyError::Dtype(code) if code.contains(['U', 'S', 'O']) => LabelsError::Text,
        e => LabelsError::Npy(e),
    })?;
    if !array.dtype.is_integer() {
        return Err(LabelsError::Floats);
    }
    if array.shape.first() != Some(&samples) || array.len() != samples {
        return Err(LabelsError::Count { shape: array.shape.to_vec(), samples });
    }
    let found = array.to_i64().data;
    let last = classes.map(|n| n as i64 - 1);
    match found.iter().position(|c| !(0..=last.unwrap_or(i64::MAX)).contains(c)) {
        Some(sample) => Err(LabelsError::Class { sample, class: found[sample], last }),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::{write_f32, write_i64};
    use crate::ops::Input;
    use crate::{Owner, Tensor, Ty};

    #[test]
    fn one_name_a_line_and_one_for_each_class() {
        let names = class_names("cat\r\n dog \n\n \n").unwrap();
        assert_eq!(names, ["cat", "dog"]);
        assert_eq!(class_names("cat\n\ndog\n"), Err(LabelsError::Blank(2)));
        assert!(class_names("").unwrap().is_empty());
        let graph = |shape: &[usize]| {
            let mut g = Graph::default();
            let ty = Ty::real(shape, Owner::Client);
            let x = g.add(Input { name: "x".into(), ty }, &[], "x").unwrap();
            g.outputs.push(("logits".into(), x));
            g
        };
        assert_eq!(names_fit(&names, &graph(&[1, 2])), Ok(()));
        // A map has no classes; a single score may have a name for either side.
        for shape in [&[1, 3, 4, 4][..], &[1, 1]] {
            assert_eq!(names_fit(&names, &graph(shape)), Ok(()));
        }
        assert_eq!(names_fit(&[], &graph(&[1, 3])), Ok(()));
        let error = names_fit(&names, &graph(&[1, 3])).unwrap_err().to_string();
        assert!(error.contains("2 names") && error.contains("`logits` has 3"), "{error}");
    }

    #[test]
    fn one_class_for_each_sample() {
        let file = |shape: &[usize], data: Vec<i64>| write_i64(&Tensor::new(shape, data));
        for shape in [&[3][..], &[3, 1]] {
            assert_eq!(classes(&file(shape, vec![2, 0, 1]), 3, Some(3)).unwrap(), [2, 0, 1]);
        }
        for (bytes, says) in [
            (file(&[4], vec![0; 4]), "shape [4] for 3 samples"),
            (file(&[2], vec![0; 2]), "shape (3,)"),
            (file(&[3, 3], vec![0; 9]), "y.argmax(1)"),
            (file(&[3], vec![1, 2, 3]), "sample 2 has class 3, and there are classes 0 to 2 (they count from 0"),
            (file(&[3], vec![1, -1, 0]), "sample 1 has class -1"),
            (write_f32(&Tensor::new(&[3], vec![0.0; 3])), "astype"),
            (b"cat\ndog\n".to_vec(), "not a .npy file"),
            (text(), "the place of each"),
        ] {
            let error = classes(&bytes, 3, Some(3)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let error = classes(&file(&[2], vec![-1, 1]), 2, None).unwrap_err().to_string();
        assert!(error.ends_with("classes count from 0 (if yours are -1 and 1: (y + 1) // 2)"), "{error}");
    }

    /// Three names, as NumPy stores text.
    fn text() -> Vec<u8> {
        let mut file = write_i64(&Tensor::new(&[3], vec![0; 3]));
        let at = file.windows(3).position(|w| w == b"<i8").unwrap();
        file[at..at + 3].copy_from_slice(b"<U2");
        file
    }
}

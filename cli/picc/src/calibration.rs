//! Calibration data: `.npy`, or `.npz` with arrays named as the model's inputs; the first axis counts samples.

use super::Failure;
use picc_compiler::onnx::ImportedInput;
use picc_ir::Tensor;
use picc_ir::npy::{Dtype, NpyArray};
use picc_ir::preprocess::Preprocess;
use picc_ir::samples::samples as samples_of;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use zip::ZipArchive;

/// One value for every input of the model.
pub type Sample = BTreeMap<String, Tensor<f32>>;

/// Names of arrays that a message lists.
const FEW: usize = 8;

/// Bytes of one array that are read at most.
const MAX_ARRAY_BYTES: u64 = 4 << 30;

/// Reads samples for `inputs`. A last incomplete batch is left out. Bytes are pixels, as `pirun` takes them, if it is
/// known how pixels become the first input, and values otherwise.
pub fn read_samples(
    path: &Path,
    inputs: &[ImportedInput],
    preprocess: Option<&Preprocess>,
) -> Result<Vec<Sample>, Failure> {
    let bad = |problem: String| Failure::File { path: path.to_owned(), problem };
    let file = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
    let arrays = if file.starts_with(b"PK") { unzip(&file).map_err(bad)? } else { vec![(String::new(), file)] };
    let mut samples: Vec<Sample> = Vec::new();
    for (at, input) in inputs.iter().enumerate() {
        let array = match arrays.iter().find(|(name, _)| *name == input.name) {
            Some((_, bytes)) => bytes,
            // A single array may have any name.
            None if arrays.len() == 1 && inputs.len() == 1 => &arrays[0].1,
            None => {
                let names: Vec<String> = arrays.iter().map(|(n, _)| format!("`{n}`")).collect();
                let found = match &names[..] {
                    [] => "the archive is empty".to_owned(),
                    [one] if one == "``" => {
                        "a .npy holds one: give an .npz with an array for each input".to_owned()
                    }
                    names if names.len() > FEW => {
                        format!("there are {} and {} more", names[..FEW].join(", "), names.len() - FEW)
                    }
                    names => format!("there are {}", names.join(", ")),
                };
                return Err(bad(format!(
                    "no array named `{0}`, an input of the model; {found}: numpy.savez(FILE, **{{'{0}': x}}) names it",
                    input.name
                )));
            }
        };
        let array = NpyArray::parse(array).map_err(|e| bad(e.to_string()))?;
        let preprocess = preprocess.filter(|_| at == 0);
        let batches = match preprocess {
            Some(preprocess) if array.dtype == Dtype::U8 => {
                let pixels = preprocess.inputs(&array.to_f32(), &input.shape);
                pixels.map_err(|e| bad(format!("input `{}`: {e}", input.name)))?
            }
            _ => {
                let found = samples_of(&array.to_f32(), &input.name, &input.shape);
                found.map_err(|e| bad(e.to_string()))?.0
            }
        };
        if let Some(preprocess) = preprocess {
            prepared(&batches, &input.name, preprocess).map_err(bad)?;
        }
        if at == 0 {
            samples = vec![Sample::new(); batches.len()];
        }
        if batches.len() != samples.len() {
            return Err(bad(format!(
                "`{}` has {} samples, others have {}",
                input.name,
                batches.len(),
                samples.len()
            )));
        }
        for (sample, batch) in samples.iter_mut().zip(batches) {
            sample.insert(input.name.clone(), batch);
        }
    }
    if samples.is_empty() {
        return Err(bad("no samples".to_owned()));
    }
    Ok(samples)
}

/// Samples that no pixel becomes would calibrate another program than clients with images run.
fn prepared(samples: &[Tensor<f32>], input: &str, preprocess: &Preprocess) -> Result<(), String> {
    let (lo, hi) = preprocess.range();
    let slack = (hi - lo) / 100.0;
    let values = samples.iter().flat_map(|s| &s.data);
    match values.copied().find(|v| !(lo - slack..=hi + slack).contains(v)) {
        Some(v) => Err(format!(
            "input `{input}` holds {v}, and --mean, --std and --divisor make {lo} to {hi} of pixels: prepare the values in \
             the same way, or give pixels (uint8, channels last)"
        )),
        None => Ok(()),
    }
}

/// What of samples that can be used is hardly meant: one value throughout, or pixels that are prepared by half. Such
/// samples give ranges that other inputs leave.
pub fn doubts(samples: &[Sample], inputs: &[ImportedInput], preprocess: Option<&Preprocess>) -> Vec<String> {
    let mut doubts = Vec::new();
    for (at, input) in inputs.iter().enumerate() {
        let values: Vec<f32> =
            samples.iter().filter_map(|s| s.get(&input.name)).flat_map(|t| &t.data).copied().collect();
        let [first, rest @ ..] = &values[..] else { continue };
        let name = &input.name;
        if !rest.is_empty() && rest.iter().all(|v| v == first) {
            doubts.push(format!(
                "every value of input `{name}` in the calibration samples is {first}: ranges hold for such inputs only; \
                 calibrate with inputs as clients will have them"
            ));
        } else if let Some(doubt) = preprocess.filter(|_| at == 0).and_then(|p| p.doubt(&values)) {
            doubts.push(format!("input `{name}` of the calibration samples: {doubt}"));
        }
    }
    doubts
}

fn unzip(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let bad = |e: zip::result::ZipError| format!("not a readable .npz: {e}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    let mut arrays = Vec::new();
    for i in 0..archive.len().min(64) {
        let file = archive.by_index(i).map_err(bad)?;
        let name = file.name().map_err(bad)?.trim_end_matches(".npy").to_owned();
        let mut array = Vec::new();
        file.take(MAX_ARRAY_BYTES).read_to_end(&mut array).map_err(|e| format!("`{name}`: {e}"))?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::Shape;
    use picc_ir::npy::write_f32;
    use picc_ir::preprocess::Given;

    fn read(array: &[u8], shape: &[usize], given: &Given) -> Result<Vec<Sample>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        std::fs::write(&path, array).unwrap();
        let inputs = [ImportedInput { name: "x".into(), shape: Shape::from_slice(shape) }];
        let preprocess = given.over(None, shape).unwrap();
        read_samples(&path, &inputs, preprocess.as_ref()).map_err(|e| e.to_string())
    }

    fn one_input() -> [ImportedInput; 1] {
        [ImportedInput { name: "x".into(), shape: Shape::from_slice(&[1, 1, 4, 4]) }]
    }

    #[test]
    fn samples_that_are_hardly_meant_are_named() {
        let with = |f: fn(usize) -> f32| {
            [Sample::from([("x".to_owned(), Tensor::new(&[1, 1, 4, 4], (0..16).map(f).collect()))])]
        };
        let given = Given { mean: vec![0.5], std: vec![0.5], ..Given::default() };
        let preprocess = given.over(None, &[1, 1, 4, 4]).unwrap();
        let says = |samples: &[Sample]| doubts(samples, &one_input(), preprocess.as_ref()).join("\n");
        assert!(says(&with(|_| 0.0)).contains("every value of input `x` in the calibration samples is 0"));
        assert!(says(&with(|i| i as f32 / 15.0)).contains("divided by 255"));
        assert_eq!(says(&with(|i| i as f32 / 7.5 - 1.0)), "");
        assert!(doubts(&with(|i| i as f32 / 15.0), &one_input(), None).is_empty());
    }

    fn floats(shape: &[usize]) -> Vec<u8> {
        write_f32(&Tensor::new(shape, (0..shape.iter().product()).map(|v: usize| v as f32).collect()))
    }

    #[test]
    fn the_first_axis_counts_samples_and_no_value_changes_its_place() {
        let none = Given::default();
        let x = floats(&[3, 1, 2]);
        let one = read(&x, &[1, 1, 2], &none).unwrap();
        assert_eq!((one.len(), &one[2]["x"].data[..]), (3, &[4.0, 5.0][..]));
        assert_eq!(read(&x, &[2, 1, 2], &none).unwrap().len(), 1, "an incomplete batch is left out");
        // An input without a batch axis takes whole values.
        assert_eq!(read(&floats(&[3, 2]), &[2], &none).unwrap()[2]["x"].data, [4.0, 5.0]);
        let nhwc = read(&floats(&[5, 4, 4, 3]), &[1, 3, 4, 4], &none).unwrap_err();
        assert!(nhwc.contains("[5, 4, 4, 3]") && nhwc.contains("x.transpose(0, 3, 1, 2)"), "{nhwc}");
        assert!(read(&x, &[1, 1, 3], &none).is_err());
    }

    #[test]
    fn what_is_calibrated_is_what_clients_with_images_send() {
        let given = Given { mean: vec![0.5], std: vec![0.5], ..Given::default() };
        let error = read(&floats(&[2, 1, 4, 4]), &[1, 1, 4, 4], &given).unwrap_err();
        assert!(error.contains("holds 2, and") && error.contains("-1 to 1"), "{error}");
        // The same numbers as bytes are pixels.
        let mut bytes = floats(&[2, 4, 4]);
        let at = bytes.windows(3).position(|w| w == b"<f4").unwrap();
        bytes[at..at + 3].copy_from_slice(b"|u1");
        let start = bytes.len() - 4 * 32;
        bytes.truncate(start);
        bytes.extend((0..32u8).map(|v| v * 8));
        let pixels = read(&bytes, &[1, 1, 4, 4], &given).unwrap();
        assert_eq!(pixels.len(), 2);
        assert!((pixels[1]["x"].data[15] - (248.0 / 255.0 - 0.5) / 0.5).abs() < 1e-6);
        assert!(doubts(&pixels, &one_input(), given.over(None, &[1, 1, 4, 4]).unwrap().as_ref()).is_empty());
        // Without preprocessing bytes are values.
        assert_eq!(read(&bytes, &[1, 1, 4, 4], &Given::default()).unwrap()[1]["x"].data[15], 248.0);
    }
}

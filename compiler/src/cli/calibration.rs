//! Calibration data: `.npy`, or `.npz` with arrays named as the model's inputs; the first axis counts samples.

use super::Failure;
use crate::onnx::ImportedInput;
use picc_ir::Tensor;
use picc_ir::npy::NpyArray;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use zip::ZipArchive;

/// One value for every input of the model.
pub type Sample = BTreeMap<String, Tensor<f32>>;

/// Bytes of one array that are read at most.
const MAX_ARRAY_BYTES: u64 = 4 << 30;

/// Reads samples for `inputs`. A last incomplete batch is left out.
pub fn read_samples(path: &Path, inputs: &[ImportedInput]) -> Result<Vec<Sample>, Failure> {
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
                let names: Vec<&str> = arrays.iter().map(|(n, _)| n.as_str()).collect();
                let there = if names.is_empty() { "no array at all".to_owned() } else { names.join(", ") };
                return Err(bad(format!(
                    "no array named `{}`, the model's input; the archive holds {there}",
                    input.name
                )));
            }
        };
        let values = NpyArray::parse(array).map_err(|e| bad(e.to_string()))?.to_f32();
        let batches = split(&values, &input.shape).map_err(bad)?;
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

fn split(values: &Tensor<f32>, shape: &[usize]) -> Result<Vec<Tensor<f32>>, String> {
    let each: usize = shape.iter().product();
    let one = shape.first().copied().unwrap_or(1).max(1);
    let samples = values.shape.first().copied().unwrap_or(0);
    let fits = each > 0
        && samples > 0
        && values.data.len().is_multiple_of(samples)
        && values.data.len() / samples == each / one;
    if !fits {
        return Err(format!(
            "an array of shape {:?} holds no samples of the model's input {shape:?}",
            &values.shape[..]
        ));
    }
    Ok(values.data.chunks_exact(each).map(|v| Tensor::new(shape, v.to_vec())).collect())
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

    #[test]
    fn the_first_axis_counts_samples() {
        let x = Tensor::new(&[3, 1, 2], (0..6u8).map(f32::from).collect());
        let one = split(&x, &[1, 1, 2]).unwrap();
        assert_eq!(one.len(), 3);
        assert_eq!(one[2].data, [4.0, 5.0]);
        assert_eq!(split(&x, &[2, 1, 2]).unwrap().len(), 1, "an incomplete batch is left out");
        assert!(split(&x, &[1, 1, 3]).is_err());
        // Flat images for an input of another rank are fine as long as a sample has the right number of values.
        assert_eq!(split(&x, &[1, 2, 1]).unwrap()[0].shape[..], [1, 2, 1]);
    }
}

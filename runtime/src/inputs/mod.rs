//! What the client brings: files on disk to the tensors that a program wants.
//!
//! ```text
//!   x.npy  x.npz   array ──────────────────────┐
//!                  bytes of pixels ──┐         ├──> samples: one tensor per input of the program, each
//!   x.png  x.jpg   image ────────────┴─ (p / divisor - mean) / std ──┘
//! ```
//!
//! An array holds one value in the input's shape, or several along its first axis ([`picc_ir::samples`]); of a batch, the
//! first axis holds rows. A batch axis of extent one may be left out.

#[cfg(feature = "images")]
mod image;
mod npz;

#[cfg(feature = "images")]
pub use image::Pixels;
pub use npz::{read_npz, write_npz};

use crate::error::{BadInput, Error, Result};
use picc_ir::Tensor;
use picc_ir::npy::{Dtype, NpyArray};
use picc_ir::preprocess::{Given, PixelsError};
use picc_ir::program::{InputSpec, Layout, Preprocess};
use picc_ir::samples::samples;
use std::collections::BTreeMap;
use std::path::Path;

/// One inference's inputs, by name.
pub type Sample = BTreeMap<String, Tensor<f32>>;

/// What the user says about images, instead of or on top of what the program says.
#[derive(Clone, Debug, Default)]
pub struct ImageOptions {
    pub mean: Option<Vec<f32>>,
    pub std: Option<Vec<f32>>,
    pub divisor: Option<f32>,
    pub layout: Option<Layout>,
    pub bgr: Option<bool>,
    /// Images of another size are scaled instead of refused.
    pub resize: bool,
}

impl ImageOptions {
    /// How pixels become this input, if either the program or the user says anything about it.
    fn preprocess(&self, spec: &InputSpec) -> Result<Option<Preprocess>> {
        let given = Given {
            mean: self.mean.clone().unwrap_or_default(),
            std: self.std.clone().unwrap_or_default(),
            divisor: self.divisor,
            layout: self.layout,
            bgr: self.bgr.unwrap_or(false),
        };
        Ok(given.over(spec.preprocess.as_ref(), &spec.shape).map_err(BadInput::Preprocess)?)
    }

    /// Whether the user says anything about how pixels become an input.
    fn says(&self) -> bool {
        let ImageOptions { mean, std, divisor, layout, bgr, resize } = self;
        mean.is_some() || std.is_some() || divisor.is_some() || layout.is_some() || bgr.is_some() || *resize
    }
}

/// The samples in `path`, which is .npy, .npz, .png or .jpg.
pub fn read_samples(path: &Path, specs: &[InputSpec], options: &ImageOptions) -> Result<Vec<Sample>> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase().to_string_lossy().into_owned());
    match extension.as_deref() {
        Some("npy") => from_npy(&read(path)?, specs, options),
        Some("npz") => from_npz(&read(path)?, specs, options),
        Some("png" | "jpg" | "jpeg") => from_image(&read(path)?, specs, options),
        _ => Err(BadInput::Extension.into()),
    }
    .map_err(|e| e.in_file(path))
}

/// The bytes of a file that the user named.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    Ok(std::fs::read(path).map_err(|source| BadInput::Unreadable { path: path.to_owned(), source })?)
}

fn only(specs: &[InputSpec]) -> Result<&InputSpec> {
    match specs {
        [one] => Ok(one),
        several => {
            let inputs = several.iter().map(|s| s.name.clone()).collect();
            Err(BadInput::SeveralInputs { inputs }.into())
        }
    }
}

fn from_npy(bytes: &[u8], specs: &[InputSpec], options: &ImageOptions) -> Result<Vec<Sample>> {
    let spec = only(specs)?;
    let tensors = array_samples(bytes, spec, options)?;
    Ok(tensors.into_iter().map(|t| Sample::from([(spec.name.clone(), t)])).collect())
}

fn from_npz(bytes: &[u8], specs: &[InputSpec], options: &ImageOptions) -> Result<Vec<Sample>> {
    let mut arrays = read_npz(bytes)?;
    if let ([spec], 1) = (specs, arrays.len()) {
        // A single array may have any name.
        arrays = arrays.into_values().map(|a| (spec.name.clone(), a)).collect();
    }
    let mut samples: Vec<Sample> = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let array = arrays.get(&spec.name).ok_or_else(|| BadInput::NoArray {
            input: spec.name.clone(),
            arrays: arrays.keys().cloned().collect(),
        })?;
        let tensors = array_samples(array, spec, options)?;
        if i == 0 {
            samples.resize_with(tensors.len(), Sample::new);
        } else if tensors.len() != samples.len() {
            let (input, before) = (spec.name.clone(), samples.len());
            return Err(BadInput::SampleCount { input, samples: tensors.len(), before }.into());
        }
        for (sample, tensor) in samples.iter_mut().zip(tensors) {
            sample.insert(spec.name.clone(), tensor);
        }
    }
    Ok(samples)
}

#[cfg(not(feature = "images"))]
fn from_image(_: &[u8], _: &[InputSpec], _: &ImageOptions) -> Result<Vec<Sample>> {
    Err(BadInput::NoImages.into())
}

#[cfg(feature = "images")]
fn from_image(bytes: &[u8], specs: &[InputSpec], options: &ImageOptions) -> Result<Vec<Sample>> {
    let spec = only(specs)?;
    let preprocess = options.preprocess(spec)?.ok_or(BadInput::NoPreprocess)?;
    let pixels = Pixels::decode(bytes, spec, &preprocess, options.resize)?;
    Ok(vec![Sample::from([(spec.name.clone(), pixels.to_input(spec, &preprocess)?)])])
}

/// Names the input that images do not fit.
fn no_image(spec: &InputSpec, source: PixelsError) -> Error {
    BadInput::Pixels { input: spec.name.clone(), source }.into()
}

/// The samples of one array. Bytes are pixels if it is known how pixels become the input, and values otherwise.
fn array_samples(bytes: &[u8], spec: &InputSpec, options: &ImageOptions) -> Result<Vec<Tensor<f32>>> {
    let array = NpyArray::parse(bytes).map_err(BadInput::Array)?;
    if array.dtype != Dtype::U8 && options.says() {
        return Err(BadInput::ImageOptions { input: spec.name.clone() }.into());
    }
    if let (Dtype::U8, Some(preprocess)) = (array.dtype, options.preprocess(spec)?) {
        return preprocess.inputs(&array.to_f32(), &spec.shape).map_err(|e| no_image(spec, e));
    }
    match samples(&array.to_f32(), &spec.name, &spec.shape) {
        Ok((samples, 0)) => Ok(samples),
        Ok((_, left)) => {
            let (input, shape) = (spec.name.clone(), array.shape.as_slice().into());
            let rows = spec.shape.first().copied().unwrap_or(1);
            Err(BadInput::RowsLeft { input, shape, rows, left }.into())
        }
        Err(e) => Err(BadInput::Samples(e).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picc_ir::Shape;
    use picc_ir::npy::write_f32;

    fn spec(name: &str, shape: &[usize]) -> InputSpec {
        InputSpec { name: name.into(), shape: Shape::from_slice(shape), frac_bits: 8, preprocess: None }
    }

    fn array(shape: &[usize]) -> Tensor<f32> {
        Tensor::new(shape, (0..shape.iter().product()).map(|v: usize| v as f32).collect())
    }

    #[test]
    fn rows_of_a_batch_are_not_lost() {
        let read = |shape: &[usize]| {
            array_samples(&write_f32(&array(shape)), &spec("x", &[2, 3]), &ImageOptions::default())
        };
        assert_eq!(read(&[4, 3]).unwrap()[1].data[0], 6.0);
        let error = read(&[5, 3]).unwrap_err().to_string();
        assert!(error.contains("takes 2 rows at a time: 1 are left over"), "{error}");
    }

    #[test]
    fn an_npz_names_the_inputs_unless_there_is_only_one() {
        let (x, y) = (write_f32(&array(&[2, 3])), write_f32(&array(&[2, 2])));
        let npz = write_npz(&[("y".into(), y), ("x".into(), x.clone())]).unwrap();
        let specs = [spec("x", &[1, 3]), spec("y", &[1, 2])];
        let samples = from_npz(&npz, &specs, &ImageOptions::default()).unwrap();
        assert_eq!((samples.len(), samples[1]["x"].data[0], samples[1]["y"].data[0]), (2, 3.0, 2.0));

        let missing = from_npz(&npz, &[spec("x", &[1, 3]), spec("z", &[1])], &ImageOptions::default());
        assert!(missing.unwrap_err().to_string().contains("no array called `z`"));
        let any_name = write_npz(&[("arr_0".into(), x)]).unwrap();
        assert_eq!(from_npz(&any_name, &specs[..1], &ImageOptions::default()).unwrap().len(), 2);
    }

    #[test]
    fn bytes_are_pixels_only_if_somebody_says_how() {
        let mut file = write_f32(&array(&[2, 2]));
        let at = file.windows(3).position(|w| w == b"<f4").unwrap();
        file[at..at + 3].copy_from_slice(b"|u1");
        let end = file.len() - 16;
        file.truncate(end);
        file.extend_from_slice(&[0, 51, 102, 255]);
        let spec = spec("x", &[1, 1, 2, 2]);
        let said = ImageOptions { divisor: Some(255.0), ..ImageOptions::default() };
        assert_eq!(array_samples(&file, &spec, &said).unwrap()[0].data, [0.0, 0.2, 0.4, 1.0]);
        // One divisor, whoever is asked: that of `picc`.
        let mean = ImageOptions { mean: Some(vec![0.2]), ..ImageOptions::default() };
        assert_eq!(array_samples(&file, &spec, &mean).unwrap()[0].data, [-0.2, 0.0, 0.2, 0.8]);
        let values = array_samples(&file, &spec, &ImageOptions::default()).unwrap();
        assert_eq!(values[0].data, [0.0, 51.0, 102.0, 255.0]);
        // Values are no pixels: what is said about images would do nothing.
        let floats = write_f32(&array(&[2, 2]));
        let error = array_samples(&floats, &spec, &mean).unwrap_err().to_string();
        assert!(error.contains("leave the options away"), "{error}");
    }
}

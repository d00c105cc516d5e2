//! The model that this repository carries: chest X-rays, normal or pneumonia.

use picc_compiler::onnx::{self, Imported, InputShape};
use picc_ir::Tensor;
use picc_ir::npy::NpyArray;
use picc_ir::op::F32;
use picc_ir::program::{Layout, Preprocess};
use picc_passes::{Compiled, Options, compile};
use picc_runtime::inputs::{ImageOptions, Sample, read_samples};
use std::path::{Path, PathBuf};

/// Name of the model's input, whose shape is `[batch, 1, 28, 28]`.
pub const INPUT: &str = "input";

/// The repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace").to_owned()
}

#[must_use]
pub fn model() -> PathBuf {
    root().join("examples/models/pneumonia_vggsmall.onnx")
}

#[must_use]
pub fn data(name: &str) -> PathBuf {
    root().join("examples/data").join(name)
}

/// The model for batches of this size.
#[must_use]
pub fn imported(batch: usize) -> Imported {
    let shape = InputShape { name: None, shape: vec![batch, 1, 28, 28] };
    let options = onnx::Options { input_shapes: vec![shape], ..onnx::Options::default() };
    onnx::import_file(&model(), &options).expect("the example imports")
}

/// Calibrated on the example's images, with its preprocessing recorded.
#[must_use]
pub fn compiled(batch: usize, options: Options) -> Compiled {
    let imported = imported(batch);
    let file = std::fs::read(data("xray_calibration.npy")).expect("the example's calibration images");
    let images = NpyArray::parse(&file).expect("an array").to_f32();
    let sample = |x: &[f32]| Sample::from([(INPUT.to_owned(), Tensor::new(&[batch, 1, 28, 28], x.to_vec()))]);
    let samples: Vec<Sample> = images.data.chunks_exact(batch * 28 * 28).map(sample).collect();
    let preprocess = Preprocess {
        divisor: F32::from(255.0),
        mean: vec![F32::from(0.5)],
        std: vec![F32::from(0.5)],
        layout: Layout::Nchw,
        bgr: false,
    };
    let options = Options { model: "pneumonia".to_owned(), preprocess: Some(preprocess), ..options };
    compile(&imported.graph, &imported.weights, &options, &samples).expect("the example compiles")
}

/// The example's images in order of their class, for a program with batches of one.
#[must_use]
pub fn images(compiled: &Compiled) -> Vec<Sample> {
    let read = |name: &str| {
        let mut samples = read_samples(&data(name), &compiled.program.inputs, &ImageOptions::default())
            .expect("the example's image fits the example's model");
        samples.remove(0)
    };
    ["xray_normal.png", "xray_pneumonia.png"].map(read).to_vec()
}

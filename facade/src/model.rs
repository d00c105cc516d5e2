//! A trained model, and how it is compiled.

use crate::error::{Error, Result};
use crate::program::{Program, Weights};
use picc_compiler::onnx::{self, ExternalData, Imported, ImportedInput};
use picc_compiler::runs::private_runs;
use picc_ir::labels::names_fit;
use picc_ir::npy::NpyArray;
use picc_ir::weights::Salt;
use picc_passes::accuracy::{Accuracy, Budget, compile_within};
use picc_passes::egraph::Explanation;
use picc_passes::{Options, Report, compile};
use picc_runtime::inputs::Sample;
use std::path::Path;

/// A trained model as its owner holds it: over the reals, with all weights, and inputs that show how large values get.
pub struct Model {
    imported: Imported,
    name: String,
    samples: Vec<Sample>,
}

/// What compiling makes.
pub struct Compiled {
    /// Public: what both parties run.
    pub program: Program,
    /// The server's secret.
    pub weights: Weights,
    /// Costs, bounds on errors, and warnings: for the model's owner, since bounds depend on the weights.
    pub report: Report,
    /// Which rewrites and protocols were chosen for the deployment, and what each saved; none with
    /// [`picc_passes::NO_PASSES`].
    pub explanation: Option<Explanation>,
    /// What [`Model::compile_within`] measured.
    pub accuracy: Option<Accuracy>,
}

/// How much accuracy [`Model::compile_within`] may give away.
#[derive(Clone, Copy, Debug)]
pub struct MaxDrop<'a> {
    /// Points (hundredths) of top-1 accuracy.
    pub points: f64,
    /// Per cent of cases in which no more is lost on other samples of the same kind: 50 to 99.99.
    pub confidence: f64,
    /// The right class of each calibration sample, from zero. Samples should not be ones that the model was trained on.
    pub classes: &'a [i64],
}

impl Model {
    /// Reads an ONNX model from memory. Its name is that of its graph; a free batch axis becomes one.
    ///
    /// # Errors
    /// [`Error::Import`] with everything that cannot be imported, each with its node and its way out.
    pub fn from_onnx(bytes: &[u8]) -> Result<Model> {
        Model::from_onnx_with(bytes, &onnx::Options::default())
    }

    /// [`Model::from_onnx`] with shapes of inputs that the model leaves open, or other limits.
    ///
    /// # Errors
    /// As [`Model::from_onnx`].
    pub fn from_onnx_with(bytes: &[u8], options: &onnx::Options) -> Result<Model> {
        let imported = onnx::import(bytes, &ExternalData::default(), options)?;
        let name = imported.model.clone();
        Ok(Model { imported, name, samples: Vec::new() })
    }

    /// Reads the ONNX model at `path`, with tensors that lie beside it. It is called as the file is.
    ///
    /// # Errors
    /// As [`Model::from_onnx`], and if the file cannot be read.
    pub fn from_onnx_file(path: impl AsRef<Path>) -> Result<Model> {
        Model::from_onnx_file_with(path, &onnx::Options::default())
    }

    /// [`Model::from_onnx_file`] with shapes of inputs that the model leaves open, or other limits.
    ///
    /// # Errors
    /// As [`Model::from_onnx_file`].
    pub fn from_onnx_file_with(path: impl AsRef<Path>, options: &onnx::Options) -> Result<Model> {
        let path = path.as_ref();
        std::fs::metadata(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
        let imported = onnx::import_file(path, options)?;
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
        let name = stem.unwrap_or_else(|| imported.model.clone());
        Ok(Model { imported, name, samples: Vec::new() })
    }

    /// What the client will supply: names and shapes, the batch axis included.
    #[must_use]
    pub fn inputs(&self) -> &[ImportedInput] {
        &self.imported.inputs
    }

    /// The samples of a `.npy` array of values as the model takes them, for a model with one input. The first axis
    /// counts samples: `[n, 3, 32, 32]` holds `n` samples of an input `[1, 3, 32, 32]`.
    ///
    /// # Errors
    /// If the bytes are no array, or not of such a shape, or hold what is no number; or if the model has several
    /// inputs.
    pub fn samples(&self, npy: &[u8]) -> Result<Vec<Sample>> {
        let [input] = self.inputs() else {
            let names: Vec<&str> = self.inputs().iter().map(|i| i.name.as_str()).collect();
            return Err(Error::Samples(format!(
                "the model has several inputs ({}): make each sample as a map from names to tensors",
                names.join(", ")
            )));
        };
        let array = NpyArray::parse(npy)?.to_f32();
        let (samples, _) = picc_ir::samples::samples(&array, &input.name, &input.shape)?;
        Ok(samples.into_iter().map(|tensor| Sample::from([(input.name.clone(), tensor)])).collect())
    }

    /// Adds typical inputs, each a tensor for every input by name, in the shapes of [`Model::inputs`] and in the units
    /// that the model was trained on. Sixteen are enough to tell how large values get, with one bit of margin. Without
    /// any, ranges are proven by interval arithmetic and, where that explodes, assumed with a warning.
    #[must_use]
    pub fn calibrate(mut self, samples: impl IntoIterator<Item = Sample>) -> Model {
        self.samples.extend(samples);
        self
    }

    /// Compiles for two parties. By default for a local network (`Profile::lan`), off by at most one unit in the last
    /// place after each layer: as the command `picc MODEL.onnx -o MODEL.pi` does.
    ///
    /// # Errors
    /// [`Error::Compile`] with every node that has no protocol and the way out, or an option outside its domain;
    /// [`Error::Labels`] if names of classes do not fit the model.
    pub fn compile(&self, options: &Options) -> Result<Compiled> {
        let options = self.named(options)?;
        let Imported { graph, weights, .. } = &self.imported;
        self.done(compile(graph, weights, &options, &self.samples)?)
    }

    /// Compiles with fewer bits, tighter ranges and comparisons without low bits as far as the measured accuracy
    /// allows.
    ///
    /// # Errors
    /// As [`Model::compile`]; and if classes and samples do not match, or the options forbid approximations.
    pub fn compile_within(&self, options: &Options, drop: MaxDrop<'_>) -> Result<Compiled> {
        let options = self.named(options)?;
        let Imported { graph, weights, .. } = &self.imported;
        let MaxDrop { points: max_drop_points, confidence, classes: labels } = drop;
        let labels = Some(labels);
        let budget = Budget { max_drop_points, confidence, labels, runner: &private_runs };
        self.done(compile_within(graph, weights, &options, &self.samples, budget)?)
    }

    fn named(&self, options: &Options) -> Result<Options> {
        names_fit(&options.labels, &self.imported.graph)?;
        let model = if options.model.is_empty() { &self.name } else { &options.model };
        Ok(Options { model: model.clone(), ..options.clone() }.settled())
    }

    fn done(&self, compiled: picc_passes::Compiled) -> Result<Compiled> {
        let picc_passes::Compiled { mut program, weights, report, explanation, accuracy, .. } = compiled;
        program.notes.extend(self.imported.notes.iter().cloned());
        let program = Program::new(program)?;
        let weights = Weights::new(weights, &program, Salt(picc_identity::random()?));
        Ok(Compiled { program, weights, report, explanation, accuracy })
    }
}

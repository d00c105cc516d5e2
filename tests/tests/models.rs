//! Whole models: from ONNX to the private answer, both parties with all cryptography, compared with the reference
//! interpreter bit for bit or within the stated bound, and with the predicted traffic byte for byte.

use picc_ir::Tensor;
use picc_ir::testing::splitmix;
use picc_passes::{Compiled, Linear, Options, compile};
use picc_runtime::inputs::Sample;
use picc_tests::example::{self, INPUT};
use picc_tests::private::compare;
use std::path::PathBuf;

fn exact() -> Options {
    Options { exact: true, ..Options::plain() }
}

/// Bit for bit, with the right diagnosis for both images.
fn diagnoses_exactly(compiled: &Compiled, samples: &[Sample]) {
    assert!(compiled.program.error_ulps.iter().all(|&ulps| ulps == 0), "{:?}", compiled.program.error_ulps);
    let found = compare(compiled, samples);
    assert_eq!(found.ulps, 0);
    assert_eq!(found.argmax, [(0, 0), (1, 1)]);
}

#[test]
fn the_example_is_bit_exact() {
    let compiled = example::compiled(1, exact());
    diagnoses_exactly(&compiled, &example::images(&compiled));
}

#[test]
fn the_example_stays_within_its_bound() {
    let compiled = example::compiled(1, Options::plain());
    let found = compare(&compiled, &example::images(&compiled));
    let bound = compiled.program.error_ulps[0];
    assert!(bound > 0, "nothing is truncated locally");
    assert!(found.ulps <= bound, "{} ulps, promised are {bound}", found.ulps);
    let likely = compiled.report.likely_ulps[0].1;
    assert!(found.ulps as f64 <= likely, "{} ulps, unlikely above {likely}", found.ulps);
    assert_eq!(found.argmax, [(0, 0), (1, 1)]);
}

#[test]
fn the_example_is_bit_exact_with_linear_layers_by_oblivious_transfer() {
    let compiled = example::compiled(1, Options { linear: Linear::Ot, ..exact() });
    assert!(compiled.program.graph.nodes.iter().any(|n| n.op.name() == "conv.ot"));
    assert!(compiled.program.graph.nodes.iter().all(|n| !n.op.name().ends_with(".rlwe")));
    diagnoses_exactly(&compiled, &example::images(&compiled));
}

#[test]
fn the_example_is_bit_exact_in_one_ring_of_37_bits() {
    let compiled = example::compiled(1, Options { ring: Some(37), frac: Some(12), ..exact() });
    let inputs = &compiled.program.inputs;
    assert!(inputs.iter().all(|i| i.frac_bits == 12), "{inputs:?}");
    diagnoses_exactly(&compiled, &example::images(&compiled));
}

#[test]
fn the_example_is_bit_exact_in_batches() {
    let single = example::compiled(1, exact());
    let images = example::images(&single);
    let data = images.iter().flat_map(|s| s[INPUT].data.clone()).collect();
    let both = Sample::from([(INPUT.to_owned(), Tensor::new(&[2, 1, 28, 28], data))]);
    diagnoses_exactly(&example::compiled(2, exact()), &[both]);
}

/// `PICC_SHARED`, or the folder beside the repository.
fn shared_models() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_SHARED").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| example::root().join("../shared")).join("models/models");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no models in {}", folder.display());
    None
}

/// For inputs that are the same in every run.
struct Random(u64);

impl Random {
    fn between(&mut self, lo: f32, hi: f32) -> f32 {
        let unit = splitmix(&mut self.0) as f64 / 2f64.powi(64);
        lo + (hi - lo) * unit as f32
    }
}

#[test]
fn other_trained_models_are_bit_exact() {
    let Some(folder) = shared_models() else { return };
    // Model and the range of its preprocessed pixels.
    for (name, lo, hi) in [
        ("mnist_cntk", 0.0, 255.0),
        ("mnist_heir_lenet5", -0.424, 2.821),
        ("mnist_tfe_b_cnn", -0.424, 2.821),
        ("cifar10_resnet8_mlctiny", 0.0, 255.0),
    ] {
        let path = folder.join(format!("{name}.onnx"));
        let imported =
            picc_compiler::onnx::import_file(&path, &Default::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut random = Random(name.len() as u64);
        let mut sample = || -> Sample {
            let mut tensor = |shape: &[usize]| Tensor::full(shape, 0).map(|_: &u8| random.between(lo, hi));
            imported.inputs.iter().map(|i| (i.name.clone(), tensor(&i.shape))).collect()
        };
        let calibration: Vec<Sample> = (0..8).map(|_| sample()).collect();
        let options = Options { model: name.to_owned(), ..exact() };
        let compiled = compile(&imported.graph, &imported.weights, &options, &calibration)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = compare(&compiled, &[sample()]);
        println!("{name:28} {:>12} bytes", found.bytes);
        assert_eq!(found.ulps, 0, "{name}");
        assert!(found.argmax.iter().all(|(private, reference)| private == reference), "{name}");
    }
}

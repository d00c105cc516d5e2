//! Real models: each imports, and the graph means what onnxruntime computed. Skipped where the models are absent.

use picc_compiler::onnx::{Options, import_file};
use picc_ir::Tensor;
use picc_ir::eval::run_real;
use picc_ir::npy::NpyArray;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `PICC_MODELS`, or the folder beside the checkout.
fn models() -> Option<PathBuf> {
    let given = std::env::var_os("PICC_MODELS").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let folder = given.unwrap_or(beside);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no models at {}", folder.display());
    None
}

fn read(path: PathBuf) -> Tensor<f32> {
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    NpyArray::parse(&bytes).unwrap().to_f32()
}

/// Image `index` of `[n, h, w]` or `[n, h, w, c]`, as `[c, h, w]` of pixels.
fn image(images: &Tensor<f32>, index: usize) -> Tensor<f32> {
    let (h, w) = (images.shape[1], images.shape[2]);
    let c = images.shape.get(3).copied().unwrap_or(1);
    let pixels = &images.data[index * h * w * c..(index + 1) * h * w * c];
    let data = (0..c * h * w).map(|i| pixels[i % (h * w) * c + i / (h * w)]).collect();
    Tensor::new(&[c, h, w], data)
}

/// The middle `size` x `size` of `[c, h, w]`.
fn crop(x: &Tensor<f32>, size: usize) -> Tensor<f32> {
    let (c, h, w) = (x.shape[0], x.shape[1], x.shape[2]);
    let (top, left) = ((h - size) / 2, (w - size) / 2);
    let at = |i: usize| {
        let (plane, row, column) = (i / (size * size), i / size % size, i % size);
        x.data[(plane * h + top + row) * w + left + column]
    };
    Tensor::new(&[c, size, size], (0..c * size * size).map(at).collect())
}

/// `(pixel / divisor - mean) / std` for each channel.
fn normalise(x: &Tensor<f32>, divisor: f32, mean: &[f32], std: &[f32]) -> Tensor<f32> {
    let plane = x.data.len() / x.shape[0];
    let value = |(i, v): (usize, &f32)| {
        let c = i / plane;
        (v / divisor - mean[c % mean.len()]) / std[c % std.len()]
    };
    Tensor { shape: x.shape.clone(), data: x.data.iter().enumerate().map(value).collect() }
}

const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
const CIFAR: ([f32; 3], [f32; 3]) = ([0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616]);
const VIT: [f32; 3] = [0.2023, 0.1994, 0.2010];

type Prepare = fn(&Tensor<f32>) -> Tensor<f32>;

/// Model, file of inputs, preprocessing of one image `[c, h, w]`, images to run (fewer for large models).
const MODELS: &[(&str, &str, Prepare, usize)] = &[
    ("cifar10_marabou_large", "cifar10", |x| normalise(&to_hwc(x), 255.0, &[0.0], &[1.0]), 4),
    ("cifar10_minionn_relu6", "cifar10", |x| normalise(x, 255.0, &[0.0], &[1.0]), 4),
    ("cifar10_resnet20", "cifar10", |x| normalise(x, 255.0, &IMAGENET.0, &IMAGENET.1), 4),
    ("cifar10_resnet32", "cifar10", |x| normalise(x, 255.0, &IMAGENET.0, &IMAGENET.1), 2),
    ("cifar10_resnet8_mlctiny", "cifar10", Tensor::clone, 4),
    ("cifar10_resnet_4b", "cifar10", |x| normalise(x, 255.0, &CIFAR.0, &CIFAR.1), 4),
    ("cifar10_vggsmall_base", "cifar10", |x| normalise(x, 255.0, &CIFAR.0, &CIFAR.1), 4),
    ("cifar10_vit_pgd_2_3_16", "cifar10", |x| normalise(x, 255.0, &CIFAR.0, &VIT), 4),
    ("fer_mini_xception", "fer", |x| normalise(x, 255.0, &[0.5], &[0.5]), 4),
    ("imagenet_densenet121", "imagenet256", |x| normalise(&crop(x, 224), 255.0, &IMAGENET.0, &IMAGENET.1), 1),
    ("imagenet_mobilenetv1_0.25_128", "imagenet128", |x| normalise(x, 1.0, &[128.0], &[128.0]), 2),
    ("imagenet_mobilenetv2_1.0_224", "imagenet256", |x| normalise(&crop(x, 224), 1.0, &[128.0], &[128.0]), 1),
    (
        "imagenet_squeezenet1.0_dc",
        "imagenet256",
        |x| bgr(&normalise(&crop(x, 227), 1.0, &[123.0, 117.0, 104.0], &[1.0])),
        1,
    ),
    ("mnist_cntk", "mnist", Tensor::clone, 4),
    ("mnist_convnet_maxpool", "mnist", |x| normalise(x, 255.0, &[0.0], &[1.0]), 4),
    ("mnist_fc_256x2", "mnist", |x| normalise(x, 255.0, &[0.0], &[1.0]), 4),
    ("mnist_heir_lenet5", "mnist", |x| pad2(&normalise(x, 255.0, &[0.1307], &[0.3081])), 4),
    ("mnist_tfe_b_cnn", "mnist", |x| normalise(x, 255.0, &[0.1307], &[0.3081]), 4),
    ("pneumonia_vggsmall", "pneumonia", |x| normalise(x, 255.0, &[0.5], &[0.5]), 4),
];

fn to_hwc(x: &Tensor<f32>) -> Tensor<f32> {
    let (c, h, w) = (x.shape[0], x.shape[1], x.shape[2]);
    // One channel keeps `normalise` simple: marabou's model has no mean.
    Tensor::new(&[1, h * w * c], (0..c * h * w).map(|i| x.data[i % c * h * w + i / c]).collect())
}

fn bgr(x: &Tensor<f32>) -> Tensor<f32> {
    let plane = x.data.len() / 3;
    let data = (0..3 * plane).map(|i| x.data[(2 - i / plane) * plane + i % plane]).collect();
    Tensor { shape: x.shape.clone(), data }
}

/// Two zeros on each side of `[1, 28, 28]`.
fn pad2(x: &Tensor<f32>) -> Tensor<f32> {
    let inside = |v: usize| (2..30).contains(&v);
    let at = |i: usize| {
        let (row, column) = (i / 32, i % 32);
        if inside(row) && inside(column) { x.data[(row - 2) * 28 + column - 2] } else { 0.0 }
    };
    Tensor::new(&[1, 32, 32], (0..1024).map(at).collect())
}

/// Largest difference relative to the largest expected magnitude.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    let most = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
    let worst = found.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
    if worst.is_nan() { f32::INFINITY } else { worst / most.max(1e-6) }
}

#[test]
fn real_models_mean_what_onnxruntime_computed() {
    let Some(folder) = models() else { return };
    let mut failures = Vec::new();
    for &(model, inputs, prepare, count) in MODELS {
        let path = folder.join(format!("models/{model}.onnx"));
        let imported = match import_file(&path, &Options::default()) {
            Ok(imported) => imported,
            Err(errors) => {
                failures.push(format!("{model}: {errors}"));
                continue;
            }
        };
        let images = read(folder.join(format!("inputs/{inputs}_x.npy")));
        let expected = read(folder.join(format!("expected/{model}_logits.npy")));
        let classes = expected.shape[1];
        let input = &imported.inputs[0];
        let mut worst = 0f32;
        for i in 0..count {
            let mut x = prepare(&image(&images, i));
            x.shape.clone_from(&input.shape);
            let outputs = run_real(
                &imported.graph,
                &BTreeMap::from([(input.name.clone(), x)]),
                &imported.weights,
                &mut |_, _| {},
            )
            .unwrap_or_else(|e| panic!("{model}: {e}"));
            worst = worst.max(difference(&outputs[0].1.data, &expected.data[i * classes..(i + 1) * classes]));
        }
        println!("{model:32} {:4} nodes, {count} images, difference {worst:.1e}", imported.graph.nodes.len());
        if worst > 1e-3 {
            failures.push(format!("{model}: difference {worst}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_detector_and_super_resolution_agree_too() {
    let Some(folder) = models() else { return };
    let detector = import_file(&folder.join("models/face_rfb320.onnx"), &Options::default()).unwrap();
    let images = read(folder.join("inputs/face320x240_x.npy"));
    let mut x = normalise(&image(&images, 0), 1.0, &[127.0], &[128.0]);
    x.shape.clone_from(&detector.inputs[0].shape);
    let input = BTreeMap::from([(detector.inputs[0].name.clone(), x)]);
    let outputs = run_real(&detector.graph, &input, &detector.weights, &mut |_, _| {}).unwrap();
    let archive = std::fs::File::open(folder.join("expected/face_rfb320.npz")).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    for (name, found) in outputs {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut archive.by_name(&format!("{name}.npy")).unwrap(), &mut bytes).unwrap();
        let expected = NpyArray::parse(&bytes).unwrap().to_f32();
        let worst = difference(&found.data, &expected.data[..found.data.len()]);
        println!("face_rfb320 {name:8} difference {worst:.1e}");
        assert!(worst < 1e-3, "{name}: {worst}");
    }

    let model = import_file(&folder.join("models/super_resolution.onnx"), &Options::default()).unwrap();
    let x = read(folder.join("inputs/super_resolution_x.npy"));
    let input = BTreeMap::from([(model.inputs[0].name.clone(), x)]);
    let outputs = run_real(&model.graph, &input, &model.weights, &mut |_, _| {}).unwrap();
    let worst = difference(&outputs[0].1.data, &read(folder.join("expected/super_resolution_out.npy")).data);
    println!("super_resolution     difference {worst:.1e}");
    assert!(worst < 1e-3, "{worst}");
}

#[test]
fn the_zoo_topologies_import() {
    let Some(folder) = models() else { return };
    let mut failures = Vec::new();
    let mut found = 0;
    for entry in std::fs::read_dir(folder.join("light")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "onnx") {
            found += 1;
            if let Err(errors) = import_file(&path, &Options::default()) {
                failures.push(format!("{}: {errors}", path.display()));
            }
        }
    }
    assert!(found >= 9 && failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_vision_transformer_is_refused_with_every_reason() {
    let Some(folder) = models() else { return };
    let errors = import_file(&folder.join("models/pneumonia_vit_tiny.onnx"), &Options::default()).unwrap_err();
    let text = errors.to_string();
    assert_eq!(text.matches("(LayerNormalization)").count(), 7, "{text}");
    assert!(text.contains("train with BatchNormalization"), "{text}");
}

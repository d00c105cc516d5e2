//! What each family of rewrites saves on real models, alone and together: bytes, rounds and predicted seconds.
//!
//! ```text
//!   cargo run --release -p picc-tests --bin families -- --shared ../shared --record    # tests/data/families.tsv
//! ```
//! Figures are those of `picc explain`: every message and the OT extension behind it, without a session's setup. The
//! models are not part of this repository. Those without trained weights get seeded ones that keep activations at
//! unit scale.

use picc_compiler::onnx::{Imported, Options as Import, import_file};
use picc_ir::cost::profile::Profile;
use picc_ir::npy::NpyArray;
use picc_ir::op::Op;
use picc_ir::testing::unit;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Owner, Tensor, Ty};
use picc_passes::egraph::{Explanation, RuleOptions, Totals, optimize};
use picc_passes::{Options, compile};
use std::collections::BTreeMap;
use std::path::Path;

/// Inputs of a model: a file and what is done to its pixels.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// `(pixel / divisor - mean) / std` for each channel.
    Images { file: &'static str, divisor: f32, mean: [f32; 3], std: [f32; 3], form: Form },
    /// As they are.
    Values { file: &'static str },
    /// Seeded weights and inputs: the file holds the topology only.
    Seeded,
}

/// How images are laid out for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Channels first, the centre of this size where the images are larger.
    Crop(usize),
    /// Channels first, a margin of zeros on each side.
    Pad(usize),
    /// As stored.
    Last,
    /// Channels first in the order blue, green, red, the centre of this size.
    Bgr(usize),
}

#[derive(Clone, Copy, Debug)]
pub struct Model {
    pub name: &'static str,
    /// Below `models` of the shared folder.
    pub file: &'static str,
    pub source: Source,
    /// Inputs that measure ranges.
    pub samples: usize,
}

const RAW: ([f32; 3], [f32; 3]) = ([0.0; 3], [1.0; 3]);
const IMAGENET: ([f32; 3], [f32; 3]) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
const CIFAR: ([f32; 3], [f32; 3]) = ([0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616]);
const DIGITS: ([f32; 3], [f32; 3]) = ([0.1307; 3], [0.3081; 3]);
const HALF: ([f32; 3], [f32; 3]) = ([0.5; 3], [0.5; 3]);
const AROUND_128: ([f32; 3], [f32; 3]) = ([128.0; 3], [128.0; 3]);

const fn images(
    name: &'static str,
    file: &'static str,
    inputs: &'static str,
    divisor: f32,
    (mean, std): ([f32; 3], [f32; 3]),
    form: Form,
    samples: usize,
) -> Model {
    Model { name, file, source: Source::Images { file: inputs, divisor, mean, std, form }, samples }
}

const fn seeded(name: &'static str, file: &'static str) -> Model {
    Model { name, file, source: Source::Seeded, samples: 1 }
}

const ANY: Form = Form::Crop(usize::MAX);

/// The models of the table, the quick ones first.
pub const MODELS: &[Model] = &[
    images("mnist_fc_256x2", "models/mnist_fc_256x2.onnx", "mnist_x", 255.0, RAW, ANY, 16),
    images("mnist_cntk", "models/mnist_cntk.onnx", "mnist_x", 1.0, RAW, ANY, 16),
    images("mnist_convnet_maxpool", "models/mnist_convnet_maxpool.onnx", "mnist_x", 255.0, RAW, ANY, 16),
    images("mnist_heir_lenet5", "models/mnist_heir_lenet5.onnx", "mnist_x", 255.0, DIGITS, Form::Pad(2), 16),
    images("mnist_tfe_b_cnn", "models/mnist_tfe_b_cnn.onnx", "mnist_x", 255.0, DIGITS, ANY, 16),
    images("pneumonia_vggsmall", "models/pneumonia_vggsmall.onnx", "pneumonia_x", 255.0, HALF, ANY, 16),
    images("cifar10_marabou_large", "models/cifar10_marabou_large.onnx", "cifar10_x", 255.0, RAW, Form::Last, 16),
    images("cifar10_resnet_4b", "models/cifar10_resnet_4b.onnx", "cifar10_x", 255.0, CIFAR, ANY, 16),
    images("cifar10_resnet8_mlctiny", "models/cifar10_resnet8_mlctiny.onnx", "cifar10_x", 1.0, RAW, ANY, 16),
    images("cifar10_vggsmall_base", "models/cifar10_vggsmall_base.onnx", "cifar10_x", 255.0, CIFAR, ANY, 16),
    images("cifar10_minionn_relu6", "models/cifar10_minionn_relu6.onnx", "cifar10_x", 255.0, RAW, ANY, 16),
    images("cifar10_resnet20", "models/cifar10_resnet20.onnx", "cifar10_x", 255.0, IMAGENET, ANY, 16),
    images("cifar10_resnet32", "models/cifar10_resnet32.onnx", "cifar10_x", 255.0, IMAGENET, ANY, 16),
    images("fer_mini_xception", "models/fer_mini_xception.onnx", "fer_x", 255.0, HALF, ANY, 16),
    images("face_rfb320", "models/face_rfb320.onnx", "face320x240_x", 1.0, ([127.0; 3], [128.0; 3]), ANY, 4),
    Model {
        name: "super_resolution",
        file: "models/super_resolution.onnx",
        source: Source::Values { file: "super_resolution_x" },
        samples: 1,
    },
    images(
        "imagenet_mobilenetv1_0.25_128",
        "models/imagenet_mobilenetv1_0.25_128.onnx",
        "imagenet128_x",
        1.0,
        AROUND_128,
        ANY,
        4,
    ),
    images(
        "imagenet_squeezenet1.0_dc",
        "models/imagenet_squeezenet1.0_dc.onnx",
        "imagenet256_x",
        1.0,
        ([104.0, 117.0, 123.0], [1.0; 3]),
        Form::Bgr(227),
        2,
    ),
    images(
        "imagenet_mobilenetv2_1.0_224",
        "models/imagenet_mobilenetv2_1.0_224.onnx",
        "imagenet256_x",
        1.0,
        AROUND_128,
        Form::Crop(224),
        2,
    ),
    images(
        "imagenet_densenet121",
        "models/imagenet_densenet121.onnx",
        "imagenet256_x",
        255.0,
        IMAGENET,
        Form::Crop(224),
        2,
    ),
    seeded("light_squeezenet", "light/light_squeezenet.onnx"),
    seeded("light_resnet50", "light/light_resnet50.onnx"),
    seeded("light_densenet121", "light/light_densenet121.onnx"),
    seeded("light_shufflenet", "light/light_shufflenet.onnx"),
    seeded("light_inception_v1", "light/light_inception_v1.onnx"),
    seeded("light_inception_v2", "light/light_inception_v2.onnx"),
    seeded("light_bvlc_alexnet", "light/light_bvlc_alexnet.onnx"),
    seeded("light_zfnet512", "light/light_zfnet512.onnx"),
    seeded("light_vgg19", "light/light_vgg19.onnx"),
];

/// One inference of a model under a profile with some families.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub model: String,
    pub profile: String,
    /// `none`, a family, or `all`.
    pub families: String,
    pub after: Totals,
}

impl Row {
    /// Tab-separated; seconds to the microsecond.
    #[must_use]
    pub fn tsv(&self) -> String {
        let Row { model, profile, families, after } = self;
        format!("{model}\t{profile}\t{families}\t{}\t{}\t{:.6}", after.bytes, after.rounds, after.seconds)
    }
}

pub const HEADER: &str = "model\tprofile\tfamilies\tbytes\trounds\tseconds";

type Sample = BTreeMap<String, Tensor<f32>>;

/// A model with inputs that measure its ranges.
pub fn load(shared: &Path, model: &Model) -> Result<(Imported, Vec<Sample>), String> {
    let folder = shared.join("models");
    let import = Import::default();
    let mut imported = import_file(&folder.join(model.file), &import).map_err(|e| e.to_string())?;
    let input = imported.inputs.first().cloned().ok_or("no input")?;
    let samples = match model.source {
        Source::Seeded => {
            let mut random = Random(1);
            let x = Tensor::new(&input.shape, (0..input.shape.iter().product()).map(|_| random.unit()).collect());
            let sample = Sample::from([(input.name.clone(), x)]);
            imported.weights = unit_scale(&imported.graph, &imported.weights, &sample)?;
            vec![sample]
        }
        Source::Images { file, .. } | Source::Values { file } => {
            let path = folder.join("inputs").join(file).with_extension("npy");
            let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let array = NpyArray::parse(&bytes).map_err(|e| e.to_string())?.to_f32();
            let each = array.data.len() / array.shape[0];
            let chosen = array.data.chunks_exact(each).take(model.samples);
            chosen
                .map(|values| {
                    let values = prepared(&model.source, values, &array.shape[1..]);
                    let expected: usize = input.shape.iter().product();
                    if values.len() != expected {
                        return Err(format!("{} values for {:?}", values.len(), &input.shape[..]));
                    }
                    Ok(Sample::from([(input.name.clone(), Tensor::new(&input.shape, values))]))
                })
                .collect::<Result<_, _>>()?
        }
    };
    Ok((imported, samples))
}

/// One image as the model wants it.
fn prepared(source: &Source, pixels: &[f32], shape: &[usize]) -> Vec<f32> {
    let Source::Images { divisor, mean, std, form, .. } = *source else { return pixels.to_vec() };
    let (h, w, channels) = (shape[0], shape[1], shape.get(2).copied().unwrap_or(1));
    let (size, margin) = match form {
        Form::Crop(size) | Form::Bgr(size) => ([size.min(h), size.min(w)], 0),
        Form::Pad(margin) => ([h, w], margin),
        Form::Last => ([h, w], 0),
    };
    let [top, left] = [(h - size[0]) / 2, (w - size[1]) / 2];
    let value = |c: usize, y: usize, x: usize| {
        let from = if let Form::Bgr(_) = form { channels - 1 - c } else { c };
        let pixel = pixels[((top + y) * w + left + x) * channels + from];
        (pixel / divisor - mean[c]) / std[c]
    };
    let mut out = Vec::new();
    if form == Form::Last {
        for i in 0..h * w * channels {
            out.push(value(i % channels, i / channels / w, i / channels % w));
        }
        return out;
    }
    for c in 0..channels {
        for y in 0..size[0] + 2 * margin {
            for x in 0..size[1] + 2 * margin {
                let inside = (margin..size[0] + margin).contains(&y) && (margin..size[1] + margin).contains(&x);
                out.push(if inside { value(c, y - margin, x - margin) } else { 0.0 });
            }
        }
    }
    out
}

/// The same values in every run.
struct Random(u64);

impl Random {
    /// Uniform, with mean 0 and variance 1.
    fn unit(&mut self) -> f32 {
        (unit(&mut self.0) * 2.0 - 1.0) * 3f32.sqrt()
    }
}

/// Weights of layers after He, factors and summands of batch norms so that their results have mean 0 and variance 1 in
/// each channel on `sample`, other weights small.
fn unit_scale(graph: &Graph, given: &RealWeights, sample: &Sample) -> Result<RealWeights, String> {
    let mut weights = RealWeights::new();
    let mut random = Random(2);
    let mut values: Vec<Tensor<f32>> = Vec::with_capacity(graph.nodes.len());
    let mut last_use = vec![0; graph.nodes.len()];
    graph.iter().for_each(|(id, n)| n.args.iter().for_each(|a| last_use[a.index()] = id.index()));
    for (id, node) in graph.iter() {
        for (i, arg) in node.args.iter().enumerate() {
            let Op::Weight(w) = &graph.node(*arg).op else { continue };
            if weights.contains_key(&w.name) {
                continue;
            }
            let other = &values[node.args[node.args.len() - 1 - i].index()];
            let shape = &w.ty.shape;
            let new: Vec<f32> = match &node.op {
                Op::Conv(_) => {
                    let fan_in: usize = shape[1..].iter().product();
                    he(&mut random, shape.iter().product(), fan_in)
                }
                Op::MatMul(_) => {
                    let fan_in = shape[if i == 0 { shape.len() - 1 } else { shape.len() - 2 }];
                    he(&mut random, shape.iter().product(), fan_in)
                }
                Op::Mul(_) => moments(other, shape).into_iter().map(|(_, std)| 1.0 / std.max(1e-3)).collect(),
                Op::Add(_) if matches!(op_of(graph, node, 1 - i), Some(Op::Mul(_))) => {
                    moments(other, shape).into_iter().map(|(mean, _)| -mean).collect()
                }
                _ => (0..shape.iter().product()).map(|_| 0.01 * random.unit()).collect(),
            };
            let new = Tensor::new(shape, new);
            values[arg.index()] = new.clone();
            weights.insert(w.name.clone(), new);
        }
        let value = match &node.op {
            Op::Input(input) => sample.get(&input.name).cloned().ok_or("an input is missing")?,
            // Set by its first user.
            Op::Weight(w) => given.get(&w.name).cloned().ok_or("a weight is missing")?,
            op => {
                let args: Vec<&Tensor<f32>> = node.args.iter().map(|a| &values[a.index()]).collect();
                let tys: Vec<&Ty> = node.args.iter().map(|&a| graph.ty(a)).collect();
                op.eval_real(&args, &tys).map_err(|e| format!("{}: {e}", node.name))?
            }
        };
        values.push(value);
        for a in node.args.iter().filter(|a| last_use[a.index()] == id.index()) {
            if graph.ty(*a).owner != Owner::Server {
                values[a.index()] = Tensor::default();
            }
        }
    }
    for (name, value) in given {
        weights.entry(name.clone()).or_insert_with(|| value.clone());
    }
    Ok(weights)
}

fn op_of<'g>(graph: &'g Graph, node: &picc_ir::Node, i: usize) -> Option<&'g Op> {
    node.args.get(i).map(|&a| &graph.node(a).op)
}

fn he(random: &mut Random, count: usize, fan_in: usize) -> Vec<f32> {
    let scale = (2.0 / fan_in.max(1) as f32).sqrt();
    (0..count).map(|_| scale * random.unit()).collect()
}

/// Mean and standard deviation of each channel of `[n, c, ..]`, for a weight of one element a channel.
fn moments(x: &Tensor<f32>, weight: &[usize]) -> Vec<(f32, f32)> {
    let count: usize = weight.iter().product();
    let (outer, channels) = (x.shape[0], x.shape.get(1).copied().unwrap_or(1));
    if count != channels {
        return vec![(0.0, 1.0); count];
    }
    let inner = x.data.len() / (outer * channels).max(1);
    (0..channels)
        .map(|c| {
            let all = (0..outer).flat_map(|n| &x.data[(n * channels + c) * inner..][..inner]);
            let (mut sum, mut squares) = (0.0f64, 0.0f64);
            for &v in all {
                sum += f64::from(v);
                squares += f64::from(v) * f64::from(v);
            }
            let n = (outer * inner).max(1) as f64;
            let mean = sum / n;
            (mean as f32, (squares / n - mean * mean).max(0.0).sqrt() as f32)
        })
        .collect()
}

/// Rows of a model under a profile, and the whole explanation with all families.
pub fn rows(shared: &Path, model: &Model, profiles: &[Profile]) -> Result<(Vec<Row>, Vec<Explanation>), String> {
    let (imported, samples) = load(shared, model)?;
    let options = Options { model: model.name.to_owned(), ..Options::plain() };
    let compiled = compile(&imported.graph, &imported.weights, &options, &samples).map_err(|e| e.to_string())?;
    let (mut rows, mut explanations) = (Vec::new(), Vec::new());
    for profile in profiles {
        let optimized = optimize(&compiled.ring_graph, &compiled.weights, profile, &RuleOptions::default());
        let e = optimized.map_err(|e| e.to_string())?.explanation;
        let row = |families: &str, after| Row {
            model: model.name.to_owned(),
            profile: profile.name.clone(),
            families: families.to_owned(),
            after,
        };
        rows.push(row("none", e.before));
        rows.extend(e.alone.iter().map(|a| row(a.family.name(), a.after)));
        rows.push(row("all", e.after));
        explanations.push(e);
    }
    Ok((rows, explanations))
}

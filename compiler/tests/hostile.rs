//! Files that were made to break the importer: it answers with an error and never panics, overflows its stack or
//! allocates what the file does not justify.

mod builder;

use builder::Builder;
use onnx_protobuf::{Message, ModelProto, TensorProto};
use picc_compiler::onnx::{ExternalData, ImportError, Limits, Options, import};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// Room for small models only, so that a hostile one is refused before it costs anything.
fn small() -> Options {
    let limits =
        Limits { model_bytes: 1 << 24, nodes: 1 << 12, tensor_elements: 1 << 18, folded_elements: 1 << 22 };
    Options { limits, ..Options::default() }
}

/// Does not return for a panic; everything else is an answer.
fn import_anything(bytes: &[u8]) -> bool {
    import(bytes, &ExternalData::default(), &small()).is_ok()
}

/// Field `number` with `content`, in protobuf's wire format.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 128 {
        bytes.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// A graph in an attribute of a node in a graph in an attribute ...: RUSTSEC-2024-0437 overflowed the stack on it.
#[test]
fn deeply_nested_graphs_are_over_the_recursion_limit() {
    // From the inside: ModelProto.graph = 7, GraphProto.node = 1, NodeProto.attribute = 5, AttributeProto.g = 6.
    let mut graph = Vec::new();
    for _ in 0..400 {
        graph = field(1, &field(5, &field(6, &graph)));
    }
    let model = field(7, &graph);
    let errors = import(&model, &ExternalData::default(), &Options::default()).unwrap_err();
    let [ImportError::Parse(why)] = &errors.0[..] else { panic!("{errors}") };
    assert!(why.to_lowercase().contains("recursion limit"), "{why}");

    // Nested groups of unknown fields are the other way in: start-group tags of field 15.
    let groups = vec![15 << 3 | 3; 2_000_000];
    let errors = import(&groups, &ExternalData::default(), &Options::default()).unwrap_err();
    assert!(matches!(errors.0[..], [ImportError::Parse(_)]), "{errors}");
}

#[test]
fn small_files_cannot_ask_for_large_tensors() {
    let fill = |dims: &[i64]| {
        let model = Builder::new(13).input("x", &[1]).integers("s", dims);
        model.node("ConstantOfShape", &["s"], &["c"]).node("Mul", &["x", "c"], &["y"]).output("y")
    };
    for dims in [&[1 << 20][..], &[i64::MAX, 2], &[-1], &[1 << 27, 1 << 27, 1 << 27]] {
        assert!(!import_anything(&fill(dims).bytes()), "{dims:?}");
    }
    let shaped = |operator: &str, second: &[i64]| {
        let model = Builder::new(13).input("x", &[1, 1, 2, 2]).integers("s", second);
        model.node(operator, &["x", "s"], &["y"]).output("y")
    };
    let big = 1 << 27;
    for (operator, second) in [
        ("Expand", [1, 1, big, 2]),
        ("Tile", [big, big, big, big]),
        ("Tile", [1, 1, 1, i64::MAX]),
        ("Reshape", [i64::MAX, i64::MAX, 1, 4]),
    ] {
        assert!(!import_anything(&shaped(operator, &second).bytes()), "{operator} {second:?}");
    }
    assert!(!import_anything(&shaped("Pad", &[big, big, big, big, big, big, big, big]).bytes()));
    assert!(!import_anything(&shaped("Pad", &[i64::MIN; 8]).bytes()));
}

#[test]
fn small_files_cannot_ask_for_much_work() {
    // Each node folds a quarter of a million elements: 32 of them would pass the limit of 4 million.
    let mut model = Builder::new(13).input("x", &[1]).integers("s", &[1 << 17]);
    model = model.node("ConstantOfShape", &["s"], &["c0"]);
    for i in 0..64 {
        model = model.node("Add", &[&format!("c{i}"), "c0"], &[&format!("c{}", i + 1)]);
    }
    let model = model.node("Mul", &["x", "c64"], &["y"]).output("y");
    let errors = import(&model.bytes(), &ExternalData::default(), &small()).unwrap_err();
    assert!(errors.to_string().contains("at most 4194304 are allowed"), "{errors}");

    // Half a million multiplications for each of 256 * 256 elements.
    let product = Builder::new(13).input("x", &[1]).integers("s", &[256, 256]);
    let mut product = product.node("ConstantOfShape", &["s"], &["m0"]);
    for i in 0..64 {
        product = product.node("MatMul", &[&format!("m{i}"), "m0"], &[&format!("m{}", i + 1)]);
    }
    let product = product.node("Mul", &["x", "m64"], &["y"]).output("y");
    assert!(!import_anything(&product.bytes()));
}

#[test]
fn absurd_windows_are_refused() {
    let window = |name: &str, values: &[i64]| {
        let model = Builder::new(13).input("x", &[1, 1, 8, 8]).node("MaxPool", &["x"], &["y"]);
        let model = if name == "kernel_shape" { model } else { model.ints("kernel_shape", &[2, 2]) };
        model.ints(name, values).output("y")
    };
    for name in ["kernel_shape", "strides", "dilations", "pads"] {
        for value in [0, -1, 1 << 28, i64::MAX, i64::MIN] {
            let values = if name == "pads" { vec![value; 4] } else { vec![value; 2] };
            // A stride beyond the image is harmless, pads of zero too; the others must be errors.
            let harmless = (name == "pads" && value == 0) || (name == "strides" && value == 1 << 28);
            assert_eq!(import_anything(&window(name, &values).bytes()), harmless, "{name} {value}");
        }
        assert!(!import_anything(&window(name, &[1]).bytes()), "{name}");
        assert!(!import_anything(&window(name, &[]).bytes()), "{name}");
    }
}

/// A model that goes through most importers.
fn mixed() -> Builder {
    let model = Builder::new(13).input("x", &[1, 2, 6, 6]).weight("w", &[4, 1, 3, 3], &[0.1; 36]);
    let model = model.weight("b", &[4], &[0.5; 4]).node("Conv", &["x", "w", "b"], &["c"]);
    let model = model.int("group", 2).ints("pads", &[1, 1, 1, 1]).ints("strides", &[2, 2]);
    let model = model.weight("v", &[4], &[1.0; 4]);
    let model = model.node("BatchNormalization", &["c", "v", "b", "b", "v"], &["n"]).float("epsilon", 1e-5);
    let model = model.weight("six", &[], &[6.0]).weight("zero", &[], &[0.0]);
    let model = model.node("Clip", &["n", "zero", "six"], &["r"]).weight("wt", &[4, 2, 2, 2], &[0.2; 32]);
    let model = model.node("ConvTranspose", &["r", "wt"], &["t"]).ints("strides", &[2, 2]);
    let model = model.node("AveragePool", &["t"], &["a"]).ints("kernel_shape", &[2, 2]).int("ceil_mode", 1);
    let model = model.integers("axes", &[-1]).integers("starts", &[0]).integers("ends", &[4]);
    let model = model.node("Slice", &["a", "starts", "ends", "axes"], &["s"]);
    let model = model.node("Shape", &["s"], &["h"]).node("Gather", &["h", "first"], &["g"]).integers("first", &[0]);
    let model = model.integers("rest", &[-1]).node("Concat", &["g", "rest"], &["k"]).int("axis", 0);
    let model = model.node("Reshape", &["s", "k"], &["f"]).node("Split", &["f"], &["p", "q"]).int("axis", 1);
    let model = model.node("Max", &["p", "q"], &["m"]).node("LeakyRelu", &["m"], &["l"]).float("alpha", 0.2);
    let model = model.weight("u", &[3, 20], &[0.3; 60]).node("Transpose", &["u"], &["ut"]);
    let model = model.node("Gemm", &["l", "u"], &["o"]).int("transB", 1).float("alpha", 0.5);
    model.node("Softmax", &["o"], &["y"]).int("axis", -1).output("y")
}

/// xorshift64*: the same mutations every time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}

fn mutate(original: &[u8], rounds: usize, seed: u64) {
    let mut random = Random(seed);
    for _ in 0..rounds {
        let mut bytes = original.to_vec();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(5) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, random.below(256) as u8),
                _ => {
                    let from = random.below(bytes.len());
                    let length = random.below(16).min(bytes.len() - from.max(at));
                    bytes.copy_within(from..from + length, at);
                }
            }
        }
        import_anything(&bytes);
    }
}

#[test]
fn truncated_and_mutated_models_are_answered() {
    let bytes = mixed().bytes();
    assert!(import_anything(&bytes), "{}", import(&bytes, &ExternalData::default(), &small()).unwrap_err());
    for end in 0..bytes.len() {
        import_anything(&bytes[..end]);
    }
    mutate(&bytes, 20_000, 1);
}

#[test]
fn a_mutated_real_model_is_answered() {
    let bytes = include_bytes!("../../examples/models/pneumonia_vggsmall.onnx");
    assert!(import_anything(bytes));
    for end in (0..bytes.len()).step_by(997) {
        import_anything(&bytes[..end]);
    }
    mutate(bytes, 300, 2);
    // Nodes and their attributes are at the front: the weights would take most of the hits.
    let head = bytes.len().min(6_000);
    let mut random = Random(3);
    for _ in 0..1_000 {
        let mut bytes = bytes.to_vec();
        for _ in 0..=random.below(3) {
            bytes[random.below(head)] ^= 1 << random.below(8);
        }
        import_anything(&bytes);
    }
}

/// ONNX's node tests reach every row of the table; their inputs become constants, so that values are mutated too.
#[test]
fn mutated_node_tests_are_answered() {
    let bytes = include_bytes!("data/onnx_node_tests.zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes[..])).unwrap();
    let mut cases: BTreeMap<String, ModelProto> = BTreeMap::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        let (case, part) = file.name().unwrap().split_once('/').map(|(c, p)| (c.to_owned(), p.to_owned())).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let model = cases.entry(case).or_default();
        if part == "model.onnx" {
            model.merge_from_bytes(&content).unwrap();
        } else if part.starts_with("input") && part != "input_0.pb" {
            let tensor = TensorProto::parse_from_bytes(&content).unwrap();
            model.graph.mut_or_insert_default().initializer.push(tensor);
        }
    }
    for (i, model) in cases.values().enumerate() {
        mutate(&model.write_to_bytes().unwrap(), 50, 100 + i as u64);
    }
}

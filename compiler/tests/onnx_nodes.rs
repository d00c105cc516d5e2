//! ONNX's own node tests, imported and interpreted over the reals. The table of results is a snapshot: a case passes
//! or is refused with a reason; a wrong result fails the test. `onnx_node_tests.py` writes the cases.
//!
//! Each case runs twice: *secret*, the data is the client's input and everything else a constant of the model; and
//! *folded*, everything is a constant, so that the importer itself computes the result; all of it is then the server's.

use onnx_protobuf::tensor_proto::DataType;
use onnx_protobuf::{AttributeProto, Message, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use picc_compiler::onnx::{Cause, ExternalData, ImportError, InputShape, Options, import};
use picc_ir::eval::run_real;
use picc_ir::npy::half_to_f32;
use picc_ir::{Op, Tensor};
use protobuf::Enum;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{Cursor, Read};

struct Case {
    model: ModelProto,
    inputs: Vec<TensorProto>,
    outputs: Vec<TensorProto>,
}

fn cases() -> BTreeMap<String, Case> {
    let bytes = include_bytes!("data/onnx_node_tests.zip");
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes[..])).unwrap();
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        let (case, part) = name.split_once('/').unwrap();
        let empty = Case { model: ModelProto::new(), inputs: Vec::new(), outputs: Vec::new() };
        let case = cases.entry(case.to_owned()).or_insert(empty);
        if part == "model.onnx" {
            case.model = ModelProto::parse_from_bytes(&content).unwrap();
        } else {
            // Written in order: input_0, input_1, ...
            let tensor = TensorProto::parse_from_bytes(&content).unwrap();
            if part.starts_with("input") { &mut case.inputs } else { &mut case.outputs }.push(tensor);
        }
    }
    cases
}

/// Values of a tensor of the test data, as reals.
fn values(t: &TensorProto) -> Tensor<f32> {
    let shape: Vec<usize> = t.dims.iter().map(|&d| usize::try_from(d).unwrap()).collect();
    let count = shape.iter().product();
    let bytes = |n: usize| t.raw_data.chunks(n).map(|c| c.to_vec());
    let int = |n: usize, signed: bool| {
        bytes(n).map(move |c| {
            let word = c.iter().rev().fold(0u64, |w, &b| w << 8 | u64::from(b));
            let shift = 64 - 8 * n as u32;
            if signed { ((word << shift) as i64 >> shift) as f32 } else { word as f32 }
        })
    };
    let data: Vec<f32> = match DataType::from_i32(t.data_type).unwrap() {
        DataType::FLOAT if !t.float_data.is_empty() => t.float_data.clone(),
        DataType::FLOAT => bytes(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect(),
        DataType::DOUBLE => bytes(8).map(|c| f64::from_le_bytes(c.try_into().unwrap()) as f32).collect(),
        DataType::FLOAT16 => bytes(2).map(|c| half_to_f32(u16::from_le_bytes(c.try_into().unwrap()))).collect(),
        DataType::BFLOAT16 => {
            bytes(2).map(|c| f32::from_bits(u32::from(u16::from_le_bytes(c.try_into().unwrap())) << 16)).collect()
        }
        DataType::BOOL | DataType::UINT8 => int(1, false).collect(),
        DataType::INT8 => int(1, true).collect(),
        DataType::UINT16 => int(2, false).collect(),
        DataType::INT16 => int(2, true).collect(),
        DataType::UINT32 => int(4, false).collect(),
        DataType::INT32 => int(4, true).collect(),
        DataType::UINT64 => int(8, false).collect(),
        DataType::INT64 => int(8, true).collect(),
        DataType::UINT4 => t.raw_data.iter().flat_map(|b| [b & 15, b >> 4]).take(count).map(f32::from).collect(),
        DataType::INT4 => {
            let sign = |v: u8| if v > 7 { f32::from(v) - 16.0 } else { f32::from(v) };
            t.raw_data.iter().flat_map(|b| [b & 15, b >> 4]).take(count).map(sign).collect()
        }
        other => panic!("{other:?}"),
    };
    Tensor::new(&shape, data)
}

/// Operators whose inputs are all data; of the others, the first input is.
fn all_inputs_are_data(operator: &str) -> bool {
    matches!(operator, "Add" | "Sub" | "Mul" | "Div" | "Sum" | "Mean" | "Max" | "Min" | "Concat" | "MatMul")
}

fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        input: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

/// The model with some of its inputs turned into constants.
fn with_constants(case: &Case, secret: impl Fn(usize) -> bool) -> ModelProto {
    let mut model = case.model.clone();
    let graph = model.graph.mut_or_insert_default();
    graph.initializer.extend(case.inputs.iter().enumerate().filter(|(i, _)| !secret(*i)).map(|(_, t)| t.clone()));
    model
}

/// Every output plus an input `zero`: a constant model with an input.
fn anchored(mut model: ModelProto) -> ModelProto {
    let graph = model.graph.mut_or_insert_default();
    graph.input.push(ValueInfoProto { name: "zero".to_owned(), ..ValueInfoProto::default() });
    for output in &mut graph.output {
        let (cast, sum) = (format!("{}.cast", output.name), format!("{}.sum", output.name));
        let mut to_float = node("Cast", &[&output.name], &cast);
        to_float.attribute.push(AttributeProto {
            name: "to".to_owned(),
            i: DataType::FLOAT as i64,
            ..AttributeProto::default()
        });
        graph.node.push(to_float);
        graph.node.push(node("Add", &["zero", &cast], &sum));
        output.name = sum;
    }
    model
}

enum Outcome {
    Pass,
    Refused(String),
    Wrong(String),
}

/// Imports, runs and compares. Unless they may be `public`, the model's constants are in the graph as weights only.
fn run(
    model: &ModelProto,
    inputs: &BTreeMap<String, Tensor<f32>>,
    expected: &[TensorProto],
    ulp: f32,
    public: bool,
) -> Outcome {
    let shape =
        |(name, t): (&String, &Tensor<f32>)| InputShape { name: Some(name.clone()), shape: t.shape.to_vec() };
    let options = Options { input_shapes: inputs.iter().map(shape).collect(), ..Options::default() };
    let imported = match import(&model.write_to_bytes().unwrap(), &ExternalData::default(), &options) {
        Ok(imported) => imported,
        Err(errors) => {
            return Outcome::Refused(match &errors.0[0] {
                ImportError::Node { cause: Cause::Type(error), .. } => format!("{error}"),
                ImportError::Node { cause, .. } => format!("{cause}"),
                other => format!("{other}"),
            });
        }
    };
    if !public && imported.graph.nodes.iter().any(|n| matches!(n.op, Op::Const(_))) {
        return Outcome::Wrong("what comes of constants of the model is public".to_owned());
    }
    let outputs = match run_real(&imported.graph, inputs, &imported.weights, &mut |_, _| {}) {
        Ok(outputs) => outputs,
        Err(error) => return Outcome::Wrong(error.to_string()),
    };
    for ((name, found), expected) in outputs.iter().zip(expected) {
        let relative = if expected.data_type == DataType::BFLOAT16 as i32 { 1e-2 } else { 1e-3 };
        let expected = values(expected);
        if found.shape != expected.shape {
            return Outcome::Wrong(format!("{name} has shape {:?}, not {:?}", found.shape, expected.shape));
        }
        for (a, b) in found.data.iter().zip(&expected.data) {
            let close = (a - b).abs() <= ulp + relative * b.abs().max(1e-2);
            if a != b && !close && !(a.is_nan() && b.is_nan()) {
                return Outcome::Wrong(format!("{name}: {a} instead of {b}"));
            }
        }
    }
    Outcome::Pass
}

#[test]
fn onnx_node_tests_pass_or_are_refused_as_recorded() {
    let mut table = String::new();
    let mut wrong = String::new();
    let mut counts = [0; 3];
    for (name, case) in cases() {
        let graph = case.model.graph.as_ref().unwrap();
        let first = graph.node.first().map_or("", |n| n.op_type.as_str());
        let secret = |i: usize| i == 0 || (graph.node.len() == 1 && all_inputs_are_data(first));
        // Rounding is dropped for secret values; constants are rounded, possibly the other way at a tie.
        let ulp = if first.starts_with("QLinear") { 1.0 } else { 0.0 };
        let inputs: BTreeMap<String, Tensor<f32>> = case
            .inputs
            .iter()
            .enumerate()
            .filter(|(i, _)| secret(*i))
            .map(|(i, t)| (graph.input[i].name.clone(), values(t)))
            .collect();
        let mut outcomes = vec![];
        if !inputs.is_empty() {
            outcomes.push(("secret", run(&with_constants(&case, secret), &inputs, &case.outputs, ulp, true)));
        }
        let zero = BTreeMap::from([("zero".to_owned(), Tensor::new(&[], vec![0.0]))]);
        let folded = anchored(with_constants(&case, |_| false));
        // Shapes are public, and what is made of nothing else.
        let public =
            matches!(first, "Shape" | "Size" | "EyeLike" | "ConstantOfShape" | "Range") || inputs.is_empty();
        outcomes.push(("folded", run(&folded, &zero, &case.outputs, ulp, public)));
        for (mode, outcome) in outcomes {
            match outcome {
                Outcome::Pass => {
                    counts[0] += 1;
                    writeln!(table, "{name} {mode}: pass").unwrap();
                }
                Outcome::Refused(why) => {
                    counts[1] += 1;
                    writeln!(table, "{name} {mode}: refused: {why}").unwrap();
                }
                Outcome::Wrong(what) => {
                    counts[2] += 1;
                    writeln!(wrong, "{name} {mode}: {what}").unwrap();
                }
            }
        }
    }
    println!("{} pass, {} refused, {} wrong\n{wrong}", counts[0], counts[1], counts[2]);
    assert!(wrong.is_empty(), "{wrong}");
    insta::assert_snapshot!("onnx_node_tests", table);
}

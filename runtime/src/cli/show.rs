//! What a run prints: the best classes, or one JSON object; and the files it writes.

use super::args::{Link, Output};
use crate::error::{Error, Result};
use crate::exec::{Executable, Inference};
use crate::inputs::write_npz;
use crate::report::{Record, Spent, Times, peak_memory};
use picc_ir::cost::Traffic;
use picc_ir::eval::Value as Known;
use picc_ir::npy::{write_f32, write_i64};
use picc_ir::op::Op;
use picc_ir::{Elem, Tensor};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

/// A run and everything about it that is printed.
pub struct Shown<'a> {
    pub exe: &'a Executable,
    pub inferences: &'a [Inference],
    pub record: &'a Record,
    /// The server's, if it ran in this process.
    pub server: Option<&'a Record>,
    pub time: Duration,
    pub agreement: Option<Agreement>,
    pub link: &'a Link,
}

/// How far a run was from the reference.
#[derive(Clone, Copy, Serialize)]
pub struct Agreement {
    pub max_ulps: u64,
    /// What the program promises, at its output with the weakest promise.
    pub bound: u64,
}

/// Prints and writes what the user asked for.
pub fn show(output: &Output, run: &Shown) -> Result<()> {
    let outputs: Vec<&[(String, Known)]> = run.inferences.iter().map(|i| &i.outputs[..]).collect();
    if let Some(path) = &output.output {
        write_outputs(path, run.exe, &outputs)?;
    }
    let labels = match &output.labels {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|e| Error::Input(format!("{}: {e}", path.display())))?
            .lines()
            .map(str::to_owned)
            .collect(),
        None => run.exe.program().labels.clone(),
    };
    let best: Vec<Vec<Class>> = outputs.iter().map(|o| classes(run.exe, o, &labels, output.top)).collect();
    if output.json {
        let text = serde_json::to_string(&json(run, best)).map_err(|e| Error::Bug(e.to_string()))?;
        println!("{text}");
        return Ok(());
    }
    for (i, (best, outputs)) in best.iter().zip(&outputs).enumerate() {
        if !outputs.is_empty() && run.inferences.len() > 1 {
            println!("sample {i}");
        }
        if best.is_empty() {
            summary(run.exe, outputs);
        }
        for (rank, class) in best.iter().enumerate() {
            if class.value.is_nan() {
                println!("{:>8}  {}", rank + 1, class.label);
            } else {
                println!("{:>8.4}  {}", class.value, class.label);
            }
        }
    }
    if let Some(agreement) = run.agreement {
        println!(
            "largest difference from the reference: {} ulps (promised: {})",
            agreement.max_ulps, agreement.bound
        );
    }
    Ok(())
}

#[derive(Serialize)]
struct Class {
    index: usize,
    label: String,
    value: f32,
}

/// The values that output `which` stands for.
pub fn real(exe: &Executable, which: usize, value: &Known) -> Tensor<f32> {
    value.to_real(exe.graph().ty(exe.graph().outputs[which].1))
}

/// The best classes of the first output, if it is a vector of them.
fn classes(exe: &Executable, outputs: &[(String, Known)], labels: &[String], top: usize) -> Vec<Class> {
    let Some((_, first)) = outputs.first() else { return Vec::new() };
    let values = real(exe, 0, first);
    let name = |i: usize| labels.get(i).cloned().unwrap_or_else(|| format!("class {i}"));
    if holds_classes(exe) {
        // No score was shown.
        let class = |&v: &f32| Class { index: v as usize, label: name(v as usize), value: f32::NAN };
        return values.data.iter().map(class).collect();
    }
    let vector = values.shape.iter().filter(|&&d| d > 1).count() == 1;
    if !vector {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..values.data.len()).collect();
    order.sort_by(|&a, &b| values.data[b].total_cmp(&values.data[a]));
    let named = labels.len() == values.data.len();
    let label = |i: usize| if named { labels[i].clone() } else { format!("class {i}") };
    order
        .into_iter()
        .take(top)
        .map(|index| Class { index, label: label(index), value: values.data[index] })
        .collect()
}

/// Whether the first output is the best class, or the best ones, without scores.
fn holds_classes(exe: &Executable) -> bool {
    let graph = exe.graph();
    let Some((_, mut at)) = graph.outputs.first().cloned() else { return false };
    loop {
        let node = graph.node(at);
        if let Op::ArgMaxOt(_) | Op::ArgMax(_) = node.op {
            // One index of a whole vector of scores, not a map of them.
            return node.ty.len() == 1;
        }
        let (
            Op::Dequantize(_)
            | Op::Reveal(_)
            | Op::Concat(_)
            | Op::Shl(_)
            | Op::Extend(_)
            | Op::ExtendOt(_)
            | Op::Reduce(_)
            | Op::Assume(_)
            | Op::Reshape(_),
            Some(&first),
        ) = (&node.op, node.args.first())
        else {
            return false;
        };
        at = first;
    }
}

fn summary(exe: &Executable, outputs: &[(String, Known)]) {
    for (i, (name, value)) in outputs.iter().enumerate() {
        let t = real(exe, i, value);
        let (low, high) = t.data.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        match &t.data[..] {
            [one] => println!("{name}: {one}"),
            _ => println!("{name} {:?}: {low} to {high} (-o writes it)", &t.shape[..]),
        }
    }
}

/// The outputs of all samples: along the first axis if it is one, else along a new axis. An `.npz` holds all outputs;
/// with another ending the first output gets the file, and each other one a file beside it with its name before the
/// ending.
pub fn write_outputs(path: &Path, exe: &Executable, outputs: &[&[(String, Known)]]) -> Result<()> {
    let names: Vec<&String> = exe.graph().outputs.iter().map(|(name, _)| name).collect();
    let mut arrays: Vec<(String, Vec<u8>)> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let ty = exe.graph().ty(exe.graph().outputs[i].1);
        let mut shape = ty.shape.to_vec();
        match shape.first_mut() {
            Some(first) if *first == 1 => *first = outputs.len(),
            _ if outputs.len() == 1 => {}
            _ => shape.insert(0, outputs.len()),
        }
        let integers = matches!(ty.elem, Elem::Fixed(f) if f.frac_bits == 0);
        let array = if integers {
            let data =
                outputs.iter().flat_map(|o| o[i].1.as_ring().map_or(&[][..], |t| &t.data)).copied().collect();
            write_i64(&Tensor::new(&shape, data))
        } else {
            let data = outputs.iter().flat_map(|o| real(exe, i, &o[i].1).data).collect();
            write_f32(&Tensor::new(&shape, data))
        };
        arrays.push(((*name).clone(), array));
    }
    let write = |path: &Path, bytes: &[u8]| {
        std::fs::write(path, bytes).map_err(|e| Error::Input(format!("{}: {e}", path.display())))
    };
    if path.extension().is_some_and(|e| e == "npz") {
        return write(path, &write_npz(&arrays)?);
    }
    for (i, (name, array)) in arrays.iter().enumerate() {
        if i == 0 {
            write(path, array)?;
        } else {
            let plain: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
            write(&path.with_extension(format!("{plain}.npy")), array)?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Phase {
    bytes_client_to_server: u64,
    bytes_server_to_client: u64,
    rounds: u64,
    #[serde(flatten)]
    times: Seconds,
}

/// Where the time of a party went.
#[derive(Clone, Copy, Serialize)]
pub struct Seconds {
    pub seconds: f64,
    pub waiting_seconds: f64,
    pub cryptography_seconds: f64,
    pub kernel_seconds: f64,
}

impl From<Times> for Seconds {
    fn from(t: Times) -> Seconds {
        Seconds {
            seconds: t.total.as_secs_f64(),
            waiting_seconds: t.waiting.as_secs_f64(),
            cryptography_seconds: t.cryptography().as_secs_f64(),
            kernel_seconds: t.kernels.as_secs_f64(),
        }
    }
}

impl From<Spent> for Phase {
    fn from(spent: Spent) -> Phase {
        let Traffic { client_to_server, server_to_client, rounds } = spent.traffic;
        Phase {
            bytes_client_to_server: client_to_server,
            bytes_server_to_client: server_to_client,
            rounds,
            times: spent.time.into(),
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    op: &'a str,
    #[serde(flatten)]
    spent: Phase,
    predicted_bytes: u64,
    /// Where the other party's time went, if it ran here.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Seconds>,
}

/// The object that `--json` prints: details first, totals last.
#[derive(Serialize)]
struct Json<'a> {
    nodes: Vec<Row<'a>>,
    top: Vec<Vec<Class>>,
    model: &'a str,
    network: String,
    inferences: u64,
    setup: Phase,
    /// Everything after the setup, the extension included.
    online: Phase,
    extension: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Agreement>,
    predicted_bytes: u64,
    predicted_rounds: u64,
    as_predicted: bool,
    peak_memory_bytes: Option<u64>,
    bytes_client_to_server: u64,
    bytes_server_to_client: u64,
    rounds: u64,
    /// Each party's session, the setup included.
    client: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Seconds>,
    seconds: f64,
}

fn json<'a>(run: &'a Shown, top: Vec<Vec<Class>>) -> Json<'a> {
    let (record, cost) = (run.record, run.exe.cost());
    let times = record.inferences;
    let row = |(i, ((node, &spent), predicted)): (usize, ((&'a picc_ir::Node, &Spent), &Traffic))| Row {
        name: &node.name,
        op: node.op.name(),
        spent: spent.into(),
        predicted_bytes: predicted.total() * times,
        server: run.server.map(|s| s.nodes[i].time.into()),
    };
    let total = record.total().traffic;
    let predicted = cost.session(times);
    Json {
        nodes: run.exe.graph().nodes.iter().zip(&record.nodes).zip(&cost.nodes).enumerate().map(row).collect(),
        top,
        model: &run.exe.program().model,
        network: run.link.network.to_string(),
        inferences: times,
        setup: record.setup.into(),
        online: record.online().into(),
        extension: record.extension.into(),
        reference: run.agreement,
        predicted_bytes: predicted.total(),
        predicted_rounds: predicted.rounds,
        as_predicted: record.is_as_predicted(cost),
        peak_memory_bytes: peak_memory(),
        bytes_client_to_server: total.client_to_server,
        bytes_server_to_client: total.server_to_client,
        rounds: total.rounds,
        client: record.total().time.into(),
        server: run.server.map(|s| s.total().time.into()),
        seconds: run.time.as_secs_f64(),
    }
}

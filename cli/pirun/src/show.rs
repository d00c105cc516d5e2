//! What a run prints: the best classes, or one JSON object.

use super::args::{Link, Output};
use picc_ir::Tensor;
use picc_ir::cost::Traffic;
use picc_ir::eval::Value as Known;
use picc_ir::op::{MpcOp, Op};
use picc_runtime::error::{Error, Result};
use picc_runtime::exec::Executable;
use picc_runtime::report::{Record, Spent, Times, peak_memory};
use serde::Serialize;
use std::io::Write as _;
use std::time::Duration;

/// A run and everything about it that is printed.
pub struct Shown<'a> {
    pub exe: &'a Executable,
    pub record: &'a Record,
    /// The server's, if it ran in this process.
    pub server: Option<&'a Record>,
    pub time: Duration,
    pub agreement: Option<Agreement>,
    /// How many it took.
    pub sessions: u32,
    pub link: &'a Link,
}

/// How far a run was from the reference.
#[derive(Clone, Copy, Serialize)]
pub struct Agreement {
    pub max_ulps: u64,
    /// What the program promises, at its output with the weakest promise.
    pub bound: u64,
}

/// Prints what is known at the end: one object, or how far the answers are from the reference.
pub fn show(output: &Output, run: &Shown, top: Vec<Vec<Class>>) -> Result<()> {
    if output.json {
        let text = serde_json::to_string(&json(run, top)).map_err(|e| Error::Bug(e.to_string()))?;
        say(&text);
    } else if let Some(agreement) = run.agreement {
        say(&format_args!(
            "largest difference from the reference: {} ulps (promised: {})",
            agreement.max_ulps, agreement.bound
        ));
    }
    Ok(())
}

/// A line on standard output, where somebody reads it: answers are still written when nobody does any more.
pub fn say(line: &dyn std::fmt::Display) {
    let _nobody_reads = writeln!(std::io::stdout(), "{line}");
}

/// One class of an answer.
#[derive(Serialize)]
pub struct Class {
    index: usize,
    label: String,
    value: f32,
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.value.is_nan() {
            // No score was shown.
            return write!(f, "{}", self.label);
        }
        write!(f, "{:>8.4}  {}", self.value, self.label)
    }
}

/// The values that output `which` stands for.
pub fn real(exe: &Executable, which: usize, value: &Known) -> Tensor<f32> {
    value.to_real(exe.graph().ty(exe.graph().outputs[which].1))
}

/// The best classes of the first output, if it is a vector of them.
pub fn classes(exe: &Executable, outputs: &[(String, Known)], labels: &[String], top: usize) -> Vec<Class> {
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
        if let Op::Mpc(MpcOp::ArgMaxOt(_)) | Op::ArgMax(_) = node.op {
            // One index of a whole vector of scores, not a map of them.
            return node.ty.len() == 1;
        }
        let (
            Op::Dequantize(_)
            | Op::Mpc(MpcOp::Reveal(_))
            | Op::Concat(_)
            | Op::Shl(_)
            | Op::Extend(_)
            | Op::Mpc(MpcOp::ExtendOt(_))
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

/// Outputs that are no classes.
pub fn summary(exe: &Executable, outputs: &[(String, Known)]) {
    for (i, (name, value)) in outputs.iter().enumerate() {
        let t = real(exe, i, value);
        let (low, high) = t.data.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        match &t.data[..] {
            [one] => say(&format_args!("{name}: {one}")),
            _ => say(&format_args!("{name} {:?}: {low} to {high} (-o writes it)", &t.shape[..])),
        }
    }
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
    /// The server's commitment to its weights: which version of the model answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<String>,
    /// The server, if TLS says who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<&'a str>,
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
    /// What TLS added to these bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_bytes_client_to_server: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_bytes_server_to_client: Option<u64>,
    rounds: u64,
    /// The client's sessions; above one, the other figures are those of the last.
    sessions: u32,
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
        weights: record.weights.map(|w| w.to_string()),
        server_key: record.peer.as_ref().map(|p| p.key.to_string()),
        server_name: record.peer.as_ref().and_then(|p| p.name.as_deref()),
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
        tls_bytes_client_to_server: record.tls.map(|t| t.sent),
        tls_bytes_server_to_client: record.tls.map(|t| t.received),
        rounds: total.rounds,
        sessions: run.sessions,
        client: record.total().time.into(),
        server: run.server.map(|s| s.total().time.into()),
        seconds: run.time.as_secs_f64(),
    }
}

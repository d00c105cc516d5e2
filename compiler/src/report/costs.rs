//! Cost tables: one row for each ONNX node that sends anything, then the totals.

use picc_ir::cost::Traffic;
use picc_ir::mpc::schedule::{ProgramCost, program_cost};
use picc_ir::program::Program;
use picc_ir::{Elem, Ty, TypeError};
use picc_passes::Prediction;
use serde::Serialize;
use std::fmt::Write;

/// One program node that sends something.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub node: String,
    pub op: &'static str,
    pub shape: String,
    pub ring_bits: Option<u8>,
    pub client_to_server: u64,
    pub server_to_client: u64,
    pub rounds: u64,
    /// Predicted, the node's share of the OT extension included.
    pub seconds: Option<f64>,
}

/// Rows of `program`'s nodes in order.
pub fn rows(program: &Program, cost: &ProgramCost, prediction: Option<&Prediction>) -> Vec<Row> {
    let nodes = program.graph.nodes.iter().zip(&cost.nodes).enumerate();
    nodes
        .filter(|(_, (_, traffic))| **traffic != Traffic::default())
        .map(|(i, (node, traffic))| Row {
            node: node.name.clone(),
            op: node.op.name(),
            shape: shape(&node.ty),
            ring_bits: match node.ty.elem {
                Elem::Fixed(f) => Some(f.ring_bits),
                Elem::Real => None,
            },
            client_to_server: traffic.client_to_server,
            server_to_client: traffic.server_to_client,
            rounds: traffic.rounds,
            seconds: prediction.and_then(|p| p.nodes.get(i).copied()),
        })
        .collect()
}

/// `1x3x32x32`.
pub fn shape(ty: &Ty) -> String {
    ty.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// `1234567` as `1.23 MB`.
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.2} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

fn seconds(s: Option<f64>) -> String {
    s.map_or_else(String::new, |s| if s < 0.9995 { format!("{:.2} ms", s * 1e3) } else { format!("{s:.2} s") })
}

/// The table that picc prints after compiling.
pub fn summary(program: &Program, prediction: Option<&Prediction>) -> Result<String, TypeError> {
    let cost = program_cost(program)?;
    let mut head = ["node", "protocol", "shape", "ring", "client->server", "server->client", "rounds"].to_vec();
    head.extend(prediction.map(|_| "time"));
    let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    for r in rows(program, &cost, prediction) {
        let ring = r.ring_bits.map_or(String::new(), |b| b.to_string());
        lines.push(vec![
            r.node,
            r.op.to_owned(),
            r.shape,
            ring,
            bytes(r.client_to_server),
            bytes(r.server_to_client),
            r.rounds.to_string(),
            seconds(r.seconds),
        ]);
    }
    let total = |name: &str, t: Traffic, time: Option<f64>| {
        let empty = String::new();
        let (up, down) = (bytes(t.client_to_server), bytes(t.server_to_client));
        let name = name.to_owned();
        vec![name, empty.clone(), empty.clone(), empty, up, down, t.rounds.to_string(), seconds(time)]
    };
    lines.push(total(&format!("OT extension, {}", program.source.parameters()), cost.extension, None));
    lines.push(total("one inference", cost.inference(), prediction.map(|p| p.seconds)));
    lines.push(total("setup, once a session", cost.setup, prediction.map(|p| p.setup_seconds)));
    let mut text = aligned(&lines);
    if let Some(p) = prediction {
        let (client, server) = (bytes(p.memory.client), bytes(p.memory.server));
        let _ = writeln!(
            text,
            "predicted for profile {}; peak memory about {client} at the client, {server} at the server",
            p.profile
        );
    }
    Ok(text)
}

/// Text columns left, numbers right.
pub fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let cell = |line: &[String], i: usize| line.get(i).map_or(0, |c| c.chars().count());
    let width: Vec<usize> = (0..columns).map(|i| lines.iter().map(|l| cell(l, i)).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (i, (cell, &w)) in line.iter().zip(&width).enumerate() {
            let _ = if i < 3 { write!(row, "{cell:<w$}  ") } else { write!(row, "{cell:>w$}  ") };
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

//! Cost tables: one row for each ONNX node that sends anything, then the totals.

use picc_ir::cost::Traffic;
use picc_ir::mpc::schedule::{ProgramCost, program_cost};
use picc_ir::program::Program;
use picc_ir::{Elem, Ty, TypeError};
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
}

/// Rows of `program`'s nodes in order.
pub fn rows(program: &Program, cost: &ProgramCost) -> Vec<Row> {
    let nodes = program.graph.nodes.iter().zip(&cost.nodes);
    nodes
        .filter(|(_, traffic)| **traffic != Traffic::default())
        .map(|(node, traffic)| Row {
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
        })
        .collect()
}

fn shape(ty: &Ty) -> String {
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

/// The table that picc prints after compiling.
pub fn summary(program: &Program) -> Result<String, TypeError> {
    let cost = program_cost(program)?;
    let rows = rows(program, &cost);
    let mut lines: Vec<[String; 7]> = vec![
        ["node", "protocol", "shape", "ring", "client->server", "server->client", "rounds"].map(str::to_owned),
    ];
    for r in &rows {
        lines.push([
            r.node.clone(),
            r.op.to_owned(),
            r.shape.clone(),
            r.ring_bits.map_or(String::new(), |b| b.to_string()),
            bytes(r.client_to_server),
            bytes(r.server_to_client),
            r.rounds.to_string(),
        ]);
    }
    let total = |name: &str, t: Traffic| {
        let empty = String::new();
        let (up, down) = (bytes(t.client_to_server), bytes(t.server_to_client));
        [name.to_owned(), empty.clone(), empty.clone(), empty, up, down, t.rounds.to_string()]
    };
    lines.push(total("OT extension", cost.extension));
    lines.push(total("one inference", cost.inference()));
    lines.push(total("setup, once a session", cost.setup));
    Ok(aligned(&lines))
}

/// Text columns left, numbers right.
fn aligned(lines: &[[String; 7]]) -> String {
    let width: [usize; 7] = std::array::from_fn(|i| lines.iter().map(|l| l[i].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (i, cell) in line.iter().enumerate() {
            let w = width[i];
            let _ = if i < 3 { write!(row, "{cell:<w$}  ") } else { write!(row, "{cell:>w$}  ") };
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

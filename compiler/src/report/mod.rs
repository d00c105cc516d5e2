//! The report of a program: one page for people, or the same as text.
//!
//! ```text
//!   program, prediction, explanation, a run ──> Report (rows by ONNX node) ──> html, one file without network access
//!                                                                          └─> text, for a terminal
//! ```

mod dataflow;
mod html;
mod measured;
mod text;

pub use html::html;
pub use measured::{Measured, MeasuredError};
pub use text::text;

use picc_ir::mpc::schedule::{ProgramCost, program_cost};
use picc_ir::program::Program;
use picc_ir::verify::who_learns;
use picc_ir::{Graph, TypeError};
use picc_passes::Prediction;
use picc_passes::egraph::{Explanation, RuleReport, Totals};
use std::collections::{BTreeMap, BTreeSet};

/// What one ONNX node costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    pub name: String,
    /// Protocols, each once, in the order in which they run.
    pub protocols: Vec<String>,
    /// Without rewriting.
    pub before: Option<Totals>,
    /// The program's: its messages and its share of the OT extension.
    pub after: Totals,
    /// Rules that led here.
    pub chain: Vec<String>,
    /// A run's messages and seconds at the client, without the OT extension.
    pub measured: Option<Totals>,
    /// Earlier layers with messages whose results this one reads, by index.
    pub reads: Vec<usize>,
}

/// Everything that a report shows.
#[derive(Clone, Debug)]
pub struct Report {
    pub model: String,
    pub digest: String,
    pub profile: String,
    pub learns: Vec<String>,
    pub notes: Vec<String>,
    /// Without rewriting, and as chosen: one inference.
    pub before: Option<Totals>,
    pub after: Totals,
    /// Bytes of the OT extension within `after`.
    pub extension_bytes: u64,
    pub setup_bytes: u64,
    pub memory: [u64; 2],
    pub layers: Vec<Layer>,
    pub rules: Vec<RuleReport>,
    pub stop: Option<String>,
    pub measured: Option<Measured>,
}

impl Report {
    /// Gathers what is known of a program.
    ///
    /// # Errors
    /// If the program has no price, which a verified one has.
    pub fn new(
        program: &Program,
        prediction: &Prediction,
        explanation: Option<&Explanation>,
        measured: Option<Measured>,
    ) -> Result<Report, TypeError> {
        let cost = program_cost(program)?;
        let inference = cost.inference();
        let after = Totals {
            bytes: inference.total(),
            rounds: inference.rounds,
            seconds: prediction.seconds,
            offline_bytes: cost.offline.total(),
        };
        Ok(Report {
            model: program.model.clone(),
            digest: program.digest().iter().map(|b| format!("{b:02x}")).collect(),
            profile: prediction.profile.clone(),
            learns: who_learns(&program.graph).iter().map(|(p, what)| format!("The {p} learns {what}.")).collect(),
            notes: program.notes.clone(),
            before: explanation.map(|e| e.before),
            after,
            extension_bytes: cost.extension.total(),
            setup_bytes: cost.setup.total(),
            memory: [prediction.memory.client, prediction.memory.server],
            layers: layers(&program.graph, &cost, prediction, explanation, measured.as_ref()),
            rules: explanation.map(|e| e.rules.clone()).unwrap_or_default(),
            stop: explanation.map(|e| {
                format!(
                    "{:?} after {} iterations, {} e-nodes in {} classes",
                    e.stop, e.iterations, e.e_nodes, e.e_classes
                )
            }),
            measured,
        })
    }
}

/// Nodes of the program by the ONNX node that they compute: those with messages in the order of their first one, then
/// those whose messages rewriting removed.
fn layers(
    graph: &Graph,
    cost: &ProgramCost,
    prediction: &Prediction,
    explanation: Option<&Explanation>,
    measured: Option<&Measured>,
) -> Vec<Layer> {
    let names: Vec<&str> =
        graph.nodes.iter().map(|n| if n.name.is_empty() { n.op.name() } else { n.name.as_str() }).collect();
    let sends = |i: usize| cost.nodes[i].rounds > 0;
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut layers: Vec<Layer> = Vec::new();
    for i in (0..names.len()).filter(|&i| sends(i)).chain(0..names.len()) {
        let name = names[i];
        let region = explanation.and_then(|e| e.node(name));
        let before = region.map(|r| r.before);
        if places.contains_key(name) || !(sends(i) || before.is_some_and(|b| b.bytes > 0)) {
            continue;
        }
        places.insert(name, layers.len());
        layers.push(Layer {
            name: name.to_owned(),
            protocols: Vec::new(),
            before,
            after: Totals::default(),
            chain: region.map(|r| r.chain.clone()).unwrap_or_default(),
            measured: measured.and_then(|m| m.node(name)),
            reads: Vec::new(),
        });
    }
    // For each node the layers whose messages its value comes from, through nodes without messages.
    let mut sources: Vec<BTreeSet<usize>> = Vec::with_capacity(names.len());
    for (id, node) in graph.iter() {
        let i = id.index();
        let read: BTreeSet<usize> = node.args.iter().flat_map(|a| sources[a.index()].iter().copied()).collect();
        let Some(&place) = places.get(names[i]) else {
            sources.push(read);
            continue;
        };
        let layer = &mut layers[place];
        layer.after.bytes += prediction.bytes.get(i).copied().unwrap_or(0);
        layer.after.rounds += cost.nodes[i].rounds;
        layer.after.seconds += prediction.nodes.get(i).copied().unwrap_or(0.0);
        if !sends(i) {
            sources.push(read);
            continue;
        }
        let op = node.op.name().to_owned();
        if !layer.protocols.contains(&op) {
            layer.protocols.push(op);
        }
        // A name that is used again later reads what comes after its first step: such a line is not drawn.
        let new: Vec<usize> = read.into_iter().filter(|r| *r < place && !layer.reads.contains(r)).collect();
        layer.reads.extend(new);
        sources.push(BTreeSet::from([place]));
    }
    layers
}

/// `1234567` as `1.23 MB`.
fn bytes(n: u64) -> String {
    crate::cli::table::bytes(n)
}

fn seconds(s: f64) -> String {
    match s {
        0.0 => "0".to_owned(),
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

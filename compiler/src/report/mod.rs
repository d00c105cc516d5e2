//! The report of a program: one page for people, or the same as text.
//!
//! ```text
//!   program, prediction, explanation, a run ──> Report (rows by ONNX node) ──> html, one file without network access
//!                                                                          └─> text, for a terminal
//! ```

pub mod costs;
mod dataflow;
pub mod facts;
mod flow;
mod html;
mod measured;
mod tables;
mod text;

pub use facts::{Known, Section, sections};
pub use flow::Stop;
pub use html::html;
pub use measured::{Measured, MeasuredError};
pub use text::text;

use picc_ir::cost::Traffic;
use picc_ir::mpc::schedule::{ProgramCost, program_cost};
use picc_ir::program::Program;
use picc_ir::{Elem, Graph, TypeError};
use picc_passes::Prediction;
use picc_passes::accuracy::Accuracy;
use picc_passes::egraph::{Explanation, RuleReport, Totals};
use std::collections::BTreeMap;

/// What one ONNX node costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    pub name: String,
    /// What most of its bytes are for: an operator without its protocol.
    pub kind: String,
    /// Of its result.
    pub shape: String,
    pub ring_bits: Option<u8>,
    /// Protocols, each once, in the order in which they run.
    pub protocols: Vec<String>,
    /// Without rewriting.
    pub before: Option<Totals>,
    /// The program's: its messages and its share of the OT extension.
    pub after: Totals,
    /// Its messages alone, which a run measures at its nodes.
    pub own: Totals,
    /// Rules that led here.
    pub chain: Vec<String>,
    /// A run's, for one inference: messages and seconds at the client, without the OT extension.
    pub measured: Option<Totals>,
}

/// Everything that a report shows.
#[derive(Clone, Debug)]
pub struct Report {
    pub model: String,
    pub digest: String,
    pub profile: String,
    /// What it is, before what it costs.
    pub sections: Vec<Section>,
    /// Without rewriting, and as chosen: one inference, counted alike.
    pub before: Option<Totals>,
    pub after: Totals,
    /// The OT extension within `after`; its seconds are those of its correlations.
    pub extension: Totals,
    /// Once a session.
    pub setup: Totals,
    /// The session that was measured: setup, its inferences, its end.
    pub session: Option<Totals>,
    pub memory: [u64; 2],
    pub layers: Vec<Layer>,
    /// The layers and where their results meet, in the order of the data.
    pub flow: Vec<Stop>,
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
        known: &Known,
        accuracy: Option<&Accuracy>,
        measured: Option<Measured>,
    ) -> Result<Report, TypeError> {
        let cost = program_cost(program)?;
        // What another deployment chose, and why, is no comparison for this one.
        let explanation = explanation.filter(|e| e.profile == prediction.profile);
        let of =
            |t: Traffic, seconds: f64| Totals { bytes: t.total(), rounds: t.rounds, seconds, ..Totals::default() };
        let shares = prediction.nodes.iter().sum::<f64>() - prediction.own.iter().sum::<f64>();
        let session = |run: &Measured| {
            let inferences = run.inferences as f64;
            of(cost.session(run.inferences), prediction.setup_seconds + inferences * prediction.seconds)
        };
        let layers = layers(&program.graph, &cost, prediction, explanation, measured.as_ref());
        Ok(Report {
            model: program.model.clone(),
            digest: program.digest().iter().map(|b| format!("{b:02x}")).collect(),
            profile: prediction.profile.clone(),
            sections: sections(program, known, accuracy),
            before: explanation.and_then(|e| e.inference).map(|i| i.before),
            after: Totals::whole(&cost, prediction),
            extension: of(cost.extension, shares.max(0.0)),
            setup: of(cost.setup, prediction.setup_seconds),
            session: measured.as_ref().map(session),
            memory: [prediction.memory.client, prediction.memory.server],
            flow: flow::flow(&program.graph, &cost, &layers),
            layers,
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

    /// What an inference takes beside its layers: the client's request, flights and headers of the OT extension.
    #[must_use]
    pub fn rest(&self) -> Totals {
        let sum = self.layers.iter().fold(Totals::default(), |sum, l| sum + l.after);
        Totals {
            bytes: self.after.bytes.saturating_sub(sum.bytes),
            rounds: self.after.rounds.saturating_sub(sum.rounds),
            seconds: (self.after.seconds - sum.seconds).max(0.0),
            ..Totals::default()
        }
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
    let names: Vec<&str> = graph.nodes.iter().map(flow::name).collect();
    let sends = |i: usize| cost.nodes[i].rounds > 0;
    let regions = explanation.iter().flat_map(|e| e.regions.iter().map(|r| r.node.as_str()));
    let order = (0..names.len()).filter(|&i| sends(i)).map(|i| names[i]);
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut layers: Vec<Layer> = Vec::new();
    let sending: Vec<&str> = order.collect();
    for (at, name) in sending.iter().copied().chain(regions).enumerate() {
        let region = explanation.and_then(|e| e.node(name));
        let before = region.map(|r| r.before);
        if places.contains_key(name) || !(at < sending.len() || before.is_some_and(|b| b.bytes > 0)) {
            continue;
        }
        places.insert(name, layers.len());
        layers.push(Layer {
            name: name.to_owned(),
            kind: String::new(),
            shape: String::new(),
            ring_bits: None,
            protocols: Vec::new(),
            before,
            after: Totals::default(),
            own: Totals::default(),
            chain: region.map(|r| r.chain.clone()).unwrap_or_default(),
            measured: measured.and_then(|m| m.node(name)),
        });
    }
    let mut most = vec![0u64; layers.len()];
    for (id, node) in graph.iter() {
        let i = id.index();
        let Some(&place) = places.get(names[i]) else { continue };
        let layer = &mut layers[place];
        let bytes = prediction.bytes.get(i).copied().unwrap_or(0);
        let seconds = |of: &[f64]| of.get(i).copied().unwrap_or(0.0);
        let own = Totals { bytes: cost.nodes[i].total(), rounds: cost.nodes[i].rounds, ..Totals::default() };
        layer.after = layer.after + Totals { bytes, seconds: seconds(&prediction.nodes), ..own };
        layer.own = layer.own + Totals { seconds: seconds(&prediction.own), ..own };
        if !sends(i) {
            continue;
        }
        layer.shape = costs::shape(&node.ty);
        layer.ring_bits = match node.ty.elem {
            Elem::Fixed(f) => Some(f.ring_bits),
            Elem::Real => None,
        };
        let op = node.op.name();
        if layer.kind.is_empty() || bytes > most[place] {
            most[place] = bytes;
            layer.kind = op.split('.').next().unwrap_or(op).to_owned();
        }
        if !layer.protocols.iter().any(|p| p == op) {
            layer.protocols.push(op.to_owned());
        }
    }
    layers
}

/// `1234567` as `1.23 MB`.
fn bytes(n: u64) -> String {
    costs::bytes(n)
}

fn seconds(s: f64) -> String {
    match s {
        0.0 => "0".to_owned(),
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

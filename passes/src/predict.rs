//! What a program takes under a deployment profile: seconds, by exact traffic and counted work, and memory.

use crate::egraph::work;
use crate::error::{CompileError, Result};
use picc_ir::correlation::Source;
use picc_ir::cost::profile::{Picos, Profile, Work, seconds};
use picc_ir::cost::{Cost, CotDemand, Traffic};
use picc_ir::mpc::memory::{PeakMemory, peak_memory};
use picc_ir::mpc::schedule::{Schedule, schedule, scheduled_cost};
use picc_ir::program::Program;
use picc_ir::{Graph, Ty, TypeError};
use serde::{Deserialize, Serialize};

/// Predictions for one program under one profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Name of the profile.
    pub profile: String,
    /// One inference: all of its messages, flights and work.
    pub seconds: f64,
    /// Messages and flights of the setup, without its base OTs' computation (some ten milliseconds).
    pub setup_seconds: f64,
    /// One for each node of the program, with its share of the OT extension.
    pub nodes: Vec<f64>,
    /// The same without the OT extension: what a run measures at the node.
    #[serde(default)]
    pub own: Vec<f64>,
    /// One for each node of the program: its messages and its share of the OT extension.
    pub bytes: Vec<u64>,
    pub memory: PeakMemory,
}

impl Prediction {
    /// What the deployment does not have room for, in words.
    #[must_use]
    pub fn warnings(&self, profile: &Profile) -> Vec<String> {
        let parties = [
            ("client", self.memory.client, profile.client_memory_bytes),
            ("server", self.memory.server, profile.server_memory_bytes),
        ];
        let over = parties.into_iter().filter(|(_, needs, has)| needs > has);
        over.map(|(party, needs, has)| {
            format!(
                "the {party} needs about {:.1} GB of memory; profile `{}` gives it {:.1} GB",
                needs as f64 / 1e9,
                profile.name,
                has as f64 / 1e9
            )
        })
        .collect()
    }
}

/// Predicts what `program` takes.
///
/// # Errors
/// If the program has no price, which a verified program has.
pub fn predict(program: &Program, profile: &Profile) -> Result<Prediction> {
    let fail = |e: TypeError| CompileError::Internal(format!("the program has no price: {e}"));
    let profile = profile.with_source(program.source);
    let schedule = schedule(&program.graph).map_err(fail)?;
    let cost = scheduled_cost(program, &schedule).map_err(fail)?;
    let spent = Spent::of(&program.graph, &schedule);
    let bytes = spent.nodes.iter().map(|(cost, _)| profile.bytes(cost)).collect();
    let nodes = spent.nodes.iter().map(|(cost, work)| seconds(profile.price(cost, work))).collect();
    let own = spent.nodes.iter().map(|(cost, work)| {
        let messages = Cost { cots: CotDemand::default(), ..*cost };
        seconds(profile.price(&messages, work))
    });
    let own = own.collect();
    let (cots, work) = spent.total();
    Ok(Prediction {
        profile: profile.name.clone(),
        seconds: seconds(profile.price_exact(cost.inference(), cots, &work)),
        setup_seconds: seconds(profile.price_exact(cost.setup, CotDemand::default(), &Work::default())),
        nodes,
        own,
        bytes,
        memory: peak_memory(&program.graph, &schedule),
    })
}

/// The source of correlated OTs with which a session of one inference is cheapest, and its price.
pub(crate) fn cheapest_source(program: &Program, profile: &Profile) -> Result<(Source, Picos)> {
    let fail = |e: TypeError| CompileError::Internal(format!("the program has no price: {e}"));
    let schedule = schedule(&program.graph).map_err(fail)?;
    let (cots, work) = Spent::of(&program.graph, &schedule).total();
    let mut best: Option<(Source, Picos)> = None;
    let sources = match profile.source {
        Some(source) => vec![source],
        None => Source::all().collect(),
    };
    for source in sources {
        let session: Traffic =
            scheduled_cost(&Program { source, ..program.clone() }, &schedule).map_err(fail)?.session(1);
        let price = profile.with_source(source).price_exact(session, cots, &work);
        if best.is_none_or(|(_, least)| price < least) {
            best = Some((source, price));
        }
    }
    best.ok_or_else(|| CompileError::Internal("no source of correlated OTs".to_owned()))
}

/// Cost and work of each node.
struct Spent {
    nodes: Vec<(Cost, Work)>,
}

impl Spent {
    fn of(graph: &Graph, schedule: &Schedule) -> Spent {
        let mut nodes = vec![(Cost::default(), Work::default()); graph.nodes.len()];
        for step in &schedule.steps {
            let cost = &mut nodes[step.node.index()].0;
            *cost = *cost + step.cost;
        }
        for ((cost, counted), (id, node)) in nodes.iter_mut().zip(graph.iter()) {
            let args: Vec<&Ty> = node.args.iter().map(|&a| graph.ty(a)).collect();
            *counted = work(&node.op, &args, &node.ty, cost, schedule.plans.get(&id).map(AsRef::as_ref));
        }
        Spent { nodes }
    }

    fn total(&self) -> (CotDemand, Work) {
        self.nodes.iter().fold(Default::default(), |(cots, work), (c, w)| (cots + c.cots, work + *w))
    }
}

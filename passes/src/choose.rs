//! What a deployment decides: rewrites and protocols of a ring graph, and the source of correlated OTs.

use crate::compile::Options;
use crate::egraph::{Explanation, Family, Inference, Optimized, RuleOptions, Totals, optimize, protocols};
use crate::error::{CompileError, Result};
use crate::predict::{cheapest_source, predict};
use crate::reveal::{rounded, rounding};
use crate::tail::attach_tail;
use picc_ir::correlation::Source;
use picc_ir::cost::profile::{Picos, Profile};
use picc_ir::mpc::schedule::program_cost;
use picc_ir::program::Program;
use picc_ir::weights::RingWeights;
use picc_ir::{Graph, Owner, TypeError};

/// As a family of rewrites: none of them. What is left is the choice of the cheapest protocol for each node.
pub const NO_PASSES: &str = "none";

/// A program as far as the choice of rewrites and protocols decides it.
pub(crate) struct Chosen {
    pub program: Program,
    pub weights: RingWeights,
    pub explanation: Option<Explanation>,
    /// The deployment, with its source of correlated OTs decided.
    pub profile: Option<Profile>,
}

/// Chooses protocols for a ring graph, and rewrites if they are allowed; decides the source of correlated OTs.
pub(crate) fn choose(
    draft: Program,
    ring_graph: &Graph,
    weights: RingWeights,
    tail: &Graph,
    options: &Options,
) -> Result<Chosen> {
    check_outputs(ring_graph)?;
    let shifts = rounding(ring_graph, options.reveal)?;
    // What follows the secure part, whichever way it is computed.
    let attach = |graph: &Graph| attach_tail(&rounded(graph, &shifts)?, tail);
    let rules = rule_options(options)?;
    let Some(profile) = &options.profile else {
        let profile = Profile::lan().with_source(options.source);
        let (graph, weights) = protocols(ring_graph, &weights, &profile, &rules)?;
        let program = Program { graph: attach(&graph)?, ..draft };
        return Ok(Chosen { program, weights, explanation: None, profile: None });
    };
    let chosen = |source: Source| -> Result<(Candidate, Picos)> {
        let profile = profile.with_source(source);
        let (graph, weights, optimized) = if rewrites_nothing(options) {
            let (graph, weights) = protocols(ring_graph, &weights, &profile, &rules)?;
            (graph, weights, None)
        } else {
            let Optimized { graph, weights, explanation, plain, alone } =
                optimize(ring_graph, &weights, &profile, &rules)?;
            (graph, weights, Some(Rewritten { explanation, plain, alone }))
        };
        let program = Program { graph: attach(&graph)?, source, ..draft.clone() };
        let (_, price) = cheapest_source(&program, &profile)?;
        Ok((Candidate { program, weights, optimized, profile }, price))
    };
    // Which source is best depends on the program, but hardly: start from the best for a single OT.
    let first = profile.priced_source();
    let (best, price) = chosen(first)?;
    let (source, _) = cheapest_source(&best.program, profile)?;
    if source != first {
        let (again, other) = chosen(source)?;
        if other < price {
            return again.explained(attach);
        }
    }
    best.explained(attach)
}

/// Nobody but the server would learn an output that depends on its weights alone.
fn check_outputs(graph: &Graph) -> Result<()> {
    let of_weights = graph.outputs.iter().find(|(_, id)| graph.ty(*id).owner == Owner::Server);
    of_weights.map_or(Ok(()), |(_, id)| {
        Err(CompileError::Unsupported {
            node: graph.node(*id).name.clone(),
            op: "reveal",
            why: "an output depends on the server's weights alone".to_owned(),
            way_out: "remove it from the model's outputs".to_owned(),
        })
    })
}

/// The best program from one source of correlated OTs.
struct Candidate {
    program: Program,
    weights: RingWeights,
    /// Absent where nothing may be rewritten.
    optimized: Option<Rewritten>,
    profile: Profile,
}

/// How it was found, and the programs that it is compared with.
struct Rewritten {
    explanation: Explanation,
    plain: Graph,
    alone: Vec<Graph>,
}

impl Candidate {
    /// Prices the programs that it is compared with as it is priced itself.
    fn explained(self, attach: impl Fn(&Graph) -> Result<Graph>) -> Result<Chosen> {
        let Candidate { program, weights, optimized, profile } = self;
        let Some(Rewritten { mut explanation, plain, alone }) = optimized else {
            return Ok(Chosen { program, weights, explanation: None, profile: Some(profile) });
        };
        let whole = |graph: &Graph| inference(&Program { graph: attach(graph)?, ..program.clone() }, &profile);
        explanation.inference = Some(Inference { before: whole(&plain)?, after: inference(&program, &profile)? });
        for (alone, graph) in explanation.alone.iter_mut().zip(&alone) {
            alone.inference = Some(whole(graph)?);
        }
        Ok(Chosen { program, weights, explanation: Some(explanation), profile: Some(profile) })
    }
}

/// What one inference takes in all.
fn inference(program: &Program, profile: &Profile) -> Result<Totals> {
    let fail = |e: TypeError| CompileError::Internal(format!("the program has no price: {e}"));
    let cost = program_cost(program).map_err(fail)?;
    Ok(Totals::whole(&cost, &predict(program, profile)?))
}

/// Whether protocols are all that is chosen.
fn rewrites_nothing(options: &Options) -> bool {
    matches!(options.families.as_deref(), Some([only]) if only == NO_PASSES)
}

/// Which rules the options allow.
fn rule_options(options: &Options) -> Result<RuleOptions> {
    let Options { exact, extract, linear, .. } = *options;
    let rules = RuleOptions { exact, extract, linear, ..RuleOptions::default() };
    match &options.families {
        Some(names) if !rewrites_nothing(options) => {
            rules.only_named(names).map_err(|name| CompileError::Options {
                option: "passes",
                why: format!("no family and no rule `{name}`; families: {}", family_names().join(", ")),
            })
        }
        _ => Ok(rules),
    }
}

/// Names of the families of rewrites that may be chosen.
#[must_use]
pub fn family_names() -> Vec<&'static str> {
    Family::ALL.into_iter().filter(|f| *f != Family::Protocol).map(Family::name).collect()
}

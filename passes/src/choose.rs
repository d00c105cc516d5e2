//! What a deployment decides: rewrites and protocols of a ring graph, and the source of correlated OTs.

use crate::compile::{Linear, Options};
use crate::egraph::{Explanation, Family, Inference, Optimized, RuleOptions, Totals, optimize};
use crate::error::{CompileError, Result};
use crate::lower::{Protocols, attach_tail, lower};
use crate::predict::{cheapest_source, predict};
use crate::reveal::{rounded, rounding};
use picc_ir::correlation::Source;
use picc_ir::cost::profile::{Picos, Profile};
use picc_ir::mpc::schedule::program_cost;
use picc_ir::program::Program;
use picc_ir::weights::RingWeights;
use picc_ir::{Graph, TypeError};

/// As a family of rewrites: the plain lowering, one protocol for each kind of node, as without a profile.
pub const NO_PASSES: &str = "none";

/// A program as far as the choice of rewrites and protocols decides it.
pub(crate) struct Chosen {
    pub program: Program,
    pub weights: RingWeights,
    pub explanation: Option<Explanation>,
    /// The deployment, with its source of correlated OTs decided.
    pub profile: Option<Profile>,
}

/// Lowers a ring graph, or optimizes it for a deployment; decides the source of correlated OTs.
pub(crate) fn choose(
    draft: Program,
    ring_graph: &Graph,
    weights: RingWeights,
    tail: &Graph,
    options: &Options,
) -> Result<Chosen> {
    let shifts = rounding(ring_graph, options.reveal)?;
    // What follows the secure part, whichever way it is computed.
    let attach = |graph: &Graph| attach_tail(&rounded(graph, &shifts, options.radix)?, tail);
    let lower = |protocols: Protocols| attach(&lower(ring_graph, protocols)?);
    let rewrites = rule_options(options)?;
    let Some(profile) = &options.profile else {
        let graph = lower(protocols(options, options.source))?;
        return Ok(Chosen { program: Program { graph, ..draft }, weights, explanation: None, profile: None });
    };
    // Which source is best depends on the program, but hardly: start from the best for a single OT.
    let first = profile.priced_source();
    let Some(rewrites) = rewrites else {
        let graph = lower(protocols(options, first))?;
        let program = Program { graph, ..draft };
        let (source, _) = cheapest_source(&program, profile)?;
        let program = Program { source, ..program };
        return Ok(Chosen { program, weights, explanation: None, profile: Some(profile.with_source(source)) });
    };
    let optimized = |source: Source| -> Result<(Candidate, Picos)> {
        let profile = profile.with_source(source);
        let o = optimize(ring_graph, &weights, &profile, &rewrites)?;
        let program = Program { graph: attach(&o.graph)?, source, ..draft.clone() };
        let (_, price) = cheapest_source(&program, &profile)?;
        Ok((Candidate { program, optimized: o, profile }, price))
    };
    let (best, price) = optimized(first)?;
    let (source, _) = cheapest_source(&best.program, profile)?;
    if source != first {
        let (again, other) = optimized(source)?;
        if other < price {
            return again.chosen(attach);
        }
    }
    best.chosen(attach)
}

/// The best program from one source of correlated OTs.
struct Candidate {
    program: Program,
    optimized: Optimized,
    profile: Profile,
}

impl Candidate {
    /// Prices the programs that it is compared with as it is priced itself.
    fn chosen(self, attach: impl Fn(&Graph) -> Result<Graph>) -> Result<Chosen> {
        let Candidate { program, optimized, profile } = self;
        let Optimized { weights, mut explanation, plain, alone, .. } = optimized;
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

fn protocols(options: &Options, source: Source) -> Protocols {
    let Options { linear, exact, radix, .. } = *options;
    Protocols { linear, exact, radix, source }
}

/// Which rewrites the options allow; `None`: the plain lowering.
fn rule_options(options: &Options) -> Result<Option<RuleOptions>> {
    let mut rules = RuleOptions { exact: options.exact, extract: options.extract, ..RuleOptions::default() };
    if let Some(names) = &options.families {
        if let [only] = &names[..]
            && only == NO_PASSES
        {
            return Ok(None);
        }
        rules = rules.only_named(names).map_err(|name| CompileError::Options {
            option: "passes",
            why: format!("no family and no rule `{name}`; families: {}", family_names().join(", ")),
        })?;
    }
    let off: &[&str] = match options.linear {
        Linear::Auto => &[],
        Linear::Rlwe => &["conv_ot_client", "conv_ot_server", "matmul_ot_client", "matmul_ot_server"],
        Linear::Ot => &["conv_rlwe", "matmul_rlwe"],
        Linear::Preprocessed => {
            rules.priced_only = true;
            let rlwe = ["conv_rlwe", "matmul_rlwe"];
            rules.disabled.extend(rlwe.map(str::to_owned));
            &["conv_ot_client", "conv_ot_server", "matmul_ot_client", "matmul_ot_server"]
        }
    };
    rules.disabled.extend(off.iter().map(|&r| r.to_owned()));
    Ok(Some(rules))
}

/// Names of the families of rewrites that may be chosen.
#[must_use]
pub fn family_names() -> Vec<&'static str> {
    Family::ALL.into_iter().filter(|f| *f != Family::Protocol).map(Family::name).collect()
}

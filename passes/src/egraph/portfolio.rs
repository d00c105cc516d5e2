//! The search, and what it starts from: everything on never costs more than less.
//!
//! ```text
//!   no rewriting  ->  its program  ─┐
//!   family alone  ->  its program  ─┼─> found again, node by node, in the e-graph of all families  ->  improved  ->  best
//!   ...                             ─┘
//! ```
//! Local search in a larger e-graph can end above what a smaller one found. So each allowed family is optimized alone
//! first, and its program is a start of the search in the e-graph of all. That e-graph holds it unless growing hit a
//! limit; then the cheaper of the two programs is taken, and the explanation says so.

use super::Solved;
use super::explain::Totals;
use super::extract::exact::STEPS_PER_SECOND;
use super::extract::{Choice, Effort};
use super::language::Enode;
use super::price::Prices;
use super::rules::Family;
use super::saturate::RuleOptions;
use crate::error::Result;
use picc_ir::Graph;
use picc_ir::cost::profile::Picos;
use picc_ir::op::Op;
use picc_ir::weights::RingWeights;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::Arc;

/// How the cheapest program is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extract {
    /// Local search alone.
    Greedy,
    /// Then the exact search, for about a second.
    #[default]
    Auto,
    /// Then the exact search, until it is proven or about so many seconds have passed. They are counted in steps: the
    /// result is the same on every machine.
    Exact { seconds: u32 },
}

impl Extract {
    fn steps(self) -> u64 {
        match self {
            Extract::Greedy => 0,
            Extract::Auto => STEPS_PER_SECOND,
            Extract::Exact { seconds } => u64::from(seconds) * STEPS_PER_SECOND,
        }
    }
}

/// How good a choice is known to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Extraction {
    /// No program in the e-graph is cheaper than so many seconds.
    pub bound: f64,
    /// What local search found, in seconds.
    pub greedy: f64,
    /// The chosen program is the cheapest one.
    pub optimal: bool,
    /// The family alone whose program is chosen because growing the e-graph of all hit a limit.
    pub instead: Option<Family>,
}

/// What one family makes of a model without the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    pub family: Family,
    /// The sum over its program's nodes, which the search compares.
    pub after: Totals,
    /// One whole inference.
    #[serde(default)]
    pub inference: Option<Totals>,
}

/// A program of e-nodes that can be found again in another e-graph; arguments are earlier nodes.
pub(super) struct Portable {
    nodes: Vec<(Arc<Op>, Vec<usize>)>,
    total: Picos,
}

/// The best program under `options`. `plain` is that without rewriting.
pub(super) fn best(
    graph: &Graph,
    weights: &RingWeights,
    prices: &mut Prices,
    options: &RuleOptions,
    plain: &Solved,
) -> Result<Solved> {
    let allowed: Vec<Family> = Family::ALL.into_iter().filter(|&f| options.rewrites_by(f)).collect();
    let mut starts = vec![(None, plain.portable())];
    let (mut totals, mut graphs) = (Vec::new(), Vec::new());
    if allowed.len() > 1 {
        let short = match options.extract {
            Extract::Greedy => Extract::Greedy,
            Extract::Auto | Extract::Exact { .. } => Extract::Auto,
        };
        for &family in &allowed {
            let alone = RuleOptions { extract: short, ..options.only(&[family]) };
            let alone = Solved::searched(graph, prices, &alone, &starts[..1])?;
            let after = alone.total(&alone.choice).totals(prices.profile);
            totals.push(Alone { family, after, inference: None });
            graphs.push(alone.emitted(graph, weights, false)?.graph);
            starts.push((Some(family), alone.portable()));
        }
    }
    let mut all = Solved::searched(graph, prices, options, &starts)?;
    let found = all.problem.total(&all.choice).unwrap_or(Picos::MAX);
    let cheaper = starts.iter().filter(|s| s.1.total < found).min_by_key(|s| s.1.total);
    if let Some(&(family, _)) = cheaper {
        let families: Vec<Family> = family.into_iter().collect();
        all = Solved::searched(graph, prices, &options.only(&families), &starts[..1])?;
        all.instead = family;
    }
    if all.without.is_empty() {
        all.reconsider();
    }
    (all.alone, all.alone_graphs) = (totals, graphs);
    Ok(all)
}

impl Solved {
    /// A grown e-graph and the best program that the search finds from its own and from other starts.
    pub(super) fn searched(
        graph: &Graph,
        prices: &mut Prices,
        options: &RuleOptions,
        starts: &[(Option<Family>, Portable)],
    ) -> Result<Solved> {
        let mut solved = Solved::new(graph, prices, options)?;
        // Where the optimum is proven anyway, a quick search suffices to start from.
        let effort = if options.extract == Extract::Greedy { Effort::Full } else { Effort::Quick };
        let mut best = solved.problem.solve(effort);
        let greedy = best.as_ref().map_or(0, |b| b.1);
        for (_, start) in starts {
            let Some(mut found) = solved.adopt(start) else { continue };
            solved.problem.improve(&mut found);
            if best.as_ref().is_none_or(|b| found.1 < b.1) {
                best = Some(found);
            }
        }
        let best = best.ok_or_else(|| solved.unlowered(graph))?;
        let mut proof = solved.problem.exact(best, options.extract.steps());
        if proof.bound < proof.total && effort == Effort::Quick {
            let found = solved.problem.solve(Effort::Full);
            if let Some((choice, total)) = found.filter(|f| f.1 < proof.total) {
                (proof.choice, proof.total) = (choice, total);
            }
        }
        solved.choice = proof.choice;
        solved.bound = proof.bound;
        solved.greedy = greedy;
        if proof.bound < proof.total {
            solved.reconsider();
        }
        Ok(solved)
    }

    /// The chosen program without its e-graph.
    pub(super) fn portable(&self) -> Portable {
        let chosen = self.nodes(&self.choice);
        let mut place: HashMap<egg::Id, usize> = HashMap::new();
        let mut nodes = Vec::new();
        for (class, node, _) in self.program(&self.choice) {
            self.collect(class, node, &chosen, &mut place, &mut nodes);
        }
        Portable { nodes, total: self.problem.total(&self.choice).unwrap_or(Picos::MAX) }
    }

    /// Adds a node after its arguments. Those that are computed come earlier in the program; known ones are shallow.
    fn collect(
        &self,
        class: egg::Id,
        node: &Enode,
        chosen: &HashMap<egg::Id, Enode>,
        place: &mut HashMap<egg::Id, usize>,
        nodes: &mut Vec<(Arc<Op>, Vec<usize>)>,
    ) {
        let args: Vec<egg::Id> = node.args.iter().map(|&a| self.grown.eg.find(a)).collect();
        for arg in &args {
            if let (false, Some(known)) = (place.contains_key(arg), chosen.get(arg)) {
                self.collect(*arg, known, chosen, place, nodes);
            }
        }
        let args = args.iter().filter_map(|a| place.get(a).copied()).collect();
        place.insert(class, nodes.len());
        nodes.push((Arc::clone(&node.op), args));
    }

    /// A program of another e-graph as a choice in this one, which must hold all of its nodes.
    fn adopt(&self, start: &Portable) -> Option<(Choice, Picos)> {
        let eg = &self.grown.eg;
        let mut choice: Choice = vec![None; self.problem.classes.len()];
        let mut class: Vec<egg::Id> = Vec::with_capacity(start.nodes.len());
        for (op, args) in &start.nodes {
            let args: SmallVec<[egg::Id; 4]> = args.iter().map(|&a| eg.find(class[a])).collect();
            let found = eg.find(eg.lookup(Enode { op: Arc::clone(op), args: args.clone() })?);
            class.push(found);
            let Some(&at) = self.index.get(&found) else { continue };
            let mut needs: Vec<usize> = args.iter().filter_map(|a| self.index.get(a).copied()).collect();
            needs.sort_unstable();
            needs.dedup();
            // Of nodes that need the same, the cheapest.
            let candidates = self.problem.classes[at].iter().enumerate().filter(|(_, k)| k.needs == needs);
            let pick = candidates.min_by_key(|(_, k)| k.price).map(|(i, _)| i)?;
            if choice[at].is_none() {
                choice[at] = Some(pick);
            }
        }
        let total = self.problem.total(&choice)?;
        Some((choice, total))
    }
}

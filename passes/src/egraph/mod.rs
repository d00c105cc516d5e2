//! The optimizer: one e-graph that holds the model, every rewrite and every protocol choice, and the cheapest program
//! in it under a deployment profile.
//!
//! ```text
//! ring graph -> import -> rules to a fixpoint -> protocols -> price -> extract -> emit -> mpc graph + weights
//!               saturate.rs   rules/             rules/       price.rs extract.rs emit.rs
//! ```
//! What may be believed of a class is in `analysis.rs`: rules fire on proven facts only. The result is deterministic:
//! limits are numbers of nodes and iterations, prices are integers, and every order is fixed.

mod account;
mod analysis;
mod emit;
mod explain;
mod extract;
mod language;
mod portfolio;
mod price;
mod rules;
mod saturate;
#[cfg(test)]
mod tests;

pub use explain::{Explanation, Inference, Region, RuleReport, Saved, Totals, saved_columns};
pub use portfolio::{Alone, Extract, Extraction};
pub(crate) use price::work;
pub use rules::{ErrorClass, Family};
pub use saturate::{Limits, RuleOptions, Stop};

use crate::error::{CompileError, Result};
use account::rewrites;
use analysis::is_known;
use emit::{Emitted, Emitter};
use extract::{Candidate, Choice, Effort, Problem};
use language::Enode;
use picc_ir::cost::profile::{Picos, Profile};
use picc_ir::op::Op;
use picc_ir::verify::{Stage, verify};
use picc_ir::weights::RingWeights;
use picc_ir::{Graph, Ty};
use price::Priced;
pub(crate) use price::Prices;
use rules::{View, refusal};
use saturate::Grown;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An optimized program.
#[derive(Clone, Debug)]
pub struct Optimized {
    /// In the mpc dialect. Outputs are what the client learns, under the names of the ring graph's outputs.
    pub graph: Graph,
    pub weights: RingWeights,
    pub explanation: Explanation,
    /// The program without rewriting, to be priced: what it makes of weights has no values.
    pub plain: Graph,
    /// The program of each family alone, likewise, in the order of [`Explanation::alone`].
    pub alone: Vec<Graph>,
}

/// Finds the cheapest program for a ring graph.
///
/// # Errors
/// If a node has no protocol, or weights are missing. A graph that the verifier refuses is reported as internal.
pub fn optimize(
    graph: &Graph,
    weights: &RingWeights,
    profile: &Profile,
    options: &RuleOptions,
) -> Result<Optimized> {
    let mut prices = Prices::new(profile);
    let plain = Solved::searched(graph, &mut prices, &options.protocols_only(), &[])?;
    let before = plain.by_node(graph);
    let solved = portfolio::best(graph, weights, &mut prices, options, &plain)?;

    let emitted = solved.program_of(graph, weights)?;
    let explanation = solved.explain(graph, profile, options, &plain, before);
    let (plain, alone) = (plain.emitted(graph, weights, false)?.graph, solved.alone_graphs);
    Ok(Optimized { graph: emitted.graph, weights: emitted.weights, explanation, plain, alone })
}

/// The program without rewriting: the cheapest protocols for a ring graph as it is.
///
/// # Errors
/// As [`optimize`].
pub(crate) fn protocols(
    graph: &Graph,
    weights: &RingWeights,
    profile: &Profile,
    options: &RuleOptions,
) -> Result<(Graph, RingWeights)> {
    let solved = Solved::searched(graph, &mut Prices::new(profile), &options.protocols_only(), &[])?;
    let Emitted { graph, weights } = solved.program_of(graph, weights)?;
    Ok((graph, weights))
}

/// Most rounds in which chosen rewrites are left out again.
const MAX_RECONSIDERED: usize = 3;

/// A grown e-graph with its cheapest program.
struct Solved {
    grown: Grown,
    /// Class of each class of the problem.
    classes: Vec<egg::Id>,
    index: HashMap<egg::Id, usize>,
    problem: Problem,
    /// Nodes and prices that candidates name.
    nodes: Vec<(Enode, Priced)>,
    choice: Choice,
    /// The best program found without each rewrite that was chosen.
    without: BTreeMap<usize, Choice>,
    /// Nodes for values that the compiler computes.
    known: HashMap<egg::Id, Enode>,
    /// No program is cheaper.
    bound: Picos,
    /// Price of what local search found.
    greedy: Picos,
    /// The family alone whose program this is, because growing the e-graph of all hit a limit.
    instead: Option<Family>,
    /// What each family does alone, where several are allowed, and its program without values.
    alone: Vec<Alone>,
    alone_graphs: Vec<Graph>,
}

impl Solved {
    /// A grown e-graph with a price for every node; nothing is chosen yet.
    fn new(graph: &Graph, prices: &mut Prices, options: &RuleOptions) -> Result<Solved> {
        let mut grown = Grown::import(graph, options)?;
        grown.grow(options.limits);
        let known = known_nodes(&grown);
        let sorted = grown.sorted_classes();
        let ty = |c: egg::Id| grown.eg[c].data.ty.as_ref();
        let classes: Vec<egg::Id> =
            sorted.keys().copied().filter(|&c| ty(c).is_some_and(|t| !is_known(t))).collect();
        let index: HashMap<egg::Id, usize> = classes.iter().enumerate().map(|(i, &c)| (c, i)).collect();
        let origins = grown.origins();
        let mut nodes = Vec::new();
        let mut problem = Problem { classes: vec![Vec::new(); classes.len()], roots: Vec::new() };
        for (i, class) in classes.iter().enumerate() {
            for node in sorted[class] {
                let args: Option<SmallVec<[&Ty; 4]>> = node.args.iter().map(|&a| ty(a)).collect();
                let (Some(args), Some(result)) = (args, ty(*class)) else { continue };
                let Some(priced) = prices.of(&node.op, &args, result) else { continue };
                let needs: BTreeSet<usize> = node.args.iter().filter_map(|a| index.get(a).copied()).collect();
                let candidate = Candidate {
                    node: nodes.len(),
                    price: priced.picos,
                    needs: needs.into_iter().collect(),
                    made_by: rewrites(&grown, &origins, node).into(),
                };
                nodes.push((node.clone(), priced));
                problem.classes[i].push(candidate);
            }
        }
        problem.prune();
        let roots: BTreeSet<usize> = graph
            .outputs
            .iter()
            .filter_map(|(_, id)| index.get(&grown.eg.find(grown.class[id.index()])).copied())
            .collect();
        problem.roots = roots.into_iter().collect();
        Ok(Solved {
            grown,
            classes,
            index,
            problem,
            nodes,
            choice: Vec::new(),
            without: BTreeMap::new(),
            known,
            bound: 0,
            greedy: 0,
            instead: None,
            alone: Vec::new(),
            alone_graphs: Vec::new(),
        })
    }

    /// Solves again without each rewrite that was chosen: the search is not exact, and fewer ways may lead further.
    fn reconsider(&mut self) {
        for _ in 0..MAX_RECONSIDERED {
            let Some(best) = self.problem.total(&self.choice) else { return };
            let mut used = BTreeSet::new();
            for i in self.problem.reach(&self.choice).unwrap_or_default() {
                if let Some(pick) = self.choice[i] {
                    used.extend(self.problem.classes[i][pick].made_by.iter().copied());
                }
            }
            self.without.clear();
            for r in used {
                let found =
                    self.problem.without(|_, k| k.made_by.contains(&r)).solve_in(&self.problem, Effort::Quick);
                self.without.extend(found.map(|(choice, _)| (r, choice)));
            }
            let cheapest =
                self.without.values().filter_map(|c| Some((self.problem.total(c)?, c))).min_by_key(|c| c.0);
            match cheapest.filter(|(total, _)| *total < best) {
                Some((total, choice)) => {
                    let mut found = (choice.clone(), total);
                    self.problem.improve(&mut found);
                    self.choice = found.0;
                }
                None => return,
            }
        }
    }

    /// The first node of the model that no protocol computes.
    fn unlowered(&self, graph: &Graph) -> CompileError {
        let mut computable = vec![false; self.classes.len()];
        loop {
            let before = computable.iter().filter(|c| **c).count();
            for (i, class) in self.problem.classes.iter().enumerate() {
                computable[i] = computable[i] || class.iter().any(|k| k.needs.iter().all(|&n| computable[n]));
            }
            if computable.iter().filter(|c| **c).count() == before {
                break;
            }
        }
        let first = graph.iter().find(|(id, _)| {
            let class = self.grown.eg.find(self.grown.class[id.index()]);
            self.index.get(&class).is_some_and(|&i| !computable[i])
        });
        match first {
            Some((_, node)) => {
                let args: Vec<egg::Id> = node.args.iter().map(|a| self.grown.class[a.index()]).collect();
                let (why, way_out) = refusal(View { eg: &self.grown.eg }, &node.op, &args).unwrap_or_else(|| {
                    let why = format!("no allowed protocol computes {}", node.ty);
                    (why, "allow more protocols, or calibrate for tighter ranges")
                });
                let (node, op) = (node.name.clone(), node.op.name());
                CompileError::Unsupported { node, op, why, way_out: way_out.to_owned() }
            }
            None => CompileError::Internal("no program in the e-graph".to_owned()),
        }
    }

    /// The node for each class under a choice.
    fn nodes(&self, choice: &Choice) -> HashMap<egg::Id, Enode> {
        let chosen = choice.iter().enumerate().filter_map(|(i, pick)| {
            let candidate = &self.problem.classes[i][(*pick)?];
            Some((self.classes[i], self.nodes[candidate.node].0.clone()))
        });
        chosen.chain(self.known.iter().map(|(c, n)| (*c, n.clone()))).collect()
    }

    /// Classes of the program with their nodes, needs first.
    fn program(&self, choice: &Choice) -> Vec<(egg::Id, &Enode, Priced)> {
        let order = self.problem.reach(choice).unwrap_or_default();
        order
            .into_iter()
            .filter_map(|i| {
                let candidate = &self.problem.classes[i][choice[i]?];
                let (node, priced) = &self.nodes[candidate.node];
                Some((self.classes[i], node, *priced))
            })
            .collect()
    }

    /// The chosen program with all its weights, as the verifier accepts it.
    fn program_of(&self, graph: &Graph, weights: &RingWeights) -> Result<Emitted> {
        let emitted = self.emitted(graph, weights, true)?;
        verify(&emitted.graph, Stage::Mpc).map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            CompileError::Internal(format!("the chosen program is refused: {}", lines.join("; ")))
        })?;
        Ok(emitted)
    }

    /// The chosen program in the mpc dialect; `valued`: with the weights that it makes of others.
    fn emitted(&self, graph: &Graph, weights: &RingWeights, valued: bool) -> Result<Emitted> {
        let choice = self.nodes(&self.choice);
        let names: Vec<String> = graph.nodes.iter().map(|n| n.name.clone()).collect();
        let class = |id: picc_ir::Id| self.grown.eg.find(self.grown.class[id.index()]);
        let inputs: Vec<egg::Id> =
            graph.iter().filter(|(_, n)| matches!(n.op, Op::Input(_))).map(|(id, _)| class(id)).collect();
        let outputs: Vec<(String, egg::Id)> = graph.outputs.iter().map(|(n, id)| (n.clone(), class(*id))).collect();
        let mut emitter = Emitter::new(&self.grown.eg, &choice, &names, weights);
        emitter.valued = valued;
        emitter.emit(&inputs, &outputs, true)
    }
}

/// For values that the compiler computes: the expression with the fewest operators.
fn known_nodes(grown: &Grown) -> HashMap<egg::Id, Enode> {
    let sorted = grown.sorted_classes();
    let known: BTreeMap<egg::Id, &[Enode]> =
        sorted.into_iter().filter(|(c, _)| grown.eg[*c].data.ty.as_ref().is_some_and(is_known)).collect();
    let mut best: HashMap<egg::Id, (u64, Enode)> = HashMap::new();
    loop {
        let mut changed = false;
        for (&class, nodes) in &known {
            for node in *nodes {
                let size = node.args.iter().try_fold(1u64, |n, a| best.get(a).map(|b| n.saturating_add(b.0)));
                let Some(size) = size else { continue };
                if best.get(&class).is_none_or(|b| size < b.0) {
                    best.insert(class, (size, node.clone()));
                    changed = true;
                }
            }
        }
        if !changed {
            return best.into_iter().map(|(c, (_, n))| (c, n)).collect();
        }
    }
}

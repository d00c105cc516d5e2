//! What a solved e-graph says of itself: sums by node, and which rules led to what.

use super::Solved;
use super::explain::{Explanation, Region, RuleReport, Saved, Sum, Totals};
use super::extract::Choice;
use super::language::Enode;
use super::portfolio::Extraction;
use super::rules::Family;
use super::saturate::{Grown, Origin, RuleOptions};
use picc_ir::Graph;
use picc_ir::cost::profile::{Profile, seconds};
use picc_ir::op::Op;
use std::collections::{BTreeMap, BTreeSet, HashMap};

impl Solved {
    pub(super) fn total(&self, choice: &Choice) -> Sum {
        let mut sum = Sum::default();
        self.program(choice).iter().for_each(|(_, _, p)| sum.add(p.cost, p.picos));
        sum
    }

    /// Costs by ONNX node.
    pub(super) fn by_node(&self, graph: &Graph) -> BTreeMap<String, Sum> {
        let mut by_node: BTreeMap<String, Sum> = BTreeMap::new();
        for (class, _, p) in self.program(&self.choice) {
            by_node.entry(self.name(graph, class)).or_default().add(p.cost, p.picos);
        }
        by_node
    }

    pub(super) fn name(&self, graph: &Graph, class: egg::Id) -> String {
        let at = self.grown.eg[class].data.at as usize;
        graph.nodes.get(at).map(|n| n.name.clone()).unwrap_or_default()
    }

    pub(super) fn explain(
        &self,
        graph: &Graph,
        profile: &Profile,
        options: &RuleOptions,
        plain: &Solved,
        before: BTreeMap<String, Sum>,
    ) -> Explanation {
        let origins = self.grown.origins();
        let after = self.total(&self.choice).totals(profile);
        let mut chosen = vec![0usize; self.grown.rules.len()];
        let mut chains: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
        for (class, node, priced) in self.program(&self.choice) {
            let (chain, protocols) = chains.entry(self.name(graph, class)).or_default();
            let made_by = rewrites(&self.grown, &origins, node);
            // A node counts for the last rewrite that led to it, and for its protocol.
            let own = origins.get(node).map(|o| o.rule).filter(|r| !made_by.contains(r));
            made_by.last().copied().into_iter().chain(own).for_each(|r| chosen[r] += 1);
            for rule in made_by {
                let name = self.grown.rules[rule].name.to_owned();
                if !chain.contains(&name) {
                    chain.push(name);
                }
            }
            if priced.cost != Default::default() {
                let protocol = protocol_of(&node.op);
                if !protocols.contains(&protocol) {
                    protocols.push(protocol);
                }
            }
        }
        let rules = self.grown.rules.iter().enumerate().map(|(r, rule)| {
            let without = self.without.get(&r);
            let saved = without.map(|choice| Explanation::savings(self.total(choice).totals(profile), after));
            // What is not chosen is not missed.
            let saved = if chosen[r] > 0 { saved } else { Some(Saved::default()) };
            let counts = self.grown.counts[r];
            RuleReport {
                name: rule.name.to_owned(),
                family: rule.family,
                class: rule.class,
                says: rule.says.to_owned(),
                matched: counts.matched,
                refused: counts.refused,
                fired: counts.fired,
                chosen: chosen[r],
                saved,
            }
        });
        let rules = rules.collect();
        let now = self.by_node(graph);
        let mut regions = Vec::new();
        let mut seen = BTreeSet::new();
        for node in &graph.nodes {
            let (was, is) = (before.get(&node.name), now.get(&node.name));
            if (was.is_none() && is.is_none()) || !seen.insert(&node.name) {
                continue;
            }
            let totals = |s: Option<&Sum>| s.map_or_else(Totals::default, |s| s.totals(profile));
            let (chain, protocols) = chains.remove(&node.name).unwrap_or_default();
            regions.push(Region {
                node: node.name.clone(),
                before: totals(was),
                after: totals(is),
                chain,
                protocols,
            });
        }
        Explanation {
            profile: profile.name.clone(),
            exact: options.exact,
            stop: self.grown.stop,
            iterations: self.grown.iterations,
            e_nodes: self.grown.eg.total_number_of_nodes(),
            e_classes: self.grown.eg.number_of_classes(),
            before: plain.total(&plain.choice).totals(profile),
            after,
            inference: None,
            extraction: Extraction {
                bound: seconds(self.bound),
                greedy: seconds(self.greedy),
                optimal: self.problem.total(&self.choice).is_some_and(|t| t <= self.bound),
                instead: self.instead,
            },
            alone: self.alone.clone(),
            rules,
            regions,
        }
    }
}

/// Rewrites that led to a node, the first one first; protocols left out.
pub(super) fn rewrites(grown: &Grown, origins: &HashMap<Enode, Origin>, node: &Enode) -> Vec<usize> {
    let mut chain = Vec::new();
    let (mut at, mut steps) = (node.clone(), 0);
    // Origins were there before what they made, up to merging: a bound suffices against circles.
    while let (Some(origin), true) = (origins.get(&at), steps < 64) {
        steps += 1;
        if grown.rules[origin.rule].family != Family::Protocol {
            chain.push(origin.rule);
        }
        at = origin.of.canonical(&grown.eg);
    }
    chain.reverse();
    chain
}

/// A protocol with the parameter that was chosen for it.
fn protocol_of(op: &Op) -> String {
    let attributes = op.attributes();
    let mut name = op.name().to_owned();
    if let Some(radix) = attributes.get("radix") {
        name = format!("{name} radix {radix}");
    }
    if let Some(receiver) = attributes.get("receiver").and_then(|r| r.as_str()) {
        name = format!("{name}, {} chooses", receiver.to_lowercase());
    }
    name
}

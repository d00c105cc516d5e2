//! Growing the e-graph: import, rules to a fixpoint, then every protocol once.

use super::analysis::{Typing, meet};
use super::language::{EGraph, Enode};
use super::portfolio::Extract;
use super::rules::{ErrorClass, Expr, Family, Offer, Out, Rule, Site, View};
use crate::compile::Linear;
use crate::error::{CompileError, Result};
use egg::Id;
use picc_ir::op::Op;
use picc_ir::{Elem, Graph};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// When growing ends at the latest. No clock: the same graph always grows to the same e-graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub iterations: usize,
    /// E-nodes, before protocols are added.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { iterations: 64, nodes: 60_000 }
    }
}

/// Why growing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// No rule states anything new.
    Saturated,
    IterationLimit,
    NodeLimit,
}

/// Which rules may fire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleOptions {
    /// Only `Exact` rules: the program equals the ring graph in every bit.
    pub exact: bool,
    /// Families and single rules, by name, that may not fire.
    pub disabled: std::collections::BTreeSet<String>,
    pub limits: Limits,
    /// How linear layers may be computed.
    pub linear: Linear,
    /// Protocols that have a price and that nobody can run yet, for study.
    pub priced_only: bool,
    pub extract: Extract,
}

impl RuleOptions {
    /// No rewriting, only the choice of protocols.
    #[must_use]
    pub fn protocols_only(&self) -> RuleOptions {
        self.only(&[])
    }

    /// Only these families, and the choice of protocols.
    #[must_use]
    pub fn only(&self, families: &[Family]) -> RuleOptions {
        let off = Family::ALL.iter().filter(|f| **f != Family::Protocol && !families.contains(f));
        let mut disabled = self.disabled.clone();
        disabled.extend(off.map(|f| f.name().to_owned()));
        RuleOptions { disabled, ..self.clone() }
    }

    /// Only these families and single rules, by name, and the choice of protocols.
    ///
    /// # Errors
    /// The first name that neither a family nor a rule has.
    pub fn only_named(&self, names: &[String]) -> std::result::Result<RuleOptions, String> {
        let known = |name: &str| Family::named(name).is_some() || super::rules::rules().any(|r| r.name == name);
        if let Some(unknown) = names.iter().find(|n| !known(n)) {
            return Err(unknown.clone());
        }
        let wanted =
            |r: &Rule| r.family == Family::Protocol || names.iter().any(|n| n == r.name || n == r.family.name());
        let mut disabled = self.disabled.clone();
        disabled.extend(super::rules::rules().filter(|r| !wanted(r)).map(|r| r.name.to_owned()));
        Ok(RuleOptions { disabled, ..self.clone() })
    }

    /// Whether a rewriting family is allowed.
    pub(crate) fn rewrites_by(&self, family: Family) -> bool {
        family != Family::Protocol && !self.disabled.contains(family.name())
    }

    fn allows(&self, rule: &Rule) -> bool {
        let accurate = match rule.class {
            ErrorClass::Exact => true,
            ErrorClass::Ulp(_) => !self.exact,
            ErrorClass::Approx | ErrorClass::Retrain => false,
        };
        let layers = |way: Linear| matches!(self.linear, Linear::Auto) || self.linear == way;
        let offered = match rule.offer {
            Offer::Always => true,
            Offer::Layers(way) => layers(way),
            Offer::ExactLayers(way, twin) => self.exact && layers(way) && !self.disabled.contains(twin),
            Offer::Priced => self.priced_only || self.linear == Linear::Preprocessed,
        };
        accurate && offered && !self.disabled.contains(rule.name) && !self.disabled.contains(rule.family.name())
    }
}

/// Where an e-node came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Index in [`Grown::rules`].
    pub rule: usize,
    /// The node that the rule matched.
    pub of: Enode,
}

/// How often a rule matched, was refused a type, and stated something new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub matched: usize,
    pub refused: usize,
    pub fired: usize,
}

/// The grown e-graph.
pub(crate) struct Grown {
    pub eg: EGraph,
    /// Class of each node of the graph.
    pub class: Vec<Id>,
    pub rules: Vec<&'static Rule>,
    pub counts: Vec<Counts>,
    pub stop: Stop,
    pub iterations: usize,
    origins: Vec<(Enode, Origin)>,
}

impl Grown {
    /// A ring graph as an e-graph. `assume` becomes a fact about its class.
    pub fn import(graph: &Graph, options: &RuleOptions) -> Result<Grown> {
        let rules: Vec<&'static Rule> = super::rules::rules().filter(|r| options.allows(r)).collect();
        let mut g = Grown {
            eg: EGraph::new(Typing::default()),
            class: Vec::with_capacity(graph.nodes.len()),
            counts: vec![Counts::default(); rules.len()],
            rules,
            stop: Stop::Saturated,
            iterations: 0,
            origins: Vec::new(),
        };
        for (id, node) in graph.iter() {
            g.eg.analysis.at = id.0;
            let args: Option<Vec<Id>> = node.args.iter().map(|a| g.class.get(a.index()).copied()).collect();
            let args =
                args.ok_or_else(|| CompileError::Internal(format!("`{}`: an argument comes later", node.name)))?;
            let class = if let (Op::Assume(_), Some(claim)) = (&node.op, node.ty.as_fixed()) {
                let mut facts = g.eg[args[0]].data.clone();
                if let Some(ty) = &mut facts.ty
                    && let Elem::Fixed(f) = ty.elem
                {
                    ty.elem = Elem::Fixed(meet(f, claim));
                }
                facts.at = facts.at.min(id.0);
                g.eg.set_analysis_data(args[0], facts);
                args[0]
            } else {
                g.eg.add(Enode::new(node.op.clone(), &args))
            };
            if g.eg[class].data.ty.is_none() {
                return Err(CompileError::Internal(format!("`{}` has no type", node.name)));
            }
            g.class.push(class);
        }
        g.eg.rebuild();
        Ok(g)
    }

    /// Applies rules until nothing is new or a limit is reached; then, once each, what would only make the others
    /// rewrite its insides (Winograd), and the protocols.
    pub fn grow(&mut self, limits: Limits) {
        let of = |wanted: fn(Family) -> bool| -> Vec<usize> {
            (0..self.rules.len()).filter(|&r| wanted(self.rules[r].family)).collect()
        };
        let rewriting = of(|f| !matches!(f, Family::Winograd | Family::Protocol));
        let (winograd, protocols) = (of(|f| f == Family::Winograd), of(|f| f == Family::Protocol));
        self.stop = Stop::IterationLimit;
        while self.iterations < limits.iterations {
            self.iterations += 1;
            if !self.step(&rewriting, limits.nodes) {
                self.stop = Stop::Saturated;
                break;
            }
            if self.eg.total_size() >= limits.nodes {
                self.stop = Stop::NodeLimit;
                break;
            }
        }
        self.step(&winograd, usize::MAX);
        self.step(&protocols, usize::MAX);
    }

    /// Whether one application of `rules` everywhere changed anything.
    fn step(&mut self, rules: &[usize], max_nodes: usize) -> bool {
        let mut changed = false;
        for (rule, of, class, expr) in self.search(rules) {
            if self.eg.total_size() >= max_nodes {
                break;
            }
            if self.state(rule, &of, class, &expr) {
                self.counts[rule].fired += 1;
                changed = true;
            }
        }
        self.eg.rebuild();
        changed
    }

    /// Everything that `rules` state now, in a fixed order.
    pub fn search(&mut self, rules: &[usize]) -> Vec<(usize, Enode, Id, Expr)> {
        let view = View { eg: &self.eg };
        let mut classes: Vec<Id> = self.eg.classes().map(|c| c.id).collect();
        classes.sort_unstable();
        let mut found = Vec::new();
        for &rule in rules {
            let before = found.len();
            let mut refused = 0;
            for &class in &classes {
                for node in view.nodes(class) {
                    let mut out = Out::default();
                    (self.rules[rule].rewrite)(&Site { view, class, node }, &mut out);
                    for (to, expr) in out.equalities {
                        if view.could_be(to, &expr) {
                            found.push((rule, node.clone(), to, expr));
                        } else {
                            refused += 1;
                        }
                    }
                }
            }
            self.counts[rule].matched = found.len() - before;
            self.counts[rule].refused = refused;
        }
        found
    }

    /// Adds one equality. Whether it is new.
    pub fn state(&mut self, rule: usize, of: &Enode, class: Id, expr: &Expr) -> bool {
        let before = self.origins.len();
        let places = self.places(of, class);
        let made = self.add(expr, &places, &Origin { rule, of: of.clone() });
        let joined = self.eg.union(class, made);
        joined || self.origins.len() > before
    }

    /// Which node of the model a new node belongs to: that of the same operator in what was matched, else (the first
    /// entry) that of the class.
    fn places(&self, of: &Enode, class: Id) -> Vec<(Option<&'static str>, u32)> {
        let matched = of.args.iter().flat_map(|&a| {
            let class = &self.eg[a];
            class.nodes.iter().map(|n| (Some(n.op.name()), class.data.at))
        });
        std::iter::once((None, self.eg[class].data.at)).chain(matched).collect()
    }

    fn add(&mut self, expr: &Expr, places: &[(Option<&'static str>, u32)], origin: &Origin) -> Id {
        match expr {
            Expr::Class(id) => self.eg.find(*id),
            Expr::Apply(op, args) => {
                let args: Vec<Id> = args.iter().map(|a| self.add(a, places, origin)).collect();
                let same = places.iter().find(|(kind, _)| *kind == Some(op.name()));
                self.eg.analysis.at = same.or(places.first()).map_or(u32::MAX, |p| p.1);
                let node = Enode::new(op.clone(), &args);
                if self.eg.lookup(node.clone()).is_none() {
                    self.origins.push((node.clone(), origin.clone()));
                }
                self.eg.add(node)
            }
        }
    }

    /// Origin of every node that a rule made, by the node's final form.
    pub fn origins(&self) -> HashMap<Enode, Origin> {
        let mut map = HashMap::new();
        for (node, origin) in &self.origins {
            map.entry(node.canonical(&self.eg)).or_insert_with(|| origin.clone());
        }
        map
    }

    /// Classes with their ids in a fixed order.
    pub fn sorted_classes(&self) -> BTreeMap<Id, &[Enode]> {
        self.eg.classes().map(|c| (c.id, &c.nodes[..])).collect()
    }
}

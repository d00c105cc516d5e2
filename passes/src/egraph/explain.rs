//! What was chosen and why, for people and for `--json`.

use super::portfolio::{Alone, Extraction};
use super::rules::{ErrorClass, Family};
use super::saturate::Stop;
use crate::predict::Prediction;
use crate::report::decimal;
use picc_ir::cost::Cost;
use picc_ir::cost::profile::{Picos, Profile, seconds};
use picc_ir::mpc::schedule::ProgramCost;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A sum of prices. Bytes include the OT extension that a node causes; rounds do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub bytes: u64,
    pub rounds: u64,
    pub seconds: f64,
    /// Bytes that go before the input is known: 0 for programs that can be run.
    #[serde(default)]
    pub offline_bytes: u64,
}

impl Totals {
    pub(crate) fn new(profile: &Profile, cost: &Cost, picos: Picos) -> Totals {
        Totals {
            bytes: profile.bytes(cost),
            rounds: cost.online.rounds,
            seconds: seconds(picos),
            offline_bytes: cost.offline.total(),
        }
    }

    /// One inference of a whole program.
    #[must_use]
    pub fn whole(cost: &ProgramCost, prediction: &Prediction) -> Totals {
        let inference = cost.inference();
        Totals {
            bytes: inference.total(),
            rounds: inference.rounds,
            seconds: prediction.seconds,
            offline_bytes: cost.offline.total(),
        }
    }

    fn saved(self, after: Totals) -> Saved {
        Saved {
            bytes: self.bytes as i64 - after.bytes as i64,
            rounds: self.rounds as i64 - after.rounds as i64,
            seconds: self.seconds - after.seconds,
        }
    }
}

impl std::ops::Add for Totals {
    type Output = Totals;
    fn add(self, o: Totals) -> Totals {
        Totals {
            bytes: self.bytes + o.bytes,
            rounds: self.rounds + o.rounds,
            seconds: self.seconds + o.seconds,
            offline_bytes: self.offline_bytes + o.offline_bytes,
        }
    }
}

/// What would be missing without a rule. Negative where it pays with one thing for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub bytes: i64,
    pub rounds: i64,
    pub seconds: f64,
}

/// One rule of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleReport {
    pub name: String,
    pub family: Family,
    pub class: ErrorClass,
    pub says: String,
    /// Places where it matches the final e-graph.
    pub matched: usize,
    /// Statements without a type: a condition that could not be shown.
    pub refused: usize,
    /// Statements that were new.
    pub fired: usize,
    /// Nodes of the program that exist because of it.
    pub chosen: usize,
    /// Against the best program found without those nodes; `None` where no other was looked for, as with protocols:
    /// without them there is no program.
    pub saved: Option<Saved>,
}

/// Everything that computes one node of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// ONNX node.
    pub node: String,
    pub before: Totals,
    pub after: Totals,
    /// Rules that led from the model to the program here, in order.
    pub chain: Vec<String>,
    /// Chosen protocols.
    pub protocols: Vec<String>,
}

/// One whole inference without rewriting and as chosen, counted alike: the client's request, the reservations of
/// correlated OTs with their flights, and the messages of all nodes, as a party's meter counts them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inference {
    /// Only protocols chosen, over the same field of the OT extension.
    pub before: Totals,
    pub after: Totals,
}

/// Why a program is what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub profile: String,
    pub exact: bool,
    pub stop: Stop,
    pub iterations: usize,
    pub e_nodes: usize,
    pub e_classes: usize,
    /// Without rewriting, only protocols chosen: the sum over the program's nodes, which the search compares.
    pub before: Totals,
    pub after: Totals,
    /// What the two take in all.
    #[serde(default)]
    pub inference: Option<Inference>,
    /// How good the choice is known to be.
    #[serde(default)]
    pub extraction: Extraction,
    /// What each family of rewrites does alone, where several are allowed.
    #[serde(default)]
    pub alone: Vec<Alone>,
    pub rules: Vec<RuleReport>,
    pub regions: Vec<Region>,
}

impl Explanation {
    pub(crate) fn savings(without: Totals, with: Totals) -> Saved {
        without.saved(with)
    }

    /// What happened to one node of the model.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Region> {
        self.regions.iter().find(|r| r.node == name)
    }

    /// Takes the program of the same model in another form as the one without rewriting.
    pub(crate) fn compare_with(&mut self, other: &Explanation) {
        self.before = other.before;
        if let (Some(inference), Some(other)) = (&mut self.inference, &other.inference) {
            inference.before = other.before;
        }
        for region in &mut self.regions {
            region.before = other.node(&region.node).map_or_else(Totals::default, |r| r.before);
        }
        let gone = |r: &&Region| r.before != Totals::default() && self.node(&r.node).is_none();
        let gone: Vec<Region> = other.regions.iter().filter(gone).cloned().collect();
        let empty = Totals::default();
        let gone = gone.into_iter().map(|r| Region { after: empty, chain: Vec::new(), protocols: Vec::new(), ..r });
        self.regions.extend(gone);
    }
}

/// Saved bytes, rounds and seconds as a table has them; dashes where nothing is known.
#[must_use]
pub fn saved_columns(saved: Option<&Saved>) -> [String; 3] {
    let columns = |s: &Saved| [s.bytes.to_string(), s.rounds.to_string(), decimal(s.seconds, 4)];
    saved.map_or_else(|| [(); 3].map(|()| "-".to_owned()), columns)
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} MB, {} rounds, {:.4} s", mb(self.bytes), self.rounds, self.seconds)?;
        if self.offline_bytes > 0 {
            write!(f, " ({:.3} MB offline)", mb(self.offline_bytes))?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = if self.exact { ", exact rules only" } else { "" };
        writeln!(f, "profile {}{exact}", self.profile)?;
        let Inference { before, after } =
            self.inference.unwrap_or(Inference { before: self.before, after: self.after });
        // What no node has: the search compares sums over nodes.
        let beyond = after.seconds - self.after.seconds;
        writeln!(f, "  without rewriting  {before}")?;
        writeln!(f, "  chosen             {after}")?;
        writeln!(
            f,
            "  {} e-nodes in {} classes after {} iterations: {:?}",
            self.e_nodes, self.e_classes, self.iterations, self.stop
        )?;
        let Extraction { bound, greedy, optimal, instead } = &self.extraction;
        if *optimal {
            writeln!(f, "  no program of this e-graph is cheaper")?;
        } else {
            let gap = decimal(100.0 * (self.after.seconds / bound.max(f64::MIN_POSITIVE) - 1.0), 2);
            let least = bound + beyond;
            writeln!(f, "  at most {gap}% above the cheapest program of this e-graph ({least:.4} s or more)")?;
        }
        writeln!(f, "  local search alone found {:.4} s", greedy + beyond)?;
        if let Some(family) = instead {
            writeln!(f, "  the family {} alone: the e-graph of all hit its limit", family.name())?;
        }
        if !self.alone.is_empty() {
            writeln!(f, "\nfamilies alone")?;
        }
        for alone in &self.alone {
            writeln!(f, "  {:11} {}", alone.family.name(), alone.inference.unwrap_or(alone.after))?;
        }
        writeln!(f, "\nrules")?;
        for r in self.rules.iter().filter(|r| r.matched + r.fired > 0) {
            let [bytes, rounds, seconds] = saved_columns(r.saved.as_ref());
            writeln!(
                f,
                "  {:24} {:11} {:8} matched {:5} fired {:5} chosen {:4} saved {bytes:>10} B {rounds:>5} rounds \
                 {seconds:>9} s",
                r.name,
                r.family.name(),
                format!("{:?}", r.class),
                r.matched,
                r.fired,
                r.chosen
            )?;
        }
        writeln!(f, "\nnodes")?;
        for r in self.regions.iter().filter(|r| !r.chain.is_empty() || r.before != r.after) {
            writeln!(f, "  {}", r.node)?;
            writeln!(f, "    before {}", r.before)?;
            let protocols =
                if r.protocols.is_empty() { "sends nothing".to_owned() } else { r.protocols.join(", ") };
            writeln!(f, "    after  {}  [{protocols}]", r.after)?;
            if !r.chain.is_empty() {
                writeln!(f, "    by {}", r.chain.join(" > "))?;
            }
        }
        Ok(())
    }
}

/// Sum over a program's nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    pub cost: Cost,
    pub picos: Picos,
}

impl Sum {
    pub fn add(&mut self, cost: Cost, picos: Picos) {
        self.cost = self.cost + cost;
        self.picos = self.picos.saturating_add(picos);
    }

    pub fn totals(&self, profile: &Profile) -> Totals {
        Totals::new(profile, &self.cost, self.picos)
    }
}

//! Which ReLUs go: the least damage for each, until the budget holds.
//!
//! ```text
//! damage of a channel = squared error of its fit * (measured: what squared error at this layer does to the scores)
//! damage of a move    = measured: what it does to the scores
//! ```
//! Damages are taken to add up. What is chosen is measured as a whole in the end, and reported.

use super::damage::{self, Change};
use super::mask::Kind;
use super::moments::{Moments, collect};
use super::report::Report;
use super::rewrite::{Edit, rewrite};
use super::shuffle::{self, Move};
use super::sites::{self, Site};
use super::{Family, Model, Sample, Settings};
use super::{balance, linearize, polynomial, prune, refused};
use crate::compile::Options;
use crate::error::Result;
use picc_ir::{Id, Tensor};
use std::collections::{BTreeMap, BTreeSet};

/// Samples on which damage is measured at most.
const DAMAGE_SAMPLES: usize = 8;

/// One thing that may be done.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub what: What,
    pub removed: u64,
    pub damage: f64,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Channel { site: usize, channel: usize, kind: Kind, family: Family },
    Layer { site: usize, rule: &'static str },
    Move(Move),
}

/// Everything that is known about a network's ReLUs.
pub(super) struct Study {
    pub sites: Vec<Site>,
    pub moments: Vec<Vec<Moments>>,
    /// What one unit of squared error at a site does to the scores.
    gains: Vec<f64>,
    allowed: BTreeSet<Family>,
    items: Vec<Item>,
}

/// Rewrites until at most `budget` ReLUs are left.
pub(super) fn within_budget(
    model: Model,
    options: &Options,
    settings: &Settings,
    budget: u64,
    samples: &[Sample],
    report: &mut Report,
) -> Result<Model> {
    let count = super::relu_count(&model.graph);
    if count <= budget {
        report.notes.push(format!("{count} ReLUs are within the budget already"));
        return Ok(model);
    }
    let allowed = allowed(options, settings, report)?;
    let mut study = Study::new(&model, allowed, samples)?;
    let (chosen, level) = study.choose(count, budget)?;
    if level {
        report.notes.push("balanced: every layer keeps at most as many ReLUs as the others".to_owned());
    }
    let predicted: f64 = chosen.iter().map(|i| i.damage).sum();
    let edits = study.edits(&chosen);
    let edits = study.refit(&model, edits, samples)?;
    study.report(&model, &edits, samples, report)?;
    report.notes.push(format!("sum of predicted damages: scores change by {:.3}", predicted.sqrt()));
    rewrite(&model, &edits.into_iter().map(|(e, _)| e).collect::<Vec<_>>())
}

/// The families, without squares unless they are named: many in a row let values grow out of bounds.
fn allowed(options: &Options, settings: &Settings, report: &mut Report) -> Result<BTreeSet<Family>> {
    let mut allowed: BTreeSet<Family> = settings.families.iter().copied().collect();
    if allowed.contains(&Family::Polynomial) {
        let [square, relu] = polynomial::prices(options)?;
        let prices = format!("512 squares cost {square} bytes, 512 ReLUs {relu}, between two 1x1 convolutions");
        if !settings.named {
            report.notes.push(format!("{prices}: polynomial is left out (name it to have it)"));
            allowed.remove(&Family::Polynomial);
        } else if square >= relu {
            report.notes.push(format!("{prices}: polynomial saves comparisons, not bytes"));
        }
    }
    Ok(allowed)
}

impl Study {
    fn new(model: &Model, allowed: BTreeSet<Family>, samples: &[Sample]) -> Result<Study> {
        let sites = sites::find(&model.graph);
        let moments = collect(model, &sites, samples)?;
        let moves =
            if allowed.contains(&Family::Shuffle) { shuffle::find(&model.graph, &sites) } else { Vec::new() };
        let scores = damage::scores(model);
        let few = damage::few(&scores.graph, sites.len() + moves.len() + 1, DAMAGE_SAMPLES, samples);
        let expected = damage::outputs(&scores, few)?;
        let mut study = Study { sites, moments, gains: Vec::new(), allowed, items: Vec::new() };
        for site in 0..study.sites.len() {
            let gain = study.gain(model, site, &expected, few)?;
            study.gains.push(gain);
        }
        study.channels();
        study.layers(model);
        for m in moves {
            let change = changed(model, &Edit::Move(m.clone()), &expected, few)?;
            study.items.push(Item { removed: m.removed, damage: change.squared(), what: What::Move(m) });
        }
        Ok(study)
    }

    /// Every other channel is linearised, and what that does to the scores is divided by its squared error.
    fn gain(&self, model: &Model, site: usize, expected: &[Vec<Tensor<f32>>], few: &[Sample]) -> Result<f64> {
        let fits: Vec<(Kind, f64)> =
            self.moments[site].iter().map(|m| linearize::channel(&self.sites[site], m)).collect();
        let every_other = |c: usize| c.is_multiple_of(2);
        let kinds = fits.iter().enumerate().map(|(c, f)| if every_other(c) { f.0 } else { Kind::Relu }).collect();
        let error: f64 = fits.iter().enumerate().filter(|(c, _)| every_other(*c)).map(|(_, f)| f.1).sum();
        if error <= 0.0 {
            return Ok(0.0);
        }
        let change = changed(model, &Edit::Mask(self.sites[site].clone(), kinds), expected, few)?;
        Ok(change.squared() / error)
    }

    fn channels(&mut self) {
        let linear = self.allowed.contains(&Family::Linearize) || self.allowed.contains(&Family::Balance);
        let credit = if self.allowed.contains(&Family::Linearize) { Family::Linearize } else { Family::Balance };
        for (site, s) in self.sites.iter().enumerate() {
            for (channel, m) in self.moments[site].iter().enumerate() {
                let straight = linear.then(|| (linearize::channel(s, m), credit));
                let square = self.allowed.contains(&Family::Polynomial).then(|| polynomial::channel(s, m));
                let square = square.map(|fit| (fit, Family::Polynomial));
                // A straight line that is as good is cheaper.
                let best = straight.into_iter().chain(square).min_by(|a, b| a.0.1.total_cmp(&b.0.1));
                if let Some(((kind, error), family)) = best {
                    let what = What::Channel { site, channel, kind, family };
                    self.items.push(Item { what, removed: s.each, damage: error * self.gains[site] });
                }
            }
        }
    }

    fn layers(&mut self, model: &Model) {
        if !self.allowed.contains(&Family::Prune) {
            return;
        }
        for (site, s) in self.sites.iter().enumerate() {
            if let Some(rule) = prune::rule(&model.graph, s) {
                let error: f64 = self.moments[site].iter().map(Moments::identity_error).sum();
                let damage = error * self.gains[site];
                self.items.push(Item { what: What::Layer { site, rule }, removed: s.elements(), damage });
            }
        }
    }

    /// Items whose sum of damages is small, and whether they are those of balancing.
    fn choose(&self, count: u64, budget: u64) -> Result<(Vec<Item>, bool)> {
        let by_density =
            |a: &&Item, b: &&Item| (a.damage * b.removed as f64).total_cmp(&(b.damage * a.removed as f64));
        let free = !self.only_balance();
        let greedy = if free { self.greedy(self.items.iter().collect(), by_density, count, budget) } else { None };
        let level = self.balanced(budget).filter(|l| left(l, count) <= budget);
        let total = |items: &[&Item]| -> f64 { items.iter().map(|i| i.damage).sum() };
        match (greedy, level) {
            (Some(g), Some(l)) if total(&l) < total(&g) => Ok((owned(l), true)),
            (Some(g), _) => Ok((owned(g), false)),
            (None, Some(l)) => Ok((owned(l), true)),
            (None, None) => {
                let by_count = |a: &&Item, b: &&Item| b.removed.cmp(&a.removed);
                let mut all: Vec<&Item> = self.items.iter().collect();
                all.sort_by(by_count);
                let smallest = left(&self.compatible(all.clone()), count);
                all.sort_by(by_density);
                let smallest = smallest.min(left(&self.compatible(all), count));
                let families: Vec<&str> = self.allowed.iter().map(|f| f.name()).collect();
                let why = format!(
                    "of {count} ReLUs {} cannot get below {smallest}, {budget} are asked for; raise the budget to \
                     {smallest} or allow linearize, which can reach 0",
                    families.join(", ")
                );
                Err(refused("relu-budget", why))
            }
        }
    }

    fn only_balance(&self) -> bool {
        let others = [Family::Linearize, Family::Polynomial, Family::Prune, Family::Shuffle];
        others.iter().all(|f| !self.allowed.contains(f))
    }

    /// The items that go together, in this order.
    fn compatible<'i>(&'i self, order: Vec<&'i Item>) -> Vec<&'i Item> {
        let mut taken = Taken::default();
        order.into_iter().filter(|item| taken.take(item, &self.sites)).collect()
    }

    fn greedy<'i>(
        &'i self,
        mut order: Vec<&'i Item>,
        by: impl Fn(&&Item, &&Item) -> std::cmp::Ordering,
        count: u64,
        budget: u64,
    ) -> Option<Vec<&'i Item>> {
        order.sort_by(by);
        let mut left = count;
        let mut taken = Taken::default();
        let mut chosen: Vec<&Item> = Vec::new();
        for item in order {
            if left <= budget {
                break;
            }
            if taken.take(item, &self.sites) {
                left -= item.removed.min(left);
                chosen.push(item);
            }
        }
        if left > budget {
            return None;
        }
        // The last large item may make earlier ones unnecessary: the most damaging go first.
        let mut order: Vec<usize> = (0..chosen.len()).collect();
        order.sort_by(|&a, &b| chosen[b].damage.total_cmp(&chosen[a].damage));
        let mut dropped = BTreeSet::new();
        for i in order {
            if left + chosen[i].removed <= budget {
                left += chosen[i].removed;
                dropped.insert(i);
            }
        }
        Some(chosen.into_iter().enumerate().filter(|(i, _)| !dropped.contains(i)).map(|(_, item)| item).collect())
    }

    fn balanced(&self, budget: u64) -> Option<Vec<&Item>> {
        if !self.allowed.contains(&Family::Balance) {
            return None;
        }
        let kept = balance::kept(&self.sites, budget);
        let mut chosen = Vec::new();
        for (site, keep) in kept.into_iter().enumerate() {
            let of_site = |i: &&Item| matches!(i.what, What::Channel { site: s, .. } if s == site);
            let mut items: Vec<&Item> = self.items.iter().filter(of_site).collect();
            items.sort_by(|a, b| a.damage.total_cmp(&b.damage));
            let go = self.sites[site].channels - keep;
            if items.len() < go {
                return None;
            }
            chosen.extend(items.into_iter().take(go));
        }
        Some(chosen)
    }
}

fn owned(chosen: Vec<&Item>) -> Vec<Item> {
    chosen.into_iter().cloned().collect()
}

fn left(chosen: &[&Item], count: u64) -> u64 {
    count.saturating_sub(chosen.iter().map(|i| i.removed).sum())
}

/// What the rewritten scores differ by.
fn changed(model: &Model, edit: &Edit, expected: &[Vec<Tensor<f32>>], few: &[Sample]) -> Result<Change> {
    let rewritten = rewrite(model, std::slice::from_ref(edit))?;
    damage::against(expected, &damage::scores(&rewritten), few)
}

/// What has been decided about each place.
#[derive(Default)]
struct Taken {
    /// Sites with single channels, and channels of them.
    channels: BTreeSet<(usize, usize)>,
    sites: BTreeMap<usize, bool>,
    /// Nodes that a move rebuilds, and those that masks do.
    moved: BTreeSet<Id>,
    masked: BTreeSet<Id>,
}

impl Taken {
    /// Takes an item unless it contradicts one that was taken.
    fn take(&mut self, item: &Item, sites: &[Site]) -> bool {
        match &item.what {
            What::Channel { site, channel, .. } => {
                let nodes = nodes_of(&sites[*site]);
                let free = self.sites.get(site) != Some(&true) && nodes.iter().all(|n| !self.moved.contains(n));
                if !free || !self.channels.insert((*site, *channel)) {
                    return false;
                }
                self.sites.insert(*site, false);
                self.masked.extend(nodes);
            }
            What::Layer { site, .. } => {
                let nodes = nodes_of(&sites[*site]);
                if self.sites.contains_key(site) || nodes.iter().any(|n| self.moved.contains(n)) {
                    return false;
                }
                self.sites.insert(*site, true);
                self.masked.extend(nodes);
            }
            What::Move(m) => {
                let nodes = m.touches();
                if nodes.iter().any(|n| self.moved.contains(n) || self.masked.contains(n)) {
                    return false;
                }
                self.moved.extend(nodes);
            }
        }
        true
    }
}

fn nodes_of(site: &Site) -> Vec<Id> {
    let before = site.before.map(|b| [Some(b.linear), b.bias]).into_iter().flatten().flatten();
    [site.relu, site.input].into_iter().chain(before).collect()
}

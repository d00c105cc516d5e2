//! What each choice costs and what it damages: one evaluation for each place, extrapolated by the law of its error.
//!
//! | choice | error of a value | mean square at the output |
//! |---|---|---|
//! | a window of width `L = 2^(skip_low - f)`, `f` the value's fraction bits | below `L`, on the share of values in `[0, L)`, about `L` | `a L^3` |
//! | weights of `b` bits | a rounding of `2^-b` | `c 4^-b` |
//! | `b` bits of activations | measured for each `b` | |
//!
//! Errors of different places are taken to add up. That orders the choices; whether the outcome is good enough is
//! measured ([`super::search`]).

use super::measure::{Answers, Labelled, Runner, damage, signal};
use super::windows::{largest_window, windowed, with_windows_of_bits};
use crate::compile::Options;
use crate::egraph::Prices;
use crate::error::Result;
use crate::prepared::{Lowered, Prepared, Tuning};
use crate::quantize::{Fractions, factor};
use crate::ranges::Bound;
use picc_ir::op::Op;
use picc_ir::{Graph, Node, Owner, Ty};
use std::collections::BTreeMap;

/// Weights are probed at this many bits.
const PROBE_WEIGHT_BITS: u8 = 5;
/// Fewest bits of a weight, sign included.
pub(super) const MIN_WEIGHT_BITS: u8 = 3;
/// Fewest bits of activations.
const MIN_FRAC: u8 = 2;
const MIN_SIGNIFICANT: u8 = 6;
/// A window is probed at the largest observed value over this power of two.
const PROBE_WINDOW_SHIFT: i32 = 5;

/// A choice at one place: for each level its price and its damage; level 0 changes nothing.
pub(super) struct Place {
    pub node: String,
    pub levels: Vec<Level>,
}

#[derive(Clone, Copy)]
pub(super) struct Level {
    /// Weight bits, or low bits left out.
    pub value: u8,
    pub price: u64,
    pub damage: f64,
}

/// One number of bits of activations: the price of the program without other choices, its damage, and windows.
pub(super) struct Fraction {
    pub bits: u8,
    pub price: u64,
    pub damage: f64,
    pub windows: Vec<Place>,
}

/// Everything that the search chooses from.
pub(super) struct Menu {
    pub fractions: Vec<Fraction>,
    pub weights: Vec<Place>,
    /// Mean square of the outputs: damage is a part of it.
    pub signal: f64,
}

/// Prices of nodes under a deployment: picoseconds, or bytes if none was given.
pub(super) struct Objective<'a> {
    pub prices: Prices<'a>,
    pub seconds: bool,
}

impl Objective<'_> {
    fn of(&mut self, op: &Op, args: &[&Ty], ty: &Ty) -> u64 {
        let profile = self.prices.profile;
        self.prices.of(op, args, ty).map_or(0, |p| if self.seconds { p.picos } else { profile.bytes(&p.cost) })
    }

    fn node(&mut self, graph: &Graph, node: &Node) -> u64 {
        let args: Vec<&Ty> = node.args.iter().map(|&a| graph.ty(a)).collect();
        self.of(&node.op, &args, &node.ty)
    }

    fn graph(&mut self, graph: &Graph) -> u64 {
        graph.nodes.iter().map(|n| self.node(graph, n)).sum()
    }

    fn by_name(&mut self, graph: &Graph) -> BTreeMap<String, u64> {
        let mut by_name = BTreeMap::new();
        for node in &graph.nodes {
            *by_name.entry(node.name.clone()).or_insert(0) += self.node(graph, node);
        }
        by_name
    }
}

pub(super) struct Prober<'a> {
    pub model: &'a Prepared,
    /// Without a profile: the plain lowering is fast, and damage does not depend on protocols.
    pub options: &'a Options,
    pub bounds: &'a [Bound],
    pub samples: &'a Labelled<'a>,
    pub runner: Runner<'a>,
    pub real: &'a Answers,
}

impl Prober<'_> {
    fn lowered(&self, tuning: &Tuning) -> Result<Lowered> {
        self.model.lowered(self.options, tuning, self.bounds)
    }

    fn answers(&self, lowered: &Lowered) -> Result<Answers> {
        self.answers_of(&lowered.program.graph, lowered)
    }

    fn answers_of(&self, graph: &Graph, lowered: &Lowered) -> Result<Answers> {
        let draws = self.samples.program(graph, &lowered.weights, self.runner, 1)?;
        Ok(draws.into_iter().next().unwrap_or_default())
    }

    pub fn menu(&self, objective: &mut Objective) -> Result<Menu> {
        let fractions = self.model.fractions(self.options);
        let most = fractions.bits();
        let base = self.lowered(&Tuning { bits: Some(most), ..Tuning::default() })?;
        let clean = self.answers(&base)?;
        let windows = self.windows(&base, &clean)?;
        // Bits that the user has fixed stay.
        let least = match fractions {
            _ if self.options.frac.is_some() || self.options.precision.is_some() => most,
            Fractions::Uniform(_) => MIN_FRAC,
            Fractions::Significant(_) => MIN_SIGNIFICANT,
        };
        // Layers are priced in the middle of the formats that may be chosen.
        let weights = self.weights(most, (most + least) / 2, &clean, objective)?;
        let mut menu = Vec::new();
        for bits in (least..=most).rev() {
            // A format that some node cannot have is no candidate.
            let Ok(lowered) = self.lowered(&Tuning { bits: Some(bits), ..Tuning::default() }) else { continue };
            let damage = damage(&self.answers(&lowered)?, self.real);
            let price = objective.graph(&lowered.program.graph);
            let windows = place_windows(&lowered.program.graph, &windows, objective);
            menu.push(Fraction { bits, price, damage, windows });
        }
        Ok(Menu { fractions: menu, weights, signal: signal(self.real).max(f64::MIN_POSITIVE) })
    }

    /// For each comparison the damage of a window of width 1.
    fn windows(&self, base: &Lowered, clean: &Answers) -> Result<BTreeMap<String, f64>> {
        let mut found = BTreeMap::new();
        for node in &base.program.graph.nodes {
            let arg = node.args.first().map(|&a| base.program.graph.ty(a));
            let Some(most) = largest_window(&node.op, arg).filter(|&m| m > 0) else { continue };
            if found.contains_key(&node.name) {
                continue;
            }
            let frac = arg.map_or(0, frac_bits);
            let skip_low = frac + self.magnitude(&node.name) - PROBE_WINDOW_SHIFT;
            let skip_low = u8::try_from(skip_low.max(1)).unwrap_or(most).min(most);
            let one = BTreeMap::from([(node.name.clone(), skip_low)]);
            let mpc = with_windows_of_bits(&base.program.graph, &one, None)?;
            let answers = self.answers_of(&mpc, base)?;
            let width = f64::from(i32::from(skip_low) - frac).exp2();
            found.insert(node.name.clone(), damage(&answers, clean) / width.powi(3));
        }
        Ok(found)
    }

    /// Power of two near the largest value of a node.
    fn magnitude(&self, name: &str) -> i32 {
        let values = self.model.core.iter().filter(|(_, n)| n.name == name);
        let largest = values.map(|(id, _)| self.bounds[id.index()].max_abs()).fold(0.0, f32::max);
        if largest > 0.0 { largest.log2().floor() as i32 } else { 0 }
    }

    /// Layers with weights: prices from programs in which all of them have the same bits.
    fn weights(&self, bits: u8, priced: u8, clean: &Answers, objective: &mut Objective) -> Result<Vec<Place>> {
        let core = &self.model.core;
        let layer = |id: picc_ir::Id| {
            let owned = factor(core, id).is_some_and(|(_, w)| core.ty(w).owner == Owner::Server);
            owned && matches!(core.node(id).op, Op::Conv(_) | Op::MatMul(_))
        };
        let mut names: Vec<&str> = core.iter().filter(|(id, _)| layer(*id)).map(|(_, n)| n.name.as_str()).collect();
        names.dedup();
        let all = |bits: u8| names.iter().map(|n| ((*n).to_owned(), bits)).collect::<BTreeMap<_, _>>();
        let most = self.options.weight_bits;
        let full = self.lowered(&Tuning { bits: Some(priced), ..Tuning::default() })?;
        let full = objective.by_name(&full.program.graph);
        let mut prices = BTreeMap::new();
        for few in MIN_WEIGHT_BITS..most {
            let tuning = Tuning { bits: Some(priced), weight_bits: all(few), ..Tuning::default() };
            if let Ok(lowered) = self.lowered(&tuning) {
                prices.insert(few, objective.by_name(&lowered.program.graph));
            }
        }
        let mut places = Vec::new();
        for name in names {
            let weight_bits = BTreeMap::from([(name.to_owned(), PROBE_WEIGHT_BITS)]);
            let tuning = Tuning { bits: Some(bits), weight_bits, ..Tuning::default() };
            let Ok(lowered) = self.lowered(&tuning) else { continue };
            let unit = damage(&self.answers(&lowered)?, clean) * f64::from(PROBE_WEIGHT_BITS).exp2().powi(2);
            let price = |prices: &BTreeMap<String, u64>| prices.get(name).copied().unwrap_or(0);
            let mut levels = vec![Level { value: most, price: price(&full), damage: 0.0 }];
            levels.extend(prices.iter().rev().map(|(&bits, prices)| Level {
                value: bits,
                price: price(prices),
                damage: unit * (-2.0 * f64::from(bits)).exp2(),
            }));
            places.push(Place { node: name.to_owned(), levels });
        }
        Ok(places)
    }
}

/// Fraction bits of a fixed-point value.
fn frac_bits(ty: &Ty) -> i32 {
    ty.as_fixed().map_or(0, |f| f.frac_bits.into())
}

/// Windows that the comparisons of a program may have. Those of one node share a choice.
fn place_windows(graph: &Graph, units: &BTreeMap<String, f64>, objective: &mut Objective) -> Vec<Place> {
    let mut places: BTreeMap<&str, Vec<Level>> = BTreeMap::new();
    for node in &graph.nodes {
        let Some(unit) = units.get(&node.name) else { continue };
        let args: Vec<&Ty> = node.args.iter().map(|&a| graph.ty(a)).collect();
        let Some(most) = largest_window(&node.op, args.first().copied()) else { continue };
        let frac = args.first().map_or(0, |ty| frac_bits(ty));
        let levels = places.entry(&node.name).or_insert_with(|| {
            let level = |value: u8| {
                let width = f64::from(i32::from(value) - frac).exp2();
                let damage = if value == 0 { 0.0 } else { unit * width.powi(3) };
                Level { value, price: 0, damage }
            };
            (0..=most).map(level).collect()
        });
        levels.truncate(usize::from(most) + 1);
        for level in levels {
            level.price += objective.of(&windowed(&node.op, level.value, None), &args, &node.ty);
        }
    }
    places.into_iter().map(|(node, levels)| Place { node: node.to_owned(), levels }).collect()
}

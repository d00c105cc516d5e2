//! Tests programs on the held-out samples, from dear to cheap, until one may lose too much.

use super::Budget;
use super::confidence::{Loss, loss, standard_errors};
use super::measure::{Answers, Labelled, Score};
use super::outcome::{Outcome, bytes};
use super::probe::{Menu, Objective, Prober};
use super::search;
use crate::compile::{Compiled, Options};
use crate::egraph::Prices;
use crate::error::Result;
use crate::prepared::{Prepared, Tuning};
use picc_ir::Graph;
use picc_ir::cost::profile::Profile;
use picc_ir::weights::{RealWeights, RingWeights};
use std::collections::BTreeMap;
use std::ops::Range;

/// Samples that probes run on at most.
const PROBE_SAMPLES: usize = 32;
/// Where as many samples show how large values get, they may get this much larger and no more.
const TIGHT_MARGIN: f32 = 1.25;
const TIGHT_MARGIN_SAMPLES: usize = 64;
/// Sharings of each sample: what a private run's shares decide is averaged over these.
pub(super) const DRAWS: u64 = 3;
/// Steps before the cheapest program that holds on the tuned part, where tests begin: an eighth of its damage.
const BACK: usize = 6;
/// Beginnings of tests; each may err with an equal part of what the confidence leaves.
const BEGINNINGS: usize = 2;

/// Tuned on, and held out.
pub(super) const TUNED: usize = 0;
pub(super) const HELD_OUT: usize = 1;

pub(super) struct Gate<'a> {
    pub model: &'a Prepared,
    pub options: &'a Options,
    /// The same without a profile, whose plain lowering is fast.
    plain: Options,
    pub budget: Budget<'a>,
    pub labels: &'a [i64],
    parts: [Labelled<'a>; 2],
    /// Answers of the model over the reals to the tuned part, and which are right in each part.
    real: Answers,
    pub right: [Vec<bool>; 2],
}

/// A program that holds on the tuned part.
pub(super) struct Offer {
    pub bytes: u64,
    pub margin: f32,
    pub tuning: Tuning,
    pub compiled: Compiled,
    pub tuned: Score,
}

/// What the tests found.
#[derive(Default)]
struct Found {
    accepted: Option<(Offer, Score)>,
    /// Programs that held on the tuned part and not, with the confidence asked for, on the other.
    refused: usize,
}

impl<'a> Gate<'a> {
    pub fn new(
        graph: &Graph,
        weights: &RealWeights,
        model: &'a Prepared,
        options: &'a Options,
        budget: Budget<'a>,
        labels: &'a [i64],
        parts: [Labelled<'a>; 2],
    ) -> Result<Gate<'a>> {
        let real = parts[TUNED].real(graph, weights)?;
        let held_out = parts[HELD_OUT].real(graph, weights)?;
        let right = [parts[TUNED].right(&real), parts[HELD_OUT].right(&held_out)];
        if right.iter().flatten().all(|r| !r) {
            return Err(budget.refused(
                "the model over the reals gives none of the labels: the first output must hold a score for each class \
                 (or its index), and labels count from 0",
            ));
        }
        let plain = Options { profile: None, ..options.clone() };
        Ok(Gate { model, options, plain, budget, labels, parts, real, right })
    }

    /// How often a program is right on a part.
    pub fn score(&self, part: usize, graph: &Graph, weights: &RingWeights, draws: u64) -> Result<Score> {
        let answers = self.parts[part].program(graph, weights, self.budget.runner, draws)?;
        Ok(Score::new(&self.parts[part], &answers))
    }

    pub fn score_of(&self, part: usize, compiled: &Compiled) -> Result<Score> {
        self.score(part, &compiled.program.graph, &compiled.weights, DRAWS)
    }

    /// What is lost on a part. On the held-out one the bound is as sure as was asked for.
    pub fn loss(&self, part: usize, score: &Score) -> Loss {
        loss(&self.right[part], &score.right, self.standard_errors())
    }

    /// Standard errors between the estimate of a loss and its bound.
    pub fn standard_errors(&self) -> f64 {
        standard_errors((1.0 - self.budget.confidence / 100.0) / BEGINNINGS as f64)
    }

    fn within(&self, points: f64) -> bool {
        points <= self.budget.max_drop_points + 1e-9
    }

    /// The estimate on the tuned part, to choose what is tested.
    fn seems_to_hold(&self, score: &Score) -> bool {
        self.within(self.loss(TUNED, score).points)
    }

    /// The bound on the held-out part, or the estimate where no confidence was asked for.
    pub fn holds(&self, score: &Score) -> bool {
        let loss = self.loss(HELD_OUT, score);
        self.within(if self.budget.confidence > 50.0 { loss.bound } else { loss.points })
    }

    /// The cheapest program that was shown to hold, or the `default` one without approximations.
    pub fn run(&self, default: &Compiled) -> Result<Compiled> {
        let bounds = self.model.bounds(&self.plain, self.options.margin())?;
        let any = Profile::lan().with_source(default.program.source);
        let seconds = self.options.profile.is_some();
        let profile = self.options.profile.as_ref().unwrap_or(&any);
        let mut objective = Objective { prices: Prices::new(profile), seconds };
        let (few, real) = self.probes();
        let prober = Prober {
            model: self.model,
            options: &self.plain,
            bounds: &bounds.bounds,
            samples: &few,
            runner: self.budget.runner,
            real: &real,
        };
        let menu = prober.menu(&mut objective)?;
        let last = search::last_that_holds(|step| -> Result<bool> {
            let Ok(lowered) = self.model.lowered(&self.plain, &search::choose(&menu, step), &bounds.bounds) else {
                return Ok(false);
            };
            Ok(self.seems_to_hold(&self.score(TUNED, &lowered.program.graph, &lowered.weights, 1)?))
        })?;
        let mut found = Found::default();
        let begin = last.unwrap_or(0).saturating_sub(BACK);
        for steps in [begin..search::STEPS + 1, begin / 2..begin] {
            if found.accepted.is_none() {
                self.test(&menu, steps, bytes(default)?, &mut found)?;
            }
        }
        let outcome = Outcome { gate: self, default, refused: found.refused };
        match found.accepted {
            Some((offer, held_out)) => outcome.of(offer, held_out),
            None => {
                let offer = Offer {
                    bytes: bytes(default)?,
                    margin: self.options.margin(),
                    tuning: Tuning::default(),
                    tuned: self.score_of(TUNED, default)?,
                    compiled: default.clone(),
                };
                let held_out = self.score_of(HELD_OUT, default)?;
                outcome.of(offer, held_out)
            }
        }
    }

    /// Tests the programs of some steps in order, until one does not hold.
    fn test(&self, menu: &Menu, steps: Range<usize>, mut most: u64, found: &mut Found) -> Result<()> {
        let mut seen = Vec::new();
        for step in steps {
            let tuning = search::choose(menu, step);
            if seen.contains(&tuning) {
                continue;
            }
            let Some(offer) = self.offer(&tuning, most)? else {
                seen.push(tuning);
                continue;
            };
            seen.push(tuning);
            let held_out = self.score_of(HELD_OUT, &offer.compiled)?;
            if !self.holds(&held_out) {
                found.refused += 1;
                return Ok(());
            }
            most = offer.bytes;
            found.accepted = Some((offer, held_out));
        }
        Ok(())
    }

    /// The cheapest program of a tuning that takes fewer than `most` bytes and holds on the tuned part.
    fn offer(&self, tuning: &Tuning, most: u64) -> Result<Option<Offer>> {
        let few = self.parts[TUNED].samples.len() < TIGHT_MARGIN_SAMPLES;
        let margin = self.options.margin();
        let margin = if few { margin } else { margin.min(TIGHT_MARGIN) };
        let bounds = self.model.bounds(self.options, margin)?;
        // Bits of weights are priced layer by layer; in a small network all of them together may not pay.
        let whole = Tuning { weight_bits: BTreeMap::new(), ..tuning.clone() };
        let mut programs = Vec::new();
        for tuning in [tuning, &whole] {
            // A format that some node cannot have is no candidate.
            if let Ok(compiled) = self.model.compile(self.options, tuning, &bounds) {
                programs.push((bytes(&compiled)?, tuning.clone(), compiled));
            }
            if whole == *tuning {
                break;
            }
        }
        programs.sort_by_key(|p| p.0);
        for (bytes, tuning, compiled) in programs.into_iter().filter(|p| p.0 < most) {
            let tuned = self.score_of(TUNED, &compiled)?;
            if self.seems_to_hold(&tuned) {
                return Ok(Some(Offer { bytes, margin, tuning, compiled, tuned }));
            }
        }
        Ok(None)
    }

    /// A few samples of the tuned part, and what the model over the reals says about them.
    fn probes(&self) -> (Labelled<'a>, Answers) {
        let tuned = &self.parts[TUNED];
        let step = tuned.samples.len().div_ceil(PROBE_SAMPLES).max(1);
        let few = Labelled {
            samples: tuned.samples.iter().copied().step_by(step).collect(),
            labels: tuned.labels.iter().copied().step_by(step).collect(),
        };
        let outputs = self.real.outputs.iter().step_by(step).cloned().collect();
        (few, Answers { outputs, ..Answers::default() })
    }
}

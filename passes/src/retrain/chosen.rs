//! What was chosen as edits of the model: masks fitted again, one after the other, and what the user reads about them.

use super::choose::{Item, Study, What};
use super::mask::{Kind, Mask};
use super::moments::{Moments, of_pairs};
use super::report::{Choice, Report};
use super::rewrite::{Edit, rewrite};
use super::{Family, Model, Sample};
use super::{damage, linearize, polynomial, prune};
use crate::egraph::ErrorClass;
use crate::error::Result;
use std::collections::BTreeMap;

/// Edits, each with what was decided there.
pub(super) type Edits = Vec<(Edit, What)>;

impl Study {
    /// One edit for each place, with the squared error that is predicted there (none for a move).
    pub(super) fn edits(&self, chosen: &[Item]) -> Edits {
        let mut masks: BTreeMap<usize, Mask> = BTreeMap::new();
        let mut edits = Vec::new();
        for item in chosen {
            match &item.what {
                What::Channel { site, channel, kind, family } => {
                    let channels = self.sites[*site].channels;
                    let mask = masks.entry(*site).or_insert_with(|| Mask {
                        site: *site,
                        kinds: vec![Kind::Relu; channels],
                        families: vec![None; channels],
                    });
                    mask.kinds[*channel] = *kind;
                    mask.families[*channel] = Some(*family);
                }
                What::Layer { site, .. } => {
                    let s = &self.sites[*site];
                    edits.push((Edit::Mask(s.clone(), prune::kinds(s)), item.what.clone()));
                }
                What::Move(m) => edits.push((Edit::Move(m.clone()), item.what.clone())),
            }
        }
        for mask in masks.into_values() {
            let family = mask.families.iter().flatten().max().copied().unwrap_or(Family::Linearize);
            let what = What::Channel { site: mask.site, channel: 0, kind: Kind::Relu, family };
            edits.push((Edit::Mask(self.sites[mask.site].clone(), mask.kinds), what));
        }
        edits.sort_by_key(|(e, _)| e.root());
        edits
    }

    pub(super) fn report(
        &self,
        model: &Model,
        edits: &[(Edit, What)],
        samples: &[Sample],
        report: &mut Report,
    ) -> Result<()> {
        for (edit, what) in edits {
            let choice = |family, rule: &str, removed, layer_error: f64, detail| Choice {
                node: model.graph.node(edit.root()).name.clone(),
                family,
                rule: rule.to_owned(),
                class: ErrorClass::Retrain,
                removed,
                layer_error,
                detail,
            };
            report.choices.push(match (edit, what) {
                (Edit::Mask(site, kinds), What::Channel { site: at, family, .. }) => {
                    let gone = kinds.iter().filter(|k| **k != Kind::Relu).count();
                    let error: f64 = kinds.iter().zip(&self.moments[*at]).map(|(k, m)| error_of(*k, m)).sum();
                    let rule = match family {
                        Family::Polynomial => "relu_as_square",
                        Family::Balance => "relu_level",
                        _ => "relu_as_line",
                    };
                    let removed = gone as u64 * site.each;
                    choice(*family, rule, removed, self.relative(*at, error), describe(kinds, site.channels))
                }
                (Edit::Mask(site, _), What::Layer { site: at, rule }) => {
                    let error: f64 = self.moments[*at].iter().map(Moments::identity_error).sum();
                    choice(Family::Prune, rule, site.elements(), self.relative(*at, error), "dropped".to_owned())
                }
                (_, What::Move(m)) => {
                    let error = local_change(model, edit, samples)?;
                    let past = format!("moved past `{}`", model.graph.node(m.touches()[1]).name);
                    choice(Family::Shuffle, m.way.rule(), m.removed, error, past)
                }
                _ => continue,
            });
        }
        Ok(())
    }

    fn relative(&self, site: usize, error: f64) -> f64 {
        let size: f64 = self.moments[site].iter().map(Moments::size).sum();
        (error / size.max(f64::MIN_POSITIVE)).sqrt()
    }

    /// The edits with lines and squares fitted again, if that brings the scores closer to the model's.
    pub(super) fn refit(&mut self, model: &Model, edits: Edits, samples: &[Sample]) -> Result<Edits> {
        let few = damage::few(&model.graph, edits.len(), REFIT_SAMPLES, samples);
        let expected = damage::outputs(&damage::scores(model), few)?;
        let change = |edits: &[(Edit, What)]| {
            let edits: Vec<Edit> = edits.iter().map(|(e, _)| e.clone()).collect();
            damage::against(&expected, &damage::scores(&rewrite(model, &edits)?), few)
        };
        let (again, moments) = self.fitted_again(model, &edits, few)?;
        let (plain, fitted) = (change(&edits)?, change(&again)?);
        if fitted.squared() >= plain.squared() && plain.is_finite() {
            return Ok(edits);
        }
        self.moments = moments;
        Ok(again)
    }

    /// Layer by layer: each channel is fitted from what it gets behind the layers rewritten before it, to what the
    /// model has there. Errors of earlier layers are made up for, and squares see the large values that squares make.
    fn fitted_again(
        &self,
        model: &Model,
        edits: &[(Edit, What)],
        samples: &[Sample],
    ) -> Result<(Edits, Vec<Vec<Moments>>)> {
        let (mut again, mut moments) = (edits.to_vec(), self.moments.clone());
        for i in 0..again.len() {
            let (done, rest) = again.split_at_mut(i);
            let (Edit::Mask(site, kinds), What::Channel { site: at, .. }) = (&mut rest[0].0, &rest[0].1) else {
                continue;
            };
            let fitted = |k: &Kind| matches!(k, Kind::Line { .. } | Kind::Square { .. });
            if done.is_empty() || !kinds.iter().any(fitted) {
                continue;
            }
            let done: Vec<Edit> = done.iter().map(|(e, _)| e.clone()).collect();
            let mut here = model.clone();
            here.graph.outputs = vec![("x".to_owned(), site.input)];
            let (before, wanted) = (rewrite(&here, &done)?, rewrite(&here, &[])?);
            let (before, wanted) = (damage::outputs(&before, samples)?, damage::outputs(&wanted, samples)?);
            let pairs = before.iter().flatten().zip(wanted.iter().flatten());
            moments[*at] = of_pairs(site, pairs);
            for (kind, m) in kinds.iter_mut().zip(&moments[*at]) {
                *kind = match kind {
                    Kind::Relu | Kind::Identity | Kind::Zero => *kind,
                    Kind::Line { .. } => linearize::channel(site, m).0,
                    Kind::Square { .. } => polynomial::channel(site, m).0,
                };
            }
        }
        Ok((again, moments))
    }
}

/// Samples to which a layer is fitted again, at most.
const REFIT_SAMPLES: usize = 32;

fn error_of(kind: Kind, m: &Moments) -> f64 {
    match kind {
        Kind::Relu => 0.0,
        Kind::Identity => m.identity_error(),
        Kind::Zero => m.zero_error(),
        Kind::Line { .. } => m.line().1,
        Kind::Square { .. } => m.parabola().map_or(0.0, |fit| fit.1),
    }
}

fn describe(kinds: &[Kind], channels: usize) -> String {
    let count = |want: fn(&Kind) -> bool| kinds.iter().filter(|k| want(k)).count();
    let parts = [
        (count(|k| matches!(k, Kind::Relu)), "relu"),
        (count(|k| matches!(k, Kind::Identity | Kind::Line { .. })), "straight"),
        (count(|k| matches!(k, Kind::Square { .. })), "square"),
        (count(|k| matches!(k, Kind::Zero)), "zero"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    format!("of {channels} channels {}", parts.join(", "))
}

/// What the value of the edited place differs by, relative to it.
fn local_change(model: &Model, edit: &Edit, samples: &[Sample]) -> Result<f64> {
    let mut here = model.clone();
    here.graph.outputs = vec![("place".to_owned(), edit.root())];
    let few = damage::few(&here.graph, 2, 8, samples);
    let expected = damage::outputs(&here, few)?;
    let rewritten = rewrite(&here, std::slice::from_ref(edit))?;
    Ok(damage::against(&expected, &rewritten, few)?.error())
}

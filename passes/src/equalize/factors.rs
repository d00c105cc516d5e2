//! Which power of two each class gets: one that brings it near the largest of the tensors that it stands in.

use super::classes::{Classes, FREE, PINNED};
use crate::error::Result;
use crate::graph_edit::known;
use crate::ranges::walk;
use crate::sets::Sets;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Tensor};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A class stays this many bits below the largest: what calibration did not show finds room, and tensors whose channels
/// are alike stay as they are.
const SPARE: i32 = 2;
/// Largest factor: 2^20.
const MOST: i32 = 20;
/// A class whose largest value is so much larger than its usual ones is taken for even larger.
const RARE: f64 = 8.0;
/// Filters that are raised may get so many bits larger than the largest filter of their layer was: all share one format.
const FILTERS: i32 = 2;

/// Largest values of classes over samples: in all, and on average over the samples.
struct Peaks {
    largest: Vec<f32>,
    sum: Vec<f64>,
}

impl Peaks {
    fn join(mut self, o: Peaks) -> Peaks {
        self.largest.iter_mut().zip(&o.largest).for_each(|(a, b)| *a = a.max(*b));
        self.sum.iter_mut().zip(&o.sum).for_each(|(a, b)| *a += b);
        self
    }
}

/// For every label the exponent of its class's factor.
pub(super) fn shifts(
    graph: &Graph,
    weights: &RealWeights,
    classes: &Classes,
    samples: &[BTreeMap<String, Tensor<f32>>],
) -> Result<Vec<i32>> {
    let peaks: Vec<Result<Peaks>> =
        samples.par_iter().enumerate().map(|(i, sample)| peaks(graph, weights, classes, sample, i)).collect();
    let peaks = peaks.into_iter().reduce(|a, b| Ok(a?.join(b?)));
    let Some(Peaks { largest, sum }) = peaks.transpose()? else { return Ok(vec![0; classes.count()]) };
    // Classes that stand in one tensor are compared with the largest of all of them.
    let mut company = Sets::new(classes.count());
    for labels in classes.labels.iter().flatten() {
        let mut roots = labels.of.iter().map(|&l| classes.root(l)).filter(|&r| r != FREE && r != PINNED);
        if let Some(first) = roots.next() {
            roots.for_each(|r| _ = company.unite(first, r));
        }
    }
    let mut top = vec![0.0f32; classes.count()];
    for root in (0..classes.count() as u32).filter(|&l| classes.root(l) == l) {
        let group = company.root(root) as usize;
        top[group] = top[group].max(largest[root as usize]);
    }
    let shift = |root: u32| {
        let peak = f64::from(largest[root as usize]);
        if root == FREE || root == PINNED || peak == 0.0 {
            return 0;
        }
        let usual = sum[root as usize] / samples.len() as f64;
        let peak = peak * (peak / (RARE * usual)).max(1.0);
        let top = f64::from(top[company.root(root) as usize]);
        (top.log2().ceil() as i32 - peak.log2().ceil() as i32 - SPARE).clamp(0, MOST)
    };
    let mut shifts: Vec<i32> = (0..classes.count() as u32).map(|l| shift(classes.root(l))).collect();
    while limited(graph, weights, classes, &mut shifts)? {}
    Ok(shifts)
}

fn peaks(
    graph: &Graph,
    weights: &RealWeights,
    classes: &Classes,
    sample: &BTreeMap<String, Tensor<f32>>,
    index: usize,
) -> Result<Peaks> {
    let mut largest = vec![0.0f32; classes.count()];
    walk(graph, weights, sample, index, &mut |id, value| {
        let Some(labels) = &classes.labels[id.index()] else { return };
        for (run, &label) in value.data.chunks(labels.run).zip(&labels.of) {
            let slot = &mut largest[classes.root(label) as usize];
            *slot = run.iter().fold(*slot, |m, v| m.max(v.abs()));
        }
    })?;
    let sum = largest.iter().map(|&v| f64::from(v)).collect();
    Ok(Peaks { largest, sum })
}

/// Lowers classes whose filters would get too large; whether any was.
fn limited(graph: &Graph, weights: &RealWeights, classes: &Classes, shifts: &mut [i32]) -> Result<bool> {
    let mut changed = false;
    for (id, node) in graph.iter() {
        let Some(scaled) = classes.scaled[id.index()].as_ref().filter(|s| s.input.iter().any(|&l| l != FREE))
        else {
            continue;
        };
        let Some(values) = known(graph, weights, node.args[scaled.arg])? else { continue };
        // The largest weight of each filter, without its own factor.
        let mut filters: BTreeMap<u32, f64> = BTreeMap::new();
        for ((&v, &input), &output) in values.data.iter().zip(&scaled.input).zip(&scaled.output) {
            let v = f64::from(v.abs()) * f64::from(-shifts[input as usize]).exp2();
            let filter = filters.entry(classes.root(output)).or_insert(0.0);
            *filter = filter.max(v);
        }
        let most = filters.values().copied().fold(0.0, f64::max);
        let mut lower = BTreeMap::new();
        for (&root, &filter) in filters.iter().filter(|(_, v)| **v > 0.0) {
            let allowed = ((most / filter).log2().floor() as i32 + FILTERS).min(MOST);
            if shifts[root as usize] > allowed {
                lower.insert(root, allowed);
            }
        }
        if !lower.is_empty() {
            changed = true;
            for l in 0..classes.count() as u32 {
                if let Some(&allowed) = lower.get(&classes.root(l)) {
                    shifts[l as usize] = allowed;
                }
            }
        }
    }
    Ok(changed)
}

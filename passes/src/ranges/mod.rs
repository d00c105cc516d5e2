//! How large each value can get: proven from the weights, observed on calibration data, or assumed.

mod calibrate;
mod interval;

pub(crate) use calibrate::{Observed, observe, walk};

use crate::error::{CompileError, Result};
use crate::graph_edit::is_known;
use interval::Pair;
use picc_ir::op::Op;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Tensor, Ty};
use std::collections::BTreeMap;

/// Where a bound comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Interval analysis over the weights: holds for every input in the input's range.
    Proven,
    /// The largest value that calibration data produced, and a margin.
    Calibrated,
    /// Neither was available or small enough: values are taken to stay below a fixed scale.
    Assumed,
}

/// The real values of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    pub lo: f32,
    pub hi: f32,
    pub source: Source,
}

impl Bound {
    #[must_use]
    pub fn max_abs(&self) -> f32 {
        self.lo.abs().max(self.hi.abs())
    }
}

/// What is known before the analysis.
pub(crate) struct Facts<'a> {
    /// Ranges of inputs, by name.
    pub inputs: &'a BTreeMap<String, (f32, f32)>,
    pub observed: Option<&'a Observed>,
    /// How much larger than observed values may get.
    pub margin: f32,
    /// Proven bounds up to here are affordable, as long as they rest on no assumption.
    pub reach: f32,
    /// Values above this are assumed not to occur if nothing else bounds them.
    pub fallback: f32,
}

/// A bound for every node of a real graph, in its order.
pub(crate) fn analyse(graph: &Graph, weights: &RealWeights, facts: &Facts) -> Result<Vec<Bound>> {
    let mut last_use = vec![0; graph.nodes.len()];
    for (id, node) in graph.iter() {
        node.args.iter().for_each(|a| last_use[a.index()] = id.index());
    }
    let mut values: Vec<Option<Pair>> = vec![None; graph.nodes.len()];
    let mut bounds = Vec::with_capacity(graph.nodes.len());
    let mut assuming: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let mut pair = match &node.op {
            Op::Input(input) => {
                let (lo, hi) = facts.inputs.get(&input.name).copied().unwrap_or((f32::MIN, f32::MAX));
                Pair { lo: Tensor::full(&node.ty.shape, lo), hi: Tensor::full(&node.ty.shape, hi) }
            }
            _ if is_known(graph, id) => {
                let values = crate::graph_edit::known(graph, weights, id)?;
                Pair::exact(values.map(|t| t.into_owned()).unwrap_or_default())
            }
            _ => {
                let args: Vec<&Pair> = node.args.iter().filter_map(|a| values[a.index()].as_ref()).collect();
                let tys: Vec<&Ty> = node.args.iter().map(|&a| graph.ty(a)).collect();
                let same = node.args.len() == 2 && node.args[0] == node.args[1];
                interval::image(&node.op, &args, &tys, same).map_err(|source| CompileError::Type {
                    node: node.name.clone(),
                    op: node.op.name(),
                    source,
                })?
            }
        };
        let rests_on_assumption = node.args.iter().any(|a| assuming[a.index()]);
        let bound = settle(&mut pair, id, is_known(graph, id), rests_on_assumption, facts);
        assuming.push(rests_on_assumption || bound.source == Source::Assumed);
        bounds.push(bound);
        values[id.index()] = Some(pair);
        for a in &node.args {
            if last_use[a.index()] == id.index() && !matches!(graph.node(*a).op, Op::Input(_)) {
                values[a.index()] = None;
            }
        }
    }
    Ok(bounds)
}

/// Takes the tightest of the three and makes the intervals agree with it.
fn settle(pair: &mut Pair, id: Id, known: bool, rests_on_assumption: bool, facts: &Facts) -> Bound {
    let (lo, hi) = pair.hull();
    let proven = Bound { lo, hi, source: Source::Proven };
    if known {
        return proven;
    }
    let seen = facts.observed.map(|o| o.largest[id.index()] * facts.margin);
    let bound = match seen {
        Some(seen) if seen < proven.max_abs() => within(lo, hi, seen, Source::Calibrated),
        None if proven.max_abs() > if rests_on_assumption { facts.fallback } else { facts.reach } => {
            within(lo, hi, facts.fallback, Source::Assumed)
        }
        _ => return proven,
    };
    pair.clamp(bound.lo, bound.hi);
    bound
}

/// The interval cut to `[-most, most]`; all of that where earlier claims have made the two disjoint.
fn within(lo: f32, hi: f32, most: f32, source: Source) -> Bound {
    let (cut_lo, cut_hi) = (lo.max(-most), hi.min(most));
    if cut_lo <= cut_hi { Bound { lo: cut_lo, hi: cut_hi, source } } else { Bound { lo: -most, hi: most, source } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARGIN: f32 = 2.0;
    use crate::testing::{Inputs, Net};
    use crate::tests::random_net;
    use picc_ir::eval::run_real;

    fn bounds(net: &Net, observed: Option<&Observed>) -> Vec<Bound> {
        let inputs = BTreeMap::from([("x".to_owned(), (-1.0, 1.0))]);
        let facts = Facts { inputs: &inputs, observed, margin: MARGIN, reach: f32::MAX, fallback: f32::MAX };
        analyse(&net.graph, &net.weights, &facts).unwrap()
    }

    fn all_within(net: &Net, inputs: &Inputs, bounds: &[Bound]) {
        run_real(&net.graph, inputs, &net.weights, &mut |id, value| {
            let Bound { lo, hi, source } = bounds[id.index()];
            for v in &value.data {
                assert!((lo..=hi).contains(v), "{v} in [{lo}, {hi}], {source:?}: {:?}", net.graph.node(id));
            }
        })
        .unwrap();
    }

    #[test]
    fn proven_bounds_hold_for_every_input() {
        for seed in 0..40 {
            let mut net = random_net(seed);
            let bounds = bounds(&net, None);
            assert!(bounds.iter().all(|b| b.source == Source::Proven));
            for mut inputs in net.samples(4, 1.0) {
                all_within(&net, &inputs, &bounds);
                // Extreme inputs come closest.
                inputs.values_mut().for_each(|t| t.data.iter_mut().for_each(|v| *v = v.signum()));
                all_within(&net, &inputs, &bounds);
            }
        }
    }

    #[test]
    fn calibrated_bounds_hold_for_inputs_like_those_seen() {
        for seed in 0..20 {
            let mut net = random_net(seed);
            let samples = net.samples(8, 1.0);
            let observed = observe(&net.graph, &net.weights, &samples).unwrap();
            let bounds = bounds(&net, observed.as_ref());
            for inputs in samples.iter().chain(&net.samples(8, 1.0)) {
                all_within(&net, inputs, &bounds);
            }
        }
    }

    #[test]
    fn disjoint_claims_fall_back_to_the_whole_interval() {
        let b = within(2236.0, 9000.0, 2045.0, Source::Assumed);
        assert_eq!((b.lo, b.hi), (-2045.0, 2045.0));
        let b = within(-1.0, 9000.0, 2045.0, Source::Assumed);
        assert_eq!((b.lo, b.hi), (-1.0, 2045.0));
    }
}

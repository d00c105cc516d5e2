//! Weights and constants as integers.
//!
//! Facts about weights that become public (fraction bits, range) are powers of two and nothing finer.
//!
//! A weight of the model may be used in several formats: by layers whose rings differ, as a bias at the fractions of
//! two products, as a factor and as a summand. Each format is a weight of the program under a name of its own; uses in
//! one format share one.

use super::bits_for;
use crate::error::Result;
use crate::graph_edit::{Builder, known};
use picc_ir::op::Op;
use picc_ir::ops::{Const, ConstValue, Weight};
use picc_ir::ty::{ring_limits, wrap};
use picc_ir::weights::{RealWeights, RingWeights};
use picc_ir::{Fixed, Graph, Id, Owner, Tensor, Ty};
use std::collections::BTreeMap;

/// Quantized weights so far.
pub(super) struct Knowns<'a> {
    graph: &'a Graph,
    real: &'a RealWeights,
    pub weights: RingWeights,
    /// The types of those weights, by name: a name stands for one.
    types: BTreeMap<String, Ty>,
}

impl<'a> Knowns<'a> {
    pub fn new(graph: &'a Graph, real: &'a RealWeights) -> Knowns<'a> {
        Knowns { graph, real, weights: RingWeights::new(), types: BTreeMap::new() }
    }

    /// The weight or constant `id` of the real graph in a ring, rounded to nearest.
    pub fn quantized(&mut self, b: &mut Builder, id: Id, ring: u8, frac: u8, secret: bool) -> Result<Id> {
        let node = self.graph.node(id);
        let real = known(self.graph, self.real, id)?.unwrap_or_default();
        let scale = f64::from(frac).exp2();
        let values = real.map(|&v| wrap((f64::from(v) * scale).round() as i64, ring));
        match &node.op {
            Op::Const(c) if !secret => {
                let (lo, hi) = values.data.iter().fold((i64::MAX, i64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
                let ty = Ty::fixed(&real.shape, Fixed { ring_bits: ring, frac_bits: frac, lo, hi }, Owner::Public);
                let single = matches!(&c.value, ConstValue::Real(v) if v.len() == 1);
                let kept = if single { vec![values.data[0]] } else { values.data };
                b.add(Const { ty, value: ConstValue::Int(kept) }, &[], &node.name)
            }
            op => {
                let base = match op {
                    Op::Weight(w) => w.name.clone(),
                    _ => node.name.clone(),
                };
                let ty = Ty::fixed(&real.shape, public_range(&values, ring, frac), Owner::Server);
                let name = self.insert(base, &values, &ty, ring, frac);
                b.add(Weight { name, ty }, &[], &node.name)
            }
        }
    }

    /// The name under which these values are kept in this type; another one if the same weight is there in another
    /// format. Equal values are not enough: small rings of one fraction hold the same integers.
    fn insert(&mut self, base: String, values: &Tensor<i64>, ty: &Ty, ring: u8, frac: u8) -> String {
        let names = std::iter::once(base.clone())
            .chain(std::iter::once(format!("{base}@{ring}.{frac}")))
            .chain((2..).map(|n| format!("{base}@{ring}.{frac}.{n}")));
        for name in names {
            match self.weights.get(&name) {
                None => {
                    self.weights.insert(name.clone(), values.clone());
                    self.types.insert(name.clone(), ty.clone());
                    return name;
                }
                Some(there) if there == values && self.types.get(&name) == Some(ty) => return name,
                Some(_) => {}
            }
        }
        base
    }
}

/// The smallest range `+-(2^k - 1)` that holds the values.
fn public_range(values: &Tensor<i64>, ring_bits: u8, frac_bits: u8) -> Fixed {
    let largest = values.data.iter().map(|v| v.unsigned_abs()).max().unwrap_or(0);
    let bits = bits_for(largest as f64).max(1);
    let (lo, hi) = ring_limits(ring_bits);
    let most = if bits >= 63 { i64::MAX } else { (1 << bits) - 1 };
    if most > hi {
        Fixed { ring_bits, frac_bits, lo, hi }
    } else {
        Fixed { ring_bits, frac_bits, lo: -most, hi: most }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Inputs, Net, max_difference, run_program};
    use crate::{Linear, Options};
    use picc_ir::cost::profile::Profile;
    use picc_ir::op::Op;
    use picc_ir::ops::*;
    use picc_ir::{Id, Ty};
    use std::collections::{BTreeMap, BTreeSet};

    /// Compiles in several ways, with and without calibration; the outputs are right. In how many formats the default
    /// programs of both hold each weight of the model.
    fn formats(net: &mut Net, tolerance: f32) -> [BTreeMap<String, usize>; 2] {
        let samples = net.samples(4, 1.0);
        [&samples[..], &[]].map(|calibration| {
            let count = correct(net, &Options::plain(), calibration, &samples, tolerance);
            for options in [
                Options { families: Some(vec!["none".to_owned()]), ..Options::plain() },
                Options { linear: Linear::Ot, exact: true, ..Options::plain() },
                Options { profile: Some(Profile::lan()), ..Options::plain() },
            ] {
                correct(net, &options, calibration, &samples, tolerance);
            }
            count
        })
    }

    fn correct(
        net: &Net,
        options: &Options,
        calibration: &[Inputs],
        samples: &[Inputs],
        tolerance: f32,
    ) -> BTreeMap<String, usize> {
        let compiled = net.compile(options, calibration);
        for inputs in samples {
            let (real, got) = (net.real(inputs), run_program(&compiled, inputs));
            for (r, g) in real.iter().zip(&got) {
                let d = max_difference(r, g);
                assert!(d <= tolerance, "off by {d}");
            }
        }
        let types: BTreeSet<(&str, &Ty)> = compiled
            .ring_graph
            .nodes
            .iter()
            .filter_map(|n| if let Op::Weight(w) = &n.op { Some((w.name.as_str(), &w.ty)) } else { None })
            .collect();
        let names: BTreeSet<&str> = types.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), types.len(), "one type for each name");
        let mut count = BTreeMap::new();
        for name in names {
            let of_model = name.split(['@', ':']).next().unwrap_or(name);
            *count.entry(of_model.to_owned()).or_insert(0) += 1;
        }
        count
    }

    fn conv(net: &mut Net, x: Id, w: Id, groups: usize) -> Id {
        net.add(Conv { stride: [1, 1], pads: [1; 4], dilation: [1, 1], groups }, &[x, w])
    }

    #[test]
    fn two_convolutions_in_a_row_share_a_weight() {
        let mut net = Net::new(3);
        let x = net.input(&[1, 3, 8, 8]);
        // Large enough that the second layer's values need more bits.
        let w = net.weight(&[3, 3, 3, 3], 2.0);
        let y = conv(&mut net, x, w, 1);
        let y = net.relu(y);
        let y = net.max_pool(y, 2);
        let y = conv(&mut net, y, w, 1);
        net.output(y);
        let [calibrated, _] = formats(&mut net, 0.5);
        assert_eq!(calibrated["w0"], 2);
    }

    #[test]
    fn depthwise_convolutions_share_a_weight() {
        let mut net = Net::new(4);
        let x = net.input(&[1, 3, 8, 8]);
        let w = net.weight(&[3, 1, 3, 3], 0.9);
        let y = conv(&mut net, x, w, 3);
        let y = net.relu(y);
        let y = conv(&mut net, y, w, 3);
        net.output(y);
        formats(&mut net, 0.05);
    }

    #[test]
    fn an_unrolled_recurrence_uses_its_weights_at_every_step() {
        let mut net = Net::new(5);
        let mut h = net.input(&[1, 8]);
        let x = h;
        let (w, b) = (net.weight(&[8, 8], 0.6), net.weight(&[8], 0.5));
        for _ in 0..3 {
            let y = net.add(MatMul {}, &[h, w]);
            let y = net.add(Add {}, &[y, b]);
            let y = net.add(Add {}, &[y, x]);
            h = net.relu(y);
        }
        net.output(h);
        formats(&mut net, 0.05);
    }

    /// A bias of two layers, at the fraction of each product; and the same weight once more, as a scale of channels.
    #[test]
    fn a_tied_bias_is_also_a_scale() {
        let mut net = Net::new(6);
        let x = net.input(&[1, 6]);
        let (w, v, b) = (net.weight(&[6, 6], 0.9), net.weight(&[6, 6], 200.0), net.weight(&[6], 0.5));
        let y = net.add(MatMul {}, &[x, w]);
        let y = net.add(Add {}, &[y, b]);
        let y = net.relu(y);
        let y = net.add(MatMul {}, &[y, v]);
        let y = net.add(Add {}, &[y, b]);
        let y = net.relu(y);
        let y = net.add(Mul {}, &[y, b]);
        net.output(y);
        formats(&mut net, 2.0);
    }

    /// Two towers of one range meet in one format: the weight is stored once.
    #[test]
    fn towers_of_one_format_store_a_weight_once() {
        let mut net = Net::new(7);
        let inputs: Vec<Id> = ["a", "b"]
            .map(|name| {
                let ty = Ty::real(&[1, 2, 4, 4], picc_ir::Owner::Client);
                net.add(Input { name: name.to_owned(), ty }, &[])
            })
            .to_vec();
        let w = net.weight(&[2, 2, 3, 3], 0.5);
        let towers: Vec<Id> = inputs
            .iter()
            .map(|&x| {
                let y = conv(&mut net, x, w, 1);
                net.relu(y)
            })
            .collect();
        let y = net.add(Sub {}, &towers);
        net.output(y);
        let [_, proven] = formats(&mut net, 0.05);
        assert_eq!(proven["w0"], 1);
    }
}

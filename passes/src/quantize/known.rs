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

//! What is decided before anything is emitted: the fractions of values (see [`super::fractions`]), the rings (see
//! [`super::rings`]) and the fractions of weights.

use super::fractions::{Fractions, exponent, fractions};
use super::{align, bits_for, rings};
use crate::Linear;
use crate::eligible::{Layer, operands};
use crate::error::{CompileError, Result};
use crate::graph_edit::{is_known, known};
use crate::ranges::Bound;
use picc_ir::mpc::rlwe::Hiding;
use picc_ir::op::Op;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id};

/// Number formats, from the options.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    /// Bits of activations.
    pub fractions: Fractions,
    /// One ring for every value.
    pub uniform: Option<u8>,
    /// Fraction bits of weights; `None`: as many as `weight_bits` allow.
    pub weight_frac: Option<u8>,
    pub weight_bits: u8,
    /// Bits of a layer's weights, sign included, where they differ, by the name of its node.
    pub weight_bits_of: std::collections::BTreeMap<String, u8>,
    /// Most fraction bits of inputs, by name, where their values have no more.
    pub input_frac: std::collections::BTreeMap<String, u8>,
    /// How linear layers will be computed.
    pub linear: Linear,
}

/// Largest ring of products that need no RLWE.
pub(super) const MAX_OT_RING: u8 = 60;
/// Rings up to here usually have RLWE parameters; for messages only.
const MAX_RLWE_RING: u8 = 44;
/// Weights and constants keep at least this many significant bits if they are small.
const SIGNIFICANT: i32 = 10;
/// Fewer than this is not a model any more.
const MIN_SIGNIFICANT: i32 = 4;

/// A product with a factor of `factor_frac` fraction bits, accumulated in `ring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub factor_frac: u8,
    pub ring: u8,
}

/// Decisions for each node of the real graph.
pub(crate) struct Plan {
    /// Fraction bits of the value.
    pub frac: Vec<u8>,
    /// Magnitudes are at most `2^bits - 1` at that fraction.
    pub bits: Vec<u8>,
    /// Where the value lives at that fraction.
    pub ring: Vec<u8>,
    /// For products.
    pub product: Vec<Option<Product>>,
    /// Largest ring in which a user wants the value: it is extended to this one, once.
    pub demand: Vec<u8>,
    pub notes: Vec<String>,
}

impl Plan {
    pub fn new(graph: &Graph, weights: &RealWeights, bounds: &[Bound], format: &Format) -> Result<Plan> {
        let frac = fractions(graph, bounds, format.fractions);
        let bits = rings::magnitudes(graph, bounds, &frac)?;
        let ring = rings::rings(graph, &bits, format)?;
        let mut plan = Plan {
            frac,
            bits,
            ring,
            product: vec![None; graph.nodes.len()],
            demand: vec![0; graph.nodes.len()],
            notes: vec![],
        };
        for (id, node) in graph.iter() {
            if let Some(factor) = factor(graph, id) {
                plan.product[id.index()] = Some(plan.fit(graph, weights, format, id, factor)?);
            } else if matches!(node.op, Op::Mul(_) | Op::MatMul(_) | Op::Conv(_)) {
                let [a, b] = [0, 1].map(|i| plan.operand_frac(graph, format, node.args[i]));
                let own = plan.ring[id.index()] + (a + b).saturating_sub(plan.frac[id.index()]);
                let ring = format.uniform.unwrap_or(own);
                plan.product[id.index()] = Some(Product { factor_frac: b, ring });
                check_ring(&node.name, ring, MAX_OT_RING.max(format.uniform.unwrap_or(0)), format)?;
            }
        }
        if format.uniform.is_none() {
            align::sums(graph, weights, format, &mut plan)?;
        }
        plan.demand = rings::demands(graph, &plan);
        Ok(plan)
    }

    /// Fraction bits in which node `id` enters a product.
    pub fn operand_frac(&self, graph: &Graph, format: &Format, id: Id) -> u8 {
        let frac = self.frac[id.index()];
        match &graph.node(id).op {
            Op::Input(i) => format.input_frac.get(&i.name).map_or(frac, |&most| most.min(frac)),
            _ => frac,
        }
    }

    /// The fraction of the known factor: as asked for, more if it is small, less if it is large or the ring is full.
    fn fit(
        &mut self,
        graph: &Graph,
        weights: &RealWeights,
        format: &Format,
        id: Id,
        (x, w): (Id, Id),
    ) -> Result<Product> {
        let node = graph.node(id);
        let values = known(graph, weights, w)?.unwrap_or_default();
        let largest = values.data.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let wanted = if let (Op::Mul(_), Op::Const(_)) = (&node.op, &graph.node(w).op) {
            constant_frac(&values.data, largest)
        } else {
            match format.weight_bits_of.get(&node.name) {
                Some(&bits) => (i32::from(bits) - 1 - exponent(largest * 1.0001)).max(0),
                None => weight_frac(largest, format),
            }
        };
        let input = i32::from(self.operand_frac(graph, format, x));
        let target = i32::from(self.frac[id.index()]);
        let ring = |frac: i32| match format.uniform {
            Some(ring) => i32::from(ring),
            None => i32::from(self.ring[id.index()]) + (input + frac - target).max(0),
        };
        // Bits of the weights, their sign included, at a fraction.
        let weight_bits = |frac: i32| bits_for(f64::from(largest) * f64::from(frac).exp2() + 0.5).max(1) + 1;
        let fits = |frac: i32| {
            let ring = u8::try_from(ring(frac)).unwrap_or(u8::MAX);
            let most = format.uniform.unwrap_or(MAX_OT_RING);
            ring <= most && (!rlwe_only(&node.op, format) || rlwe_fits(graph, id, (x, w), ring, weight_bits(frac)))
        };
        let least = (MIN_SIGNIFICANT - exponent(largest)).max(0).min(wanted);
        let frac = (least..=wanted).rev().find(|&frac| fits(frac));
        let Some(frac) = frac else {
            return Err(CompileError::RingTooSmall {
                node: node.name.clone(),
                needed: u32::try_from(ring(least)).unwrap_or(u32::MAX),
                ring: format.uniform.unwrap_or(MAX_RLWE_RING),
                way_out: format!(
                    "give fewer {} than {}, calibrate with real inputs for tighter ranges, or choose OT for the \
                     linear layers",
                    format.fractions.unit(),
                    format.fractions.bits()
                ),
            });
        };
        if frac < wanted {
            self.notes.push(format!(
                "weights of node `{}` have {frac} fraction bits instead of {wanted}: its ring holds no more",
                node.name
            ));
        }
        let byte = |v: i32| u8::try_from(v).unwrap_or(u8::MAX);
        Ok(Product { factor_frac: byte(frac), ring: byte(ring(frac)) })
    }
}

/// Whether a layer must fit RLWE: with `Auto` OT products take what does not, once fewer bits do not help either.
fn rlwe_only(op: &Op, format: &Format) -> bool {
    let layer = matches!(op, Op::Conv(_) | Op::MatMul(_));
    layer && format.uniform.is_none() && format.linear != Linear::Ot
}

fn rlwe_fits(graph: &Graph, id: Id, (x, w): (Id, Id), ring: u8, weight_bits: u32) -> bool {
    let node = graph.node(id);
    let weights_left = node.args[0] == w;
    let layer = match &node.op {
        Op::Conv(conv) => Layer::Conv(conv),
        _ => Layer::MatMul { weights_left },
    };
    let Ok(weight_bits) = u8::try_from(weight_bits.min(32)) else { return false };
    let (first, second) = if weights_left { (w, x) } else { (x, w) };
    let tys = operands([&graph.ty(first).shape, &graph.ty(second).shape], weights_left, ring, weight_bits);
    // Flooding fits every ring that masks fit, if need be in the largest set.
    match layer.rlwe([&tys[0], &tys[1]], weight_bits, Hiding::FullRange) {
        Ok(op) => op.is_some(),
        // Batches that must be expanded first: the expanded layer is decided when it is lowered.
        Err(_) => ring <= MAX_RLWE_RING,
    }
}

fn check_ring(node: &str, needed: u8, limit: u8, format: &Format) -> Result<()> {
    if needed <= limit {
        return Ok(());
    }
    Err(CompileError::RingTooSmall {
        node: node.to_owned(),
        needed: needed.into(),
        ring: limit,
        way_out: format!(
            "give fewer {} than {}, or calibrate with real inputs for tighter ranges",
            format.fractions.unit(),
            format.fractions.bits()
        ),
    })
}

/// The secret and the known argument of a product with a weight or a constant.
pub(crate) fn factor(graph: &Graph, id: Id) -> Option<(Id, Id)> {
    let node = graph.node(id);
    let (Op::Conv(_) | Op::MatMul(_) | Op::Mul(_), &[a, b]) = (&node.op, &node.args[..]) else { return None };
    match (is_known(graph, a), is_known(graph, b)) {
        (false, true) => Some((a, b)),
        (true, false) => Some((b, a)),
        _ => None,
    }
}

/// Fraction bits of a weight or constant that keeps [`SIGNIFICANT`] bits.
pub(super) fn least_weight_frac(largest: f32) -> i32 {
    SIGNIFICANT - exponent(largest)
}

fn weight_frac(largest: f32, format: &Format) -> i32 {
    let most = i32::from(format.weight_bits) - 1 - exponent(largest * 1.0001);
    let wanted = format.weight_frac.map_or(most, i32::from);
    wanted.max(least_weight_frac(largest)).min(most).max(0)
}

/// Fraction bits of a public factor: exact if 12 significant bits or fewer can be.
fn constant_frac(values: &[f32], largest: f32) -> i32 {
    let good = (12 - exponent(largest)).max(0);
    let exact = |k: i32| values.iter().all(|&v| (f64::from(v) * f64::from(k).exp2()).fract() == 0.0);
    (0..=good).find(|&k| exact(k)).unwrap_or(good)
}

pub(super) fn too_uniform(node: &str, needed: u32, ring: u8) -> CompileError {
    CompileError::RingTooSmall {
        node: node.to_owned(),
        needed,
        ring,
        way_out: "give a larger --ring or fewer --frac bits, or leave --ring away for a ring for each value"
            .to_owned(),
    }
}

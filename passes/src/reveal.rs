//! What the client is shown of an output: all of it, the best classes only, or its high bits.
//!
//! ```text
//! label      scores -> argmax -> reveal
//! top:K      the same K times, each winner pushed below all others before the next:
//!            one-hot of an index a over j:  relu(a - j + 1) - 2 relu(a - j) + relu(a - j - 1)
//! rounded:B  values -> rounding of the low bits, bit-exact -> reveal
//! ```
//! Everything happens on shares, before anything is revealed.

#[cfg(test)]
mod tests;

use crate::canonicalize;
use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, real_const};
use picc_ir::mpc::{MAX_RADIX, Reveal as RevealOp, TruncReduceFaithful};
use picc_ir::op::{MpcOp, Op};
use picc_ir::ops::{Add, ArgMax, Concat, Relu, Slice, Sub};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What the client is shown of each output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reveal {
    /// The values.
    #[default]
    All,
    /// The index of the largest score.
    Label,
    /// The indices of the largest scores, the largest first.
    Top(usize),
    /// So many high bits of each value; the sign is one of them.
    Rounded(u8),
}

/// Why text says nothing about what is revealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of label, top:K and rounded:BITS (1 to 62 bits)")]
pub struct ParseRevealError(String);

impl FromStr for Reveal {
    type Err = ParseRevealError;

    fn from_str(text: &str) -> std::result::Result<Reveal, ParseRevealError> {
        let bad = || ParseRevealError(text.to_owned());
        match text.split_once(':') {
            None if text == "label" => Ok(Reveal::Label),
            Some(("top", k)) => k.parse().ok().filter(|&k| k > 0).map(Reveal::Top).ok_or_else(bad),
            Some(("rounded", bits)) => {
                bits.parse().ok().filter(|b| (1..=62).contains(b)).map(Reveal::Rounded).ok_or_else(bad)
            }
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Reveal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reveal::All => f.write_str("all"),
            Reveal::Label => f.write_str("label"),
            Reveal::Top(k) => write!(f, "top:{k}"),
            Reveal::Rounded(bits) => write!(f, "rounded:{bits}"),
        }
    }
}

impl Reveal {
    /// How many classes are shown, if classes are.
    pub(crate) fn classes(self) -> Option<usize> {
        match self {
            Reveal::Label => Some(1),
            Reveal::Top(k) => Some(k),
            Reveal::All | Reveal::Rounded(_) => None,
        }
    }
}

/// The canonical model with the index of the best class in the place of each output.
pub(crate) fn best(graph: &Graph, weights: &RealWeights, reveal: Reveal) -> Result<(Graph, RealWeights)> {
    let Some(count) = reveal.classes() else { return Ok((graph.clone(), weights.clone())) };
    let mut found = Vec::new();
    let mut refused = Vec::new();
    for (output, (name, id)) in graph.outputs.iter().enumerate() {
        let node = graph.node(*id);
        if matches!(node.op, Op::ArgMax(_)) && count == 1 {
            continue;
        }
        let shape = &node.ty.shape;
        let long: Vec<usize> = (0..shape.len()).filter(|&a| shape[a] > 1).collect();
        let axis = match (&long[..], shape.len()) {
            (&[axis], _) => Some(axis),
            (&[_, 1], 2) => Some(1),
            _ => None,
        };
        let Some(axis) = axis.filter(|&axis| shape[axis] > count || (count == 1 && shape[axis] > 1)) else {
            refused.push(CompileError::Unsupported {
                node: node.name.clone(),
                op: node.op.name(),
                why: format!(
                    "--reveal {reveal} needs more than {} scores along one axis, output `{name}` has shape {:?}",
                    count.max(1),
                    &shape[..]
                ),
                way_out: "give --reveal rounded:BITS, or none".to_owned(),
            });
            continue;
        };
        found.push((output, ArgMax { axis, keep: count > 1, last: false }, *id));
    }
    CompileError::all(refused)?;
    let mut indexed = graph.clone();
    for (output, op, id) in found {
        let node = graph.node(id).name.clone();
        let fail = |source| CompileError::Type { node: node.clone(), op: "arg_max", source };
        indexed.outputs[output].1 = indexed.add(op, &[id], &node).map_err(fail)?;
    }
    // Softmax and the like keep the order: their rules drop them.
    canonicalize(indexed, weights.clone())
}

/// Each output, an index of the best class, followed by the indices of the next ones; `largest` bounds the scores.
pub(crate) fn next_best(graph: &Graph, count: usize, largest: impl Fn(Id) -> f32) -> Result<Graph> {
    let mut b = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(graph.nodes.len());
    for (_, node) in graph.iter() {
        let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        map.push(b.add(node.op.clone(), &args, &node.name)?);
    }
    let mut outputs = Vec::with_capacity(graph.outputs.len());
    for (name, id) in &graph.outputs {
        let node = graph.node(*id);
        let Op::ArgMax(op) = &node.op else {
            return Err(CompileError::Internal(format!("output `{name}` is no index")));
        };
        let scores = node.args[0];
        let mut tournament = Tournament { b: &mut b, op: op.clone(), name: node.name.clone() };
        let all = tournament.best(map[scores.index()], map[id.index()], count, largest(scores))?;
        outputs.push((name.clone(), all));
    }
    Ok(Graph { outputs, ..b.graph })
}

struct Tournament<'a> {
    b: &'a mut Builder,
    op: ArgMax,
    name: String,
}

impl Tournament<'_> {
    fn add(&mut self, op: impl Into<Op>, args: &[Id]) -> Result<Id> {
        self.b.add(op, args, &self.name)
    }

    fn best(&mut self, mut scores: Id, first: Id, count: usize, largest: f32) -> Result<Id> {
        let mut winners = vec![first];
        // As a power of two, so that it is a sum of equal halves: exact, and local. No winner stays above another
        // score.
        let doublings = (2.0 * largest + 1.0).log2().ceil().max(1.0) as usize;
        while winners.len() < count {
            let mut step = self.one_hot(winners[winners.len() - 1], scores)?;
            for _ in 0..doublings {
                step = self.add(Add {}, &[step, step])?;
            }
            scores = self.add(Sub {}, &[scores, step])?;
            winners.push(self.add(self.op.clone(), &[scores])?);
        }
        self.add(Concat { axis: self.op.axis }, &winners)
    }

    /// One where the class is `index`, else zero: differences of the steps `index >= j`, which are differences of
    /// ReLUs.
    fn one_hot(&mut self, index: Id, scores: Id) -> Result<Id> {
        let (axis, shape) = (self.op.axis, self.b.ty(scores).shape.to_vec());
        let classes = shape[axis];
        let mut along = vec![1; shape.len()];
        along[axis] = classes + 2;
        let from = Tensor::new(&along, (0..classes + 2).map(|j| j as f32 - 1.0).collect());
        let from = self.add(real_const(&from), &[])?;
        let above = self.add(Sub {}, &[index, from])?;
        let above = self.add(Relu {}, &[above])?;
        let part = |start: usize| {
            let mut first = vec![0; shape.len()];
            first[axis] = start;
            Slice { start: first, size: shape.clone(), step: vec![1; shape.len()] }
        };
        let [lower, middle, upper] = [0, 1, 2].map(|start| self.add(part(start), &[above]));
        let (lower, middle, upper) = (lower?, middle?, upper?);
        let step = self.add(Sub {}, &[lower, middle])?;
        let next = self.add(Sub {}, &[middle, upper])?;
        self.add(Sub {}, &[step, next])
    }
}

/// Low bits that each output of a ring graph loses, by name.
pub(crate) fn rounding(ring: &Graph, reveal: Reveal) -> Result<BTreeMap<String, u8>> {
    let Reveal::Rounded(bits) = reveal else { return Ok(BTreeMap::new()) };
    let mut shifts = BTreeMap::new();
    let mut refused = Vec::new();
    for (name, id) in &ring.outputs {
        let node = ring.node(*id);
        let Some(f) = node.ty.as_fixed().filter(|_| node.ty.owner == Owner::Shared) else { continue };
        let held = u8::try_from(65 - f.max_abs().leading_zeros()).unwrap_or(u8::MAX);
        let shift = held.saturating_sub(bits);
        if shift > f.frac_bits {
            refused.push(CompileError::Unsupported {
                node: node.name.clone(),
                op: node.op.name(),
                why: format!("--reveal rounded:{bits} is less than the whole part of output `{name}`"),
                way_out: format!("give --reveal rounded:{} or more", held - f.frac_bits),
            });
        } else if shift > 0 {
            shifts.insert(name.clone(), shift);
        }
    }
    CompileError::all(refused)?;
    Ok(shifts)
}

/// An mpc graph that ends in reveals, rounded before them.
pub(crate) fn rounded(revealed: &Graph, shifts: &BTreeMap<String, u8>) -> Result<Graph> {
    if shifts.is_empty() {
        return Ok(revealed.clone());
    }
    let mut b = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(revealed.nodes.len());
    for (id, node) in revealed.iter() {
        let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        let shift =
            revealed.outputs.iter().filter(|(_, o)| *o == id).filter_map(|(name, _)| shifts.get(name)).max();
        map.push(match (&node.op, shift) {
            (Op::Mpc(MpcOp::Reveal(RevealOp { to })), Some(&shift)) => {
                let short = b.add(TruncReduceFaithful { shift, radix: MAX_RADIX }, &args, &node.name)?;
                b.add(RevealOp { to: *to }, &[short], &node.name)?
            }
            (op, _) => b.add(op.clone(), &args, &node.name)?,
        });
    }
    let outputs = revealed.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok(crate::graph_edit::prune(&Graph { outputs, ..b.graph }))
}

/// What [`rounded`] computes, in the tensor dialect.
pub(crate) fn rounded_ring(ring: Graph, shifts: &BTreeMap<String, u8>) -> Result<Graph> {
    let mut ring = ring;
    for (name, id) in ring.outputs.clone() {
        let Some(&shift) = shifts.get(&name) else { continue };
        let node = ring.node(id).clone();
        let op = picc_ir::ops::TruncReduce { shift };
        let fail = |source| CompileError::Type { node: node.name.clone(), op: "trunc_reduce", source };
        let short = ring.add(op, &[id], &node.name).map_err(fail)?;
        ring.outputs.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, o)| *o = short);
    }
    Ok(ring)
}

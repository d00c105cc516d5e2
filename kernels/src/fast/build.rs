//! From a graph to steps: constants folded, weights packed, elementwise operators joined to what they follow.

use super::Left;
use super::chain::{Binary, Link, Operand, pattern};
use super::facts::facts;
use crate::micro::{Known, PackedConv, PackedRight};
use picc_ir::eval::{EvalError, Shares, Value, eval_op, run_ring};
use picc_ir::geom::MatMulGeom;
use picc_ir::mpc::node_cost::value_bits;
use picc_ir::op::MpcOp;
use picc_ir::ops::{Conv, MatMul};
use picc_ir::weights::RingWeights;
use picc_ir::{Fixed, Graph, Id, Node, Op, Tensor, Ty, TypeError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a value begins.
pub(super) enum Base {
    /// An input of the program.
    Input(String),
    /// The same for all inputs: weights, constants and what follows from them.
    Constant(Arc<Value>),
    /// A value that is there already.
    Copy(Id),
    Conv(Id, Box<PackedConv>),
    /// Weights times a value.
    Left(Id, Box<PackedConv>),
    /// A value times weights.
    Right(Id, Box<PackedRight>),
    /// Two values that depend on the inputs.
    Product([Id; 2], MatMulGeom, u8, Known),
    /// Anything else: as the interpreter does it.
    Plain,
    /// What a protocol makes of shares; the interpreter knows how.
    Shares,
}

/// What makes the value of a node.
pub(super) struct Step {
    /// The node of `base`; the links are those of later nodes.
    pub origin: Id,
    pub base: Base,
    pub links: Vec<Link>,
    /// Values after whose step this value is dropped; `usize::MAX` for outputs.
    pub last_use: usize,
}

impl Step {
    fn new(origin: Id, base: Base) -> Step {
        Step { origin, base, links: Vec::new(), last_use: 0 }
    }

    /// The values that it reads.
    pub fn reads(&self, graph: &Graph) -> Vec<Id> {
        let mut reads = match &self.base {
            Base::Input(_) | Base::Constant(_) => Vec::new(),
            Base::Copy(x) | Base::Conv(x, _) | Base::Left(x, _) | Base::Right(x, _) => vec![*x],
            Base::Product(args, ..) => args.to_vec(),
            Base::Plain | Base::Shares => graph.node(self.origin).args.to_vec(),
        };
        for link in &self.links {
            if let Link::With { other: Operand::Node(id), .. } = link {
                reads.push(*id);
            }
        }
        reads
    }
}

/// What a run makes of protocols that are not exact.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Errors {
    /// Nothing: the meaning of the program.
    None,
    /// The errors of a private run.
    Shares,
}

/// A graph with its weights.
pub(super) struct Built {
    /// One for every node whose value is needed as a whole.
    pub steps: Vec<Option<Step>>,
    /// Constants that are not in the ranges that are claimed for them.
    pub left: Vec<Left>,
}

pub(super) fn build(graph: &Graph, weights: &RingWeights, errors: Errors) -> Result<Built, EvalError> {
    let constants = constants(graph, weights)?;
    let facts = facts(graph);
    let uses = uses(graph);
    let mut left = Vec::new();
    let mut steps: Vec<Option<Step>> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let error = |error: TypeError| EvalError::Node { id, op: node.op.name(), name: node.name.clone(), error };
        if node.args.iter().any(|a| *a >= id) {
            return Err(error(TypeError::new("an argument comes later")));
        }
        let step = match &constants[id.index()] {
            Some(value) => {
                if let (Op::Assume(claim), Some(value)) = (&node.op, value.as_ring()) {
                    let values = value.data.iter().filter(|v| !(claim.lo..=claim.hi).contains(*v)).count() as u64;
                    left.extend((values > 0).then_some(Left { node: id, values }));
                }
                Step::new(id, Base::Constant(value.clone()))
            }
            None => match link(graph, id, &constants, &uses, errors) {
                Some((x, link)) => {
                    let single = uses[x.index()] == 1;
                    let earlier = if single { steps[x.index()].take() } else { None };
                    let mut step = earlier.unwrap_or_else(|| Step::new(id, Base::Copy(x)));
                    step.links.extend(link);
                    step
                }
                None => {
                    let mut step = Step::new(id, base(graph, node, &constants, &facts, errors).map_err(error)?);
                    if let (Errors::Shares, true, Some(f)) = (errors, Shares::tosses(&node.op), node.ty.as_fixed())
                    {
                        step.links.push(Link::Coins { node: id, ring: f.ring_bits });
                    }
                    step
                }
            },
        };
        steps.push(Some(step));
    }
    last_uses(graph, &mut steps);
    Ok(Built { steps, left })
}

/// Values that do not depend on any input.
fn constants(graph: &Graph, weights: &RingWeights) -> Result<Vec<Option<Arc<Value>>>, EvalError> {
    let mut constants: Vec<Option<Arc<Value>>> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let error = |error: TypeError| EvalError::Node { id, op: node.op.name(), name: node.name.clone(), error };
        let value = match &node.op {
            Op::Input(_) => None,
            Op::Weight(_) => {
                // The interpreter's own checks, on a graph of this one node.
                let one = Graph { nodes: vec![node.clone()], outputs: vec![(String::new(), Id(0))] };
                let mut found = run_ring(&one, &BTreeMap::new(), weights, &mut |_, _| ())?;
                found.pop().map(|(_, value)| value)
            }
            op => {
                let args: Option<Vec<&Value>> =
                    node.args.iter().map(|a| constants.get(a.index()).and_then(Option::as_deref)).collect();
                let tys: Vec<&Ty> =
                    node.args.iter().filter_map(|a| graph.nodes.get(a.index())).map(|n| &n.ty).collect();
                args.map(|args| eval_op(op, &args, &tys, &node.ty)).transpose().map_err(error)?
            }
        };
        constants.push(value.map(Arc::new));
    }
    Ok(constants)
}

fn uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    let args = graph.nodes.iter().flat_map(|n| &n.args);
    for id in args.chain(graph.outputs.iter().map(|(_, id)| id)) {
        if let Some(count) = uses.get_mut(id.index()) {
            *count += 1;
        }
    }
    uses
}

fn last_uses(graph: &Graph, steps: &mut [Option<Step>]) {
    let mut last: Vec<usize> = (0..steps.len()).collect();
    for (i, step) in steps.iter().enumerate() {
        for id in step.iter().flat_map(|s| s.reads(graph)) {
            last[id.index()] = i;
        }
    }
    for (_, id) in &graph.outputs {
        if let Some(last) = last.get_mut(id.index()) {
            *last = usize::MAX;
        }
    }
    for (step, last) in steps.iter_mut().zip(last) {
        if let Some(step) = step {
            step.last_use = last;
        }
    }
}

type Constants = [Option<Arc<Value>>];

fn constant(constants: &Constants, id: Id) -> Option<&Tensor<i64>> {
    constants[id.index()].as_deref().and_then(Value::as_ring)
}

/// The operator as a link behind one of its arguments, or only another name for it.
fn link(
    graph: &Graph,
    id: Id,
    constants: &Constants,
    uses: &[usize],
    errors: Errors,
) -> Option<(Id, Option<Link>)> {
    let node = graph.node(id);
    let ring = node.ty.as_fixed()?.ring_bits;
    let first = *node.args.first()?;
    let from = graph.ty(first).as_fixed()?.ring_bits;
    let unused = 64 - u32::from(ring);
    let two = |how: Binary, reversed: Binary| -> Option<(Id, Option<Link>)> {
        let &[a, b] = &node.args[..] else { return None };
        let fits = |id: Id| constants[id.index()].is_none() && graph.ty(id).shape == node.ty.shape;
        let with = |x: Id, other: Id, how: Binary| -> Option<(Id, Option<Link>)> {
            let other = match constant(constants, other) {
                Some(value) => pattern(value, &node.ty.shape)?,
                None if x != other && graph.ty(other).shape == node.ty.shape => Operand::Node(other),
                None => return None,
            };
            Some((x, Some(Link::With { how, other, unused })))
        };
        // The later one is more likely what has just been computed.
        let first_is_better = fits(a) && (!fits(b) || (uses[a.index()] == 1 && (uses[b.index()] != 1 || a > b)));
        if first_is_better {
            with(a, b, how)
        } else if fits(b) {
            with(b, a, reversed)
        } else {
            None
        }
    };
    let trunc = |shift: u8| (first, Some(Link::Trunc { shift: shift.into(), unused: 64 - u32::from(from) }));
    if let Errors::Shares = errors {
        let shares = match &node.op {
            Op::Mpc(MpcOp::TruncReduceLocal(op)) => {
                Some(Link::TruncShares { node: id, ring: from, shift: op.shift })
            }
            Op::Mpc(MpcOp::ReluOt(op)) if op.skip_low > 0 => {
                Some(Link::ReluShares { node: id, ring: from, skip_low: op.skip_low })
            }
            _ => None,
        };
        if shares.is_some() {
            return Some((first, shares));
        }
    }
    match &node.op {
        Op::TruncReduce(op) => Some(trunc(op.shift)),
        Op::Mpc(MpcOp::TruncReduceLocal(op)) => Some(trunc(op.shift)),
        Op::Mpc(MpcOp::TruncReduceFaithful(op)) => Some(trunc(op.shift)),
        Op::Relu(_) | Op::Mpc(MpcOp::ReluOt(_)) => Some((first, Some(Link::Relu))),
        Op::Neg(_) => Some((first, Some(Link::Neg { unused }))),
        Op::Shl(op) => Some((first, Some(Link::Shl { bits: op.bits.into(), unused }))),
        Op::Reduce(_) => Some((first, Some(Link::Wrap { unused }))),
        Op::Assume(claim) => Some((first, Some(Link::Claim { node: id, lo: claim.lo, hi: claim.hi }))),
        Op::Extend(_)
        | Op::Mpc(MpcOp::ExtendOt(_))
        | Op::Mpc(MpcOp::Share(_))
        | Op::Mpc(MpcOp::Reveal(_))
        | Op::Reshape(_) => Some((first, None)),
        Op::Add(_) => two(Binary::Add, Binary::Add),
        Op::Sub(_) => two(Binary::Sub, Binary::SubFrom),
        Op::Mul(_) | Op::Mpc(MpcOp::MulOt(_)) => two(Binary::Mul, Binary::Mul),
        Op::Max(_) | Op::Mpc(MpcOp::MaxOt(_)) => two(Binary::Max, Binary::Max),
        _ => None,
    }
}

fn base(
    graph: &Graph,
    node: &Node,
    constants: &Constants,
    facts: &[Option<Fixed>],
    errors: Errors,
) -> Result<Base, TypeError> {
    let conv = |op: &Conv| -> Result<Base, TypeError> {
        let &[x, w] = &node.args[..] else { return Ok(Base::Plain) };
        let (Some(weights), None, Some(f)) = (constant(constants, w), &constants[x.index()], node.ty.as_fixed())
        else {
            return Ok(Base::Plain);
        };
        let geom = op.geom(&graph.ty(x).shape, &graph.ty(w).shape)?;
        let known = known(facts[w.index()], facts[x.index()], geom.fan_in());
        let packed = PackedConv::new(&weights.data, &geom, f.ring_bits, known).map_err(refused)?;
        Ok(Base::Conv(x, Box::new(packed)))
    };
    match &node.op {
        Op::Input(op) => Ok(Base::Input(op.name.clone())),
        Op::Conv(op) => conv(op),
        Op::Mpc(MpcOp::ConvRlwe(op)) => conv(&Conv::of(&op.geom)),
        Op::Mpc(MpcOp::ConvOt(op)) => conv(&Conv::of(&op.geom)),
        Op::MatMul(_) | Op::Mpc(MpcOp::MatMulRlwe(_)) | Op::Mpc(MpcOp::MatMulOt(_)) => {
            product(graph, node, constants, facts)
        }
        Op::Mpc(MpcOp::MaxPoolOt(op)) if op.skip_low > 0 && errors == Errors::Shares => Ok(Base::Shares),
        // As the reference computes it.
        _ => Ok(Base::Plain),
    }
}

/// A matrix product in a ring; one whose batches broadcast is left to the interpreter.
fn product(graph: &Graph, node: &Node, constants: &Constants, facts: &[Option<Fixed>]) -> Result<Base, TypeError> {
    let (&[a, b], Some(f)) = (&node.args[..], node.ty.as_fixed()) else { return Ok(Base::Plain) };
    let Ok(geom) = MatMul::geom(&graph.ty(a).shape, &graph.ty(b).shape) else { return Ok(Base::Plain) };
    let known = known(facts[a.index()], facts[b.index()], geom.inner);
    match (constant(constants, a), constant(constants, b)) {
        (None, Some(w)) if geom.batch == 1 => {
            let packed = PackedRight::new(&w.data, &geom, f.ring_bits, known.swapped()).map_err(refused)?;
            Ok(Base::Right(a, Box::new(packed)))
        }
        (Some(w), None) if geom.batch == 1 => {
            let packed = PackedConv::left(&w.data, &geom, f.ring_bits, known).map_err(refused)?;
            Ok(Base::Left(b, Box::new(packed)))
        }
        (None, None) => Ok(Base::Product([a, b], geom, f.ring_bits, known)),
        (Some(_), _) | (None, Some(_)) => Ok(Base::Plain),
    }
}

fn known(weights: Option<Fixed>, values: Option<Fixed>, fan_in: usize) -> Known {
    let bits = |f: Option<Fixed>| f.map_or(64, value_bits);
    let most = |f: Option<Fixed>| f.map_or(u128::from(u64::MAX), |f| f.max_abs().into());
    let sum = most(weights).saturating_mul(most(values)).saturating_mul(fan_in as u128);
    let exact = sum.max(most(weights)).max(most(values)) < 1 << 51;
    Known { weight_bits: bits(weights), value_bits: bits(values), sums_exact: exact }
}

fn refused(e: crate::micro::ShapeError) -> TypeError {
    TypeError::new(e.to_string())
}

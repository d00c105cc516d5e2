//! The interpreter: the meaning of a program, over the reals and, bit-exact, over rings.
//!
//! ```text
//! run_real   real graph (as imported)              every value a Tensor<f32>
//! run_ring   quantized graph, tensor or mpc dialect  Tensor<i64> up to `dequantize`, Tensor<f32> after it
//! run_shares the same, with the errors of a private run: those of truncation and of windows of comparisons
//! ```
//! Values are dropped after their last use, so memory is that of the widest cut of the graph.

mod shares;

pub use shares::{Shares, run_shares};

use crate::graph::{Graph, Id, Node};
use crate::op::Op;
use crate::ops::Dequantize;
use crate::tensor::Tensor;
use crate::ty::{Elem, Fixed, Shape, Ty, TypeError, wrap};
use crate::weights::{RealWeights, RingWeights};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// Why a graph could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error("input `{name}` is missing")]
    InputMissing { name: String },
    #[error("weight `{name}` is missing")]
    WeightMissing { name: String },
    #[error("`{name}` has shape {found:?}, the program needs {expected:?}")]
    Shape { name: String, expected: Shape, found: Shape },
    #[error("`{name}` holds {value}, outside its range [{lo}, {hi}]")]
    Range { name: String, value: i64, lo: i64, hi: i64 },
    #[error("node {} ({op} `{name}`): {error}", id.0)]
    Node { id: Id, op: &'static str, name: String, error: TypeError },
}

/// A value of a quantized graph.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Signed representatives mod the ring of the node's type.
    Ring(Tensor<i64>),
    /// What the client computes after `dequantize`.
    Real(Tensor<f32>),
}

impl Value {
    #[must_use]
    pub fn as_ring(&self) -> Option<&Tensor<i64>> {
        match self {
            Value::Ring(t) => Some(t),
            Value::Real(_) => None,
        }
    }

    #[must_use]
    pub fn as_real(&self) -> Option<&Tensor<f32>> {
        match self {
            Value::Real(t) => Some(t),
            Value::Ring(_) => None,
        }
    }

    /// The numbers that a value of type `ty` stands for: `v / 2^frac_bits`.
    #[must_use]
    pub fn to_real(&self, ty: &Ty) -> Tensor<f32> {
        match self {
            Value::Real(t) => t.clone(),
            Value::Ring(t) => {
                let scale = ty.as_fixed().map_or(1.0, |f| f64::from(f.frac_bits).exp2());
                t.map(|&v| (v as f64 / scale) as f32)
            }
        }
    }

    #[must_use]
    pub fn shape(&self) -> &Shape {
        match self {
            Value::Ring(t) => &t.shape,
            Value::Real(t) => &t.shape,
        }
    }
}

/// Evaluates a real graph; `observer` sees the value of every node. Outputs are in the graph's order.
///
/// The graph must be well-typed (see [`crate::verify()`]).
pub fn run_real(
    graph: &Graph,
    inputs: &BTreeMap<String, Tensor<f32>>,
    weights: &RealWeights,
    observer: &mut dyn FnMut(Id, &Tensor<f32>),
) -> Result<Vec<(String, Tensor<f32>)>, EvalError> {
    run(
        graph,
        |node, args: &[&Tensor<f32>], tys| match &node.op {
            Op::Input(i) => named(inputs, &i.name, &i.ty, |name| EvalError::InputMissing { name }),
            Op::Weight(w) => named(weights, &w.name, &w.ty, |name| EvalError::WeightMissing { name }),
            op => op.eval_real(args, tys).map_err(|error| failed(node, error)),
        },
        observer,
    )
}

/// Evaluates a quantized graph, in either dialect, and the client's real tail; `observer` sees every value.
///
/// Inputs are what [`quantize_to`] gives. The graph must be well-typed (see [`crate::verify()`]).
pub fn run_ring(
    graph: &Graph,
    inputs: &BTreeMap<String, Tensor<i64>>,
    weights: &RingWeights,
    observer: &mut dyn FnMut(Id, &Value),
) -> Result<Vec<(String, Value)>, EvalError> {
    run(
        graph,
        |node, args: &[&Value], tys| match source(node, inputs, weights)? {
            Some(value) => Ok(value),
            None => eval_op(&node.op, args, tys, &node.ty).map_err(|error| failed(node, error)),
        },
        observer,
    )
}

/// A source of a quantized graph; `None` for an operator with arguments.
fn source(
    node: &Node,
    inputs: &BTreeMap<String, Tensor<i64>>,
    weights: &RingWeights,
) -> Result<Option<Value>, EvalError> {
    let (name, value, ty) = match &node.op {
        Op::Input(i) => {
            let value = named(inputs, &i.name, &i.ty, |name| EvalError::InputMissing { name })?;
            (&i.name, value, &i.ty)
        }
        Op::Weight(w) => {
            let value = named(weights, &w.name, &w.ty, |name| EvalError::WeightMissing { name })?;
            (&w.name, value, &w.ty)
        }
        _ => return Ok(None),
    };
    in_range(name, &value, ty).map(|()| Some(Value::Ring(value)))
}

/// One operator of a quantized graph: over the ring, over the reals, or from one to the other.
pub fn eval_op(op: &Op, args: &[&Value], tys: &[&Ty], ty: &Ty) -> Result<Value, TypeError> {
    if let (Op::Dequantize(_), [Value::Ring(x)], Some(f)) = (op, args, tys.first().and_then(|t| t.as_fixed())) {
        return Ok(Value::Real(Dequantize::eval(x, f.frac_bits)));
    }
    let mixed = || TypeError::new("arguments from a ring and from the reals");
    match ty.elem {
        Elem::Real => {
            let args: Option<SmallVec<[&Tensor<f32>; 4]>> = args.iter().map(|v| v.as_real()).collect();
            op.eval_real(&args.ok_or_else(mixed)?, tys).map(Value::Real)
        }
        Elem::Fixed(f) => {
            let args: Option<SmallVec<[&Tensor<i64>; 4]>> = args.iter().map(|v| v.as_ring()).collect();
            let mut out = op.eval_ring(&args.ok_or_else(mixed)?, tys)?;
            if f.ring_bits < 64 {
                out.data.iter_mut().for_each(|v| *v = wrap(*v, f.ring_bits));
            }
            Ok(Value::Ring(out))
        }
    }
}

/// Nodes in order; each value lives until its last use.
fn run<V: Clone>(
    graph: &Graph,
    mut eval: impl FnMut(&Node, &[&V], &[&Ty]) -> Result<V, EvalError>,
    observer: &mut dyn FnMut(Id, &V),
) -> Result<Vec<(String, V)>, EvalError> {
    let last_uses = last_uses(graph);
    let mut values: Vec<Option<V>> = graph.nodes.iter().map(|_| None).collect();
    for (id, node) in graph.iter() {
        let args: Option<SmallVec<[&V; 4]>> =
            node.args.iter().map(|a| values.get(a.index()).and_then(Option::as_ref)).collect();
        let args = args.ok_or_else(|| at(failed(node, TypeError::new("an argument comes later")), id))?;
        let tys: SmallVec<[&Ty; 4]> = node.args.iter().map(|&a| graph.ty(a)).collect();
        let value = eval(node, &args, &tys).map_err(|e| at(e, id))?;
        drop(args);
        observer(id, &value);
        values[id.index()] = Some(value);
        for &a in node.args.iter().chain([&id]) {
            if last_uses[a.index()] <= id.index() {
                values[a.index()] = None;
            }
        }
    }
    let output = |(name, id): &(String, Id)| {
        let value = values.get(id.index()).cloned().flatten();
        value.map(|v| (name.clone(), v)).ok_or_else(|| {
            let error = TypeError::new(format!("output `{name}` is not in the graph"));
            EvalError::Node { id: *id, op: "output", name: name.clone(), error }
        })
    };
    graph.outputs.iter().map(output).collect()
}

/// For each node the index of the last node that uses it; outputs are used at the end.
fn last_uses(graph: &Graph) -> Vec<usize> {
    let mut last: Vec<usize> = (0..graph.nodes.len()).collect();
    for (id, node) in graph.iter() {
        for a in &node.args {
            if let Some(last) = last.get_mut(a.index()) {
                *last = id.index();
            }
        }
    }
    for (_, id) in &graph.outputs {
        if let Some(last) = last.get_mut(id.index()) {
            *last = usize::MAX;
        }
    }
    last
}

fn failed(node: &Node, error: TypeError) -> EvalError {
    EvalError::Node { id: Id(0), op: node.op.name(), name: node.name.clone(), error }
}

fn at(error: EvalError, id: Id) -> EvalError {
    match error {
        EvalError::Node { op, name, error, .. } => EvalError::Node { id, op, name, error },
        other @ (EvalError::InputMissing { .. }
        | EvalError::WeightMissing { .. }
        | EvalError::Shape { .. }
        | EvalError::Range { .. }) => other,
    }
}

/// The tensor called `name`, in the shape that its node states.
fn named<T: Clone>(
    tensors: &BTreeMap<String, Tensor<T>>,
    name: &str,
    ty: &Ty,
    missing: impl FnOnce(String) -> EvalError,
) -> Result<Tensor<T>, EvalError> {
    let t = tensors.get(name).ok_or_else(|| missing(name.to_owned()))?;
    if t.shape != ty.shape || t.data.len() != ty.len() {
        return Err(EvalError::Shape { name: name.to_owned(), expected: ty.shape.clone(), found: t.shape.clone() });
    }
    Ok(t.clone())
}

fn in_range(name: &str, t: &Tensor<i64>, ty: &Ty) -> Result<(), EvalError> {
    let Some(f) = ty.as_fixed() else { return Ok(()) };
    match t.data.iter().find(|v| !(f.lo..=f.hi).contains(v)) {
        Some(&value) => Err(EvalError::Range { name: name.to_owned(), value, lo: f.lo, hi: f.hi }),
        None => Ok(()),
    }
}

/// `round(x * 2^frac_bits)`, halves away from zero, saturated at the limits of the ring; NaN becomes 0.
#[must_use]
pub fn quantize_input(x: &Tensor<f32>, frac_bits: u8, ring_bits: u8) -> Tensor<i64> {
    quantize_to(x, Fixed::full(ring_bits, frac_bits))
}

/// As [`quantize_input`], saturated at the range of the element.
#[must_use]
pub fn quantize_to(x: &Tensor<f32>, f: Fixed) -> Tensor<i64> {
    let scale = f64::from(f.frac_bits).exp2();
    // The conversion to integer saturates at 64 bits.
    x.map(|&v| ((f64::from(v) * scale).round() as i64).clamp(f.lo, f.hi))
}

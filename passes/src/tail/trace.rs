//! The client's part element by element: which revealed elements the outputs need, and which follow from the outputs.
//!
//! A value is a tensor of elements' numbers, so what only moves elements (slices, concatenations, padding) is evaluated
//! by its own meaning on those numbers; everything else adds equations (see [`super::facts`]).

use super::facts::{Facts, Var, ZERO};
use super::pointwise;
use crate::error::{CompileError, Result};
use picc_ir::op::{Op, OpDef};
use picc_ir::ops::{ConstValue, Expand, Function};
use picc_ir::{Elem, Fixed, Graph, Id, Node, Owner, Tensor, Ty};

/// A value that the client was shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub id: Id,
    /// Elements that a declared output is computed from.
    pub needed: Vec<bool>,
    /// Elements that follow from the declared outputs (of a softmax's logits: but for one summand).
    pub follows: Vec<bool>,
}

impl Shown {
    /// How many elements say more than the declared outputs do.
    pub fn beyond(&self) -> usize {
        self.needed.iter().zip(&self.follows).filter(|(needed, follows)| **needed && !**follows).count()
    }
}

/// What is said of each source of `graph` (a client's part): a node whose values the client was shown. The client knew
/// those that `own` names before.
pub(crate) fn shown(graph: &Graph, sources: &[Id], own: &dyn Fn(Id) -> bool) -> Result<Vec<Shown>> {
    if let Some(plain) = plainly_invertible(graph, sources) {
        return Ok(plain);
    }
    let mut trace = Trace { facts: Facts::default(), values: vec![None; graph.nodes.len()] };
    for &id in sources {
        let vars = graph.ty(id).shape.iter().product::<usize>();
        let vars: Vec<i64> = (0..vars).map(|_| i64::from(trace.facts.fresh(false))).collect();
        if own(id) {
            vars.iter().for_each(|&v| trace.facts.learn(var(v)));
        }
        trace.values[id.index()] = Some(Tensor::new(&graph.ty(id).shape, vars));
    }
    for (id, node) in graph.iter() {
        let ready = node.args.iter().all(|a| trace.values[a.index()].is_some());
        if trace.values[id.index()].is_none() && node.ty.elem == Elem::Real && ready {
            let value = trace.node(node)?;
            trace.values[id.index()] = Some(value);
        }
    }
    for function in pointwise::undone(graph) {
        let [y, x] = [function.y, function.x].map(|id| trace.values[id.index()].as_ref());
        if let (Some(y), Some(x)) = (y, x) {
            elements(y).zip(elements(x)).for_each(|(y, x)| trace.facts.undo(y, x));
        }
    }
    let outputs: Vec<Var> =
        graph.outputs.iter().filter_map(|(_, id)| trace.values[id.index()].as_ref()).flat_map(elements).collect();
    let needed = trace.facts.needed(outputs.iter().copied());
    outputs.iter().for_each(|&v| trace.facts.learn(v));
    trace.facts.close();
    let of = |&id: &Id| {
        let vars = || trace.values[id.index()].iter().flat_map(elements);
        Shown {
            id,
            needed: vars().map(|v| needed[v as usize]).collect(),
            follows: vars().map(|v| trace.facts.is_known(v)).collect(),
        }
    };
    Ok(sources.iter().map(of).collect())
}

/// The common case without looking at elements: each source reaches an output by steps that can be undone.
fn plainly_invertible(graph: &Graph, sources: &[Id]) -> Option<Vec<Shown>> {
    let mut reached = vec![false; graph.nodes.len()];
    for (_, output) in &graph.outputs {
        let mut at = *output;
        while !sources.contains(&at) {
            let node = graph.node(at);
            match node.op {
                Op::Unary(_)
                | Op::Softmax(_)
                | Op::LogSoftmax(_)
                | Op::Neg(_)
                | Op::Reshape(_)
                | Op::Transpose(_) => {
                    at = *node.args.first()?;
                }
                _ => return None,
            }
        }
        reached[at.index()] = true;
    }
    let all = |&id: &Id| {
        let count = graph.ty(id).shape.iter().product();
        reached[id.index()].then(|| Shown { id, needed: vec![true; count], follows: vec![true; count] })
    };
    sources.iter().map(all).collect()
}

fn var(v: i64) -> Var {
    Var::try_from(v).unwrap_or(ZERO)
}

fn elements(t: &Tensor<i64>) -> impl Iterator<Item = Var> + '_ {
    t.data.iter().map(|&v| var(v))
}

struct Trace {
    facts: Facts,
    values: Vec<Option<Tensor<i64>>>,
}

impl Trace {
    fn node(&mut self, node: &Node) -> Result<Tensor<i64>> {
        let args: Vec<Tensor<i64>> = node.args.iter().filter_map(|a| self.values[a.index()].clone()).collect();
        let shape = &node.ty.shape[..];
        let each = |t: &Tensor<i64>, f: &mut dyn FnMut(Var) -> Var| t.map(|&v| i64::from(f(var(v))));
        Ok(match &node.op {
            Op::Const(c) => {
                let ConstValue::Real(values) = &c.value else { return self.opaque(node, &args) };
                if let [one] = &values[..] {
                    return Ok(Tensor::full(shape, i64::from(self.facts.constant(one.value()))));
                }
                Tensor::new(shape, values.iter().map(|v| i64::from(self.facts.constant(v.value()))).collect())
            }
            Op::Slice(_)
            | Op::Concat(_)
            | Op::Pad(_)
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Expand(_)
            | Op::Gather(_)
            | Op::ZeroInsert(_) => self.moved(node, &args)?,
            Op::Unary(u) => {
                let nonzero = matches!(u.function, Function::Exp | Function::Sigmoid | Function::Reciprocal);
                each(&args[0], &mut |x| self.facts.injective(x, nonzero))
            }
            Op::Neg(_) => each(&args[0], &mut |x| self.facts.sum(&[(-1.0, x)])),
            Op::Add(_) => self.pairs(node, &args, |f, a, b| f.sum(&[(1.0, a), (1.0, b)]))?,
            Op::Sub(_) => self.pairs(node, &args, |f, a, b| f.sum(&[(1.0, a), (-1.0, b)]))?,
            Op::Mul(_) => self.pairs(node, &args, Facts::product)?,
            Op::Div(_) => self.pairs(node, &args, Facts::quotient)?,
            Op::Softmax(s) => self.groups(&args[0], s.axis, true),
            Op::LogSoftmax(s) => self.groups(&args[0], s.axis, false),
            Op::ReduceSum(r) => {
                let kept: Vec<usize> = args[0]
                    .shape
                    .iter()
                    .enumerate()
                    .map(|(i, &d)| if r.axes.contains(&i) { 1 } else { d })
                    .collect();
                let count = kept.iter().product::<usize>();
                let places = Tensor::new(&kept, (0i64..).take(count).collect());
                let places = expanded(&places, &args[0].shape, node)?;
                let mut terms: Vec<Vec<(f64, Var)>> = vec![Vec::new(); count];
                for (&place, x) in places.data.iter().zip(elements(&args[0])) {
                    terms[usize::try_from(place).unwrap_or_default()].push((1.0, x));
                }
                Tensor::new(shape, terms.iter().map(|t| i64::from(self.facts.sum(t))).collect())
            }
            _ => return self.opaque(node, &args),
        })
    }

    /// What only moves elements means the same on their numbers.
    fn moved(&self, node: &Node, args: &[Tensor<i64>]) -> Result<Tensor<i64>> {
        let tys: Vec<Ty> = args.iter().map(|t| numbers(&t.shape)).collect();
        let (args, tys): (Vec<&Tensor<i64>>, Vec<&Ty>) = (args.iter().collect(), tys.iter().collect());
        node.op.eval_ring(&args, &tys).map_err(|source| failed(node, source))
    }

    /// Elementwise, with broadcasting.
    fn pairs(
        &mut self,
        node: &Node,
        args: &[Tensor<i64>],
        mut f: impl FnMut(&mut Facts, Var, Var) -> Var,
    ) -> Result<Tensor<i64>> {
        let shape = &node.ty.shape;
        let (a, b) = (expanded(&args[0], shape, node)?, expanded(&args[1], shape, node)?);
        let pairs = elements(&a).zip(elements(&b));
        Ok(Tensor::new(shape, pairs.map(|(a, b)| i64::from(f(&mut self.facts, a, b))).collect()))
    }

    fn groups(&mut self, x: &Tensor<i64>, axis: usize, nonzero: bool) -> Tensor<i64> {
        let (extent, inner) = (x.shape[axis], x.shape[axis + 1..].iter().product::<usize>());
        let mut y = x.clone();
        for outer in 0..x.shape[..axis].iter().product() {
            for i in 0..inner {
                let at = |k: usize| (outer * extent + k) * inner + i;
                let xs: Vec<Var> = (0..extent).map(|k| var(x.data[at(k)])).collect();
                for (k, v) in self.facts.group(&xs, nonzero).into_iter().enumerate() {
                    y.data[at(k)] = i64::from(v);
                }
            }
        }
        y
    }

    /// Every element of the result is computed from all elements of the arguments, and says nothing of a single one.
    fn opaque(&mut self, node: &Node, args: &[Tensor<i64>]) -> Result<Tensor<i64>> {
        let all: Vec<Var> = args.iter().flat_map(elements).collect();
        let all = self.facts.opaque(&all);
        let count = node.ty.shape.iter().product::<usize>();
        let pointwise = matches!(node.op, Op::Relu(_)).then(|| &args[0]);
        let of = |i: usize| pointwise.map_or(all, |x| var(x.data[i]));
        Ok(Tensor::new(&node.ty.shape, (0..count).map(|i| i64::from(self.facts.opaque(&[of(i)]))).collect()))
    }
}

/// The type of elements' numbers.
fn numbers(shape: &[usize]) -> Ty {
    Ty::fixed(shape, Fixed::full(64, 0), Owner::Public)
}

fn expanded(t: &Tensor<i64>, shape: &[usize], node: &Node) -> Result<Tensor<i64>> {
    let op = Expand { shape: shape.to_vec() };
    op.eval_ring(&[t], &[&numbers(&t.shape)]).map_err(|source| failed(node, source))
}

fn failed(node: &Node, source: picc_ir::TypeError) -> CompileError {
    CompileError::Type { node: node.name.clone(), op: node.op.name(), source }
}

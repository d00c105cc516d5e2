//! What a quantized graph computes, fast, for accuracy runs: bit for bit what [`picc_ir::eval::run_ring`] says, or,
//! with the errors of a private run, [`picc_ir::eval::run_shares`].
//!
//! ```text
//! graph + weights --once--> constants folded, weights packed, elementwise operators joined into chains
//! inputs          --------> a few images at once through each step; groups of images on all threads
//! ```
//! Products run in [`crate::micro`], in the fastest arithmetic that ranges allow; ranges that are only claimed
//! (`assume`) do not count. What has no fast form runs as in the interpreter.

mod build;
mod chain;
mod facts;

use crate::micro::{PackedConv, ShapeError, matmul, matmul_on_threads};
use build::{Base, Built, Errors, Step, build};
use chain::{Link, Operand, apply};
use picc_ir::eval::{EvalError, Shares, Value, eval_op, run_ring};
use picc_ir::weights::RingWeights;
use picc_ir::{Graph, Id, Tensor, Ty, TypeError};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Inputs of one evaluation, by name.
pub type Inputs = BTreeMap<String, Tensor<i64>>;
/// Outputs of one evaluation, in the graph's order.
pub type Outputs = Vec<(String, Value)>;

/// One evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    pub outputs: Outputs,
    /// Where values left a range that an `assume` claims, in the order of the nodes; empty if the program keeps its
    /// promises.
    pub left: Vec<Left>,
}

/// Values that are not in the range that a node claims, mod their ring: those that wrapped back into it are not
/// counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// The `assume`.
    pub node: Id,
    pub values: u64,
}

/// Most inputs that go through a step together, and elements of a value of them all.
const TOGETHER: usize = 8;
const ELEMENTS: usize = 1 << 18;

/// A graph with its weights, ready to run on many inputs.
pub struct Runner {
    graph: Graph,
    steps: Vec<Option<Step>>,
    left: Vec<Left>,
    together: usize,
}

/// As [`Runner`], with the errors of a private run: see [`picc_ir::eval::run_shares`].
pub struct SharesRunner(Runner);

impl SharesRunner {
    /// Packs the weights. The graph must be well-typed and in the mpc dialect.
    ///
    /// # Errors
    /// If a weight is missing or does not fit.
    pub fn new(graph: &Graph, weights: &RingWeights) -> Result<SharesRunner, EvalError> {
        Runner::with(graph, weights, Errors::Shares).map(SharesRunner)
    }

    /// Many evaluations, each with the seed of its shares, on all threads of the current rayon pool; in the inputs'
    /// order.
    ///
    /// # Errors
    /// If an input is missing or does not fit.
    pub fn run_many(&self, inputs: &[(&Inputs, u64)]) -> Result<Vec<Evaluation>, EvalError> {
        self.0.many(inputs)
    }
}

/// A value for each of the inputs that run together.
enum Held {
    Same(Arc<Value>),
    Each(Vec<Value>),
}

impl Held {
    fn get(&self, i: usize) -> Option<&Value> {
        match self {
            Held::Same(value) => Some(value),
            Held::Each(values) => values.get(i),
        }
    }
}

impl Runner {
    /// Packs the weights. The graph must be well-typed (see [`picc_ir::verify()`]).
    ///
    /// # Errors
    /// If a weight is missing or does not fit.
    pub fn new(graph: &Graph, weights: &RingWeights) -> Result<Runner, EvalError> {
        Runner::with(graph, weights, Errors::None)
    }

    /// One evaluation, its large products on all threads of the current rayon pool.
    ///
    /// # Errors
    /// If an input is missing or does not fit.
    pub fn run(&self, inputs: &Inputs) -> Result<Outputs, EvalError> {
        let runs = self.batch(&[(inputs, 0)], true)?;
        runs.into_iter().next().map(|run| run.outputs).ok_or_else(|| self.failed(Id(0), "no output"))
    }

    /// Many evaluations, on all threads of the current rayon pool, in the order of the inputs.
    ///
    /// # Errors
    /// If an input is missing or does not fit.
    pub fn run_many(&self, inputs: &[Inputs]) -> Result<Vec<Evaluation>, EvalError> {
        let seeded: Vec<(&Inputs, u64)> = inputs.iter().map(|i| (i, 0)).collect();
        self.many(&seeded)
    }

    fn with(graph: &Graph, weights: &RingWeights, errors: Errors) -> Result<Runner, EvalError> {
        let Built { steps, left } = build(graph, weights, errors)?;
        let largest = graph.nodes.iter().map(|n| n.ty.len()).max().unwrap_or(1);
        let together = (ELEMENTS / largest.max(1)).clamp(1, TOGETHER);
        Ok(Runner { graph: graph.clone(), steps, left, together })
    }

    fn many(&self, inputs: &[(&Inputs, u64)]) -> Result<Vec<Evaluation>, EvalError> {
        let share = inputs.len().div_ceil(rayon::current_num_threads()).max(1);
        let batches = inputs.par_chunks(self.together.min(share)).map(|batch| self.batch(batch, false));
        Ok(batches.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    fn batch(&self, inputs: &[(&Inputs, u64)], threads: bool) -> Result<Vec<Evaluation>, EvalError> {
        let mut left = vec![self.left.clone(); inputs.len()];
        let mut values: Vec<Option<Held>> = self.steps.iter().map(|_| None).collect();
        for (i, step) in self.steps.iter().enumerate() {
            let Some(step) = step else { continue };
            let id = Id(i as u32);
            let held = self.step(id, step, inputs, &mut values, &mut left, threads)?;
            values[i] = Some(held);
            for read in step.reads(&self.graph).into_iter().chain([id]) {
                let over = self.steps[read.index()].as_ref().is_none_or(|s| s.last_use <= i);
                if over {
                    values[read.index()] = None;
                }
            }
        }
        let output = |of: usize, (name, id): &(String, Id)| {
            let value = values.get(id.index()).and_then(Option::as_ref).and_then(|h| h.get(of)).cloned();
            let missing = || EvalError::Node {
                id: *id,
                op: "output",
                name: name.clone(),
                error: TypeError::new(format!("output `{name}` is not in the graph")),
            };
            value.map(|v| (name.clone(), v)).ok_or_else(missing)
        };
        let run = |(of, mut left): (usize, Vec<Left>)| {
            let outputs = self.graph.outputs.iter().map(|o| output(of, o)).collect::<Result<_, _>>()?;
            left.sort_by_key(|l| l.node);
            Ok(Evaluation { outputs, left })
        };
        left.into_iter().enumerate().map(run).collect()
    }

    fn step(
        &self,
        id: Id,
        step: &Step,
        inputs: &[(&Inputs, u64)],
        values: &mut [Option<Held>],
        left: &mut [Vec<Left>],
        threads: bool,
    ) -> Result<Held, EvalError> {
        let count = inputs.len();
        let begun: Vec<Value> = match &step.base {
            Base::Constant(value) => return Ok(Held::Same(value.clone())),
            Base::Input(name) => {
                inputs.iter().map(|(i, _)| self.input(step.origin, name, i)).collect::<Result<_, _>>()?
            }
            Base::Copy(x) => self.copy(*x, id, step, count, values)?,
            Base::Plain => {
                (0..count).map(|i| self.plain(step.origin, i, None, values)).collect::<Result<_, _>>()?
            }
            Base::Shares => {
                let one = |(i, (_, seed)): (usize, &(_, u64))| {
                    self.plain(step.origin, i, Some(Shares::new(*seed, step.origin)), values)
                };
                inputs.iter().enumerate().map(one).collect::<Result<_, _>>()?
            }
            Base::Conv(x, packed) | Base::Left(x, packed) => {
                let xs = self.integers(*x, count, values)?;
                convolved(packed, &xs, threads).map_err(|e| self.failed(step.origin, e.to_string()))?
            }
            Base::Right(x, packed) => {
                let one = |x: &[i64]| -> Result<Value, ShapeError> {
                    let mut out = vec![0; packed.product_len()];
                    packed.run(x, &mut out).map(|()| flat(out))
                };
                let products = self.integers(*x, count, values)?.into_iter().map(one);
                products.collect::<Result<_, _>>().map_err(|e| self.failed(step.origin, e.to_string()))?
            }
            Base::Product([a, b], geom, ring, known) => {
                let run = if threads { matmul_on_threads } else { matmul };
                let one = |(a, b)| -> Result<Value, ShapeError> {
                    let mut out = vec![0; geom.batch * geom.rows * geom.cols];
                    run(a, b, &mut out, geom, *ring, *known).map(|()| flat(out))
                };
                let (a, b) = (self.integers(*a, count, values)?, self.integers(*b, count, values)?);
                let products = a.into_iter().zip(b).map(one);
                products.collect::<Result<_, _>>().map_err(|e| self.failed(step.origin, e.to_string()))?
            }
        };
        self.finish(id, step, begun, inputs, values, left).map(Held::Each)
    }

    /// Runs the links, and gives the value the shape of node `id`.
    fn finish(
        &self,
        id: Id,
        step: &Step,
        begun: Vec<Value>,
        inputs: &[(&Inputs, u64)],
        values: &[Option<Held>],
        left: &mut [Vec<Left>],
    ) -> Result<Vec<Value>, EvalError> {
        let mut others: Vec<(Id, Vec<&[i64]>)> = Vec::new();
        for link in &step.links {
            if let Link::With { other: Operand::Node(other), .. } = link {
                others.push((*other, self.integers(*other, begun.len(), values)?));
            }
        }
        let shape = &self.graph.ty(id).shape;
        let mut done = Vec::with_capacity(begun.len());
        for (i, value) in begun.into_iter().enumerate() {
            done.push(match value {
                Value::Ring(mut t) => {
                    let of = |id: Id| others.iter().find(|(other, _)| *other == id).map_or(&[][..], |(_, v)| v[i]);
                    apply(&step.links, &mut t.data, inputs[i].1, of, &mut left[i]);
                    t.shape.clone_from(shape);
                    Value::Ring(t)
                }
                real @ Value::Real(_) => real,
            });
        }
        Ok(done)
    }

    /// As the interpreter checks it.
    fn input(&self, id: Id, name: &str, inputs: &Inputs) -> Result<Value, EvalError> {
        let one = Graph { nodes: vec![self.graph.node(id).clone()], outputs: vec![(name.to_owned(), Id(0))] };
        let mut found = run_ring(&one, inputs, &RingWeights::new(), &mut |_, _| ())?;
        found.pop().map(|(_, value)| value).ok_or_else(|| self.failed(id, "no value"))
    }

    fn plain(&self, id: Id, i: usize, shares: Option<Shares>, values: &[Option<Held>]) -> Result<Value, EvalError> {
        let node = self.graph.node(id);
        let tys: Vec<&Ty> = node.args.iter().map(|&a| self.graph.ty(a)).collect();
        let args = node.args.iter().map(|&a| self.value(a, i, values)).collect::<Result<Vec<_>, _>>()?;
        let noisy = shares
            .map(|s| s.protocol(&node.op, &args, &tys, &node.ty))
            .transpose()
            .map_err(|e| self.failed(id, e.0))?;
        match noisy.flatten() {
            Some(value) => Ok(value),
            None => eval_op(&node.op, &args, &tys, &node.ty).map_err(|e| self.failed(id, e.0)),
        }
    }

    /// The value itself if nothing needs it any more.
    fn copy(
        &self,
        x: Id,
        id: Id,
        step: &Step,
        count: usize,
        values: &mut [Option<Held>],
    ) -> Result<Vec<Value>, EvalError> {
        let again = step.reads(&self.graph).iter().filter(|read| **read == x).count() > 1;
        let dies = self.steps[x.index()].as_ref().is_some_and(|s| s.last_use == id.index());
        match &mut values[x.index()] {
            Some(Held::Each(own)) if dies && !again => Ok(std::mem::take(own)),
            _ => (0..count).map(|i| self.value(x, i, values).cloned()).collect(),
        }
    }

    fn value<'a>(&self, id: Id, i: usize, values: &'a [Option<Held>]) -> Result<&'a Value, EvalError> {
        let held = values.get(id.index()).and_then(Option::as_ref);
        held.and_then(|h| h.get(i)).ok_or_else(|| self.failed(id, "its value is gone"))
    }

    fn integers<'a>(&self, id: Id, count: usize, values: &'a [Option<Held>]) -> Result<Vec<&'a [i64]>, EvalError> {
        let one = |i| match self.value(id, i, values)? {
            Value::Ring(t) => Ok(&t.data[..]),
            Value::Real(_) => Err(self.failed(id, "an integer was expected")),
        };
        (0..count).map(one).collect()
    }

    fn failed(&self, id: Id, error: impl Into<String>) -> EvalError {
        let (op, name) = self.graph.nodes.get(id.index()).map_or(("", ""), |n| (n.op.name(), n.name.as_str()));
        EvalError::Node { id, op, name: name.to_owned(), error: TypeError::new(error) }
    }
}

fn convolved(packed: &PackedConv, xs: &[&[i64]], threads: bool) -> Result<Vec<Value>, ShapeError> {
    let g = packed.geom();
    let [oh, ow] = g.out_hw();
    let (from, to) = (g.c_in * g.h * g.w, g.c_out * oh * ow);
    let mut outs = vec![vec![0; g.n * to]; xs.len()];
    if threads && rayon::current_num_threads() > 1 {
        xs.iter().zip(&mut outs).try_for_each(|(x, out)| packed.run_on_threads(x, out))?;
    } else {
        let images: Vec<&[i64]> = xs.iter().flat_map(|x| x.chunks_exact(from)).collect();
        let mut outs: Vec<&mut [i64]> = outs.iter_mut().flat_map(|o| o.chunks_exact_mut(to)).collect();
        packed.run_many(&images, &mut outs)?;
    }
    Ok(outs.into_iter().map(flat).collect())
}

/// Integers whose shape follows.
fn flat(data: Vec<i64>) -> Value {
    Value::Ring(Tensor { shape: [data.len()].as_slice().into(), data })
}

#[cfg(test)]
mod tests;

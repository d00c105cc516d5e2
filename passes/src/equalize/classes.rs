//! Which elements must have the same scale.
//!
//! Every element carries a label; a step that only moves elements moves labels, one that needs its arguments at one
//! scale unites them, and a layer with secret weights starts new ones, one for each of its channels.

use crate::error::{CompileError, Result};
use crate::graph_edit::is_known;
use crate::quantize::factor;
use crate::sets::Sets;
use picc_ir::facts::Movement;
use picc_ir::op::Op;
use picc_ir::ops::Add;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use std::collections::BTreeMap;

/// The label of zeros that no scale changes.
pub(super) const FREE: u32 = 0;
/// The label of elements that keep their scale.
pub(super) const PINNED: u32 = 1;
/// Labels must be exact as `f32`; no network comes near.
const MOST: usize = 1 << 24;

/// Labels of a tensor's elements: each stands for `run` of them in a row.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    pub run: usize,
    pub of: Vec<u32>,
}

impl Labels {
    fn new(labels: &[u32]) -> Labels {
        // Channels of images are long runs of one label.
        let mut run = labels.len();
        let mut start = 0;
        for i in 1..=labels.len() {
            if i == labels.len() || labels[i] != labels[start] {
                run = gcd(run, i - start);
                start = i;
            }
        }
        let run = run.max(1);
        Labels { run, of: labels.iter().copied().step_by(run).collect() }
    }

    /// One for each element.
    pub fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.of.iter().flat_map(|&l| std::iter::repeat_n(l, self.run))
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How a layer with known weights ties scales together: the labels by which each element of the weights is multiplied.
#[derive(Clone, Debug)]
pub(super) struct Scaled {
    /// Which argument is known.
    pub arg: usize,
    /// Label of what each weight is multiplied with, whose scale it takes away; `FREE` for what is added.
    pub input: Vec<u32>,
    /// Label of what it gives its scale to.
    pub output: Vec<u32>,
}

/// See the module.
pub(super) struct Classes {
    sets: Sets,
    /// For each node, its elements; none for what is known.
    pub labels: Vec<Option<Labels>>,
    /// For each node with known weights that can be scaled.
    pub scaled: Vec<Option<Scaled>>,
}

impl Classes {
    /// The class of a label, by its first label.
    pub fn root(&self, l: u32) -> u32 {
        self.sets.root(l)
    }

    pub fn count(&self) -> usize {
        self.sets.len()
    }

    fn fresh(&mut self, n: usize) -> Vec<u32> {
        let first = self.sets.grow(n);
        (first..first + n as u32).collect()
    }

    /// One scale for both; zeros have any.
    fn unite(&mut self, a: u32, b: u32) -> u32 {
        if a == FREE || b == FREE {
            return a.max(b);
        }
        self.sets.unite(a, b)
    }

    /// One scale for all elements that `slot` takes to one place, of `count`: the labels of the places.
    fn collapse(&mut self, labels: &[u32], slot: &[usize], count: usize) -> Vec<u32> {
        let mut of = vec![FREE; count];
        for (&l, &s) in labels.iter().zip(slot) {
            of[s] = self.unite(of[s], l);
        }
        of
    }

    fn pin(&mut self, labels: &[u32]) {
        labels.iter().for_each(|&l| _ = self.unite(l, PINNED));
    }
}

/// For each element of a shape its index among those axes for which `kept` holds, and how many of these there are.
pub(super) fn slots(shape: &[usize], kept: impl Fn(usize) -> bool) -> (Vec<usize>, usize) {
    let mut slots = vec![0];
    let mut count = 1;
    for (axis, &extent) in shape.iter().enumerate() {
        let (step, each) = if kept(axis) { (1, extent) } else { (0, 1) };
        slots = slots.iter().flat_map(|&s| (0..extent).map(move |i| s * each + i * step)).collect();
        count *= each;
    }
    (slots, count)
}

/// Labels of all elements. With `ends` inputs and outputs may have any scale.
pub(super) fn classes(graph: &Graph, ends: bool) -> Result<Option<Classes>> {
    let n = graph.nodes.len();
    let mut c = Classes { sets: Sets::new(2), labels: vec![None; n], scaled: vec![None; n] };
    for (id, node) in graph.iter().filter(|(id, _)| !is_known(graph, *id)) {
        let labels = match &node.op {
            Op::Input(_) if ends => c.fresh(node.ty.len()),
            Op::Input(_) => vec![PINNED; node.ty.len()],
            _ => labels_of(graph, &mut c, id)?,
        };
        if c.count() >= MOST {
            return Ok(None);
        }
        c.labels[id.index()] = Some(Labels::new(&labels));
    }
    if !ends {
        for (_, id) in &graph.outputs {
            let labels = of(&c, *id);
            c.pin(&labels);
        }
    }
    shared(graph, &mut c);
    // A tensor with elements that keep their scale keeps it as a whole: they say how large it is.
    loop {
        let mixed = |l: &Labels| {
            let pinned = l.of.iter().filter(|&&l| c.root(l) == PINNED).count();
            pinned > 0 && l.of.iter().any(|&l| l != FREE && c.root(l) != PINNED)
        };
        let found: Vec<Labels> = c.labels.iter().flatten().filter(|l| mixed(l)).cloned().collect();
        if found.is_empty() {
            break;
        }
        found.iter().for_each(|labels| c.pin(&labels.of));
    }
    Ok(Some(c))
}

/// A weight that several nodes use is scaled for all of them alike, so that it stays one weight: its users' channels are
/// united one by one. Where one of them uses it in another way they keep their scale.
fn shared(graph: &Graph, c: &mut Classes) {
    let mut users: BTreeMap<String, Vec<Option<Id>>> = BTreeMap::new();
    for (id, node) in graph.iter() {
        for (i, &a) in node.args.iter().enumerate().filter(|(_, a)| is_known(graph, **a)) {
            let scales = c.scaled[id.index()].as_ref().is_some_and(|s| s.arg == i);
            users.entry(name(graph, a)).or_default().push(scales.then_some(id));
        }
    }
    for users in users.into_values().filter(|users| users.len() > 1) {
        let all: Vec<Scaled> = users.iter().flatten().filter_map(|id| c.scaled[id.index()].clone()).collect();
        let alike = |s: &Scaled| {
            let free = |l: &Vec<u32>| l.iter().map(|&l| l == FREE).collect::<Vec<_>>();
            (free(&s.input), free(&s.output))
        };
        if all.len() < users.len() || all.windows(2).any(|w| alike(&w[0]) != alike(&w[1])) {
            for s in &all {
                c.pin(&s.input);
                c.pin(&s.output);
            }
            continue;
        }
        for w in all.windows(2) {
            w[0].input.iter().zip(&w[1].input).for_each(|(&a, &b)| _ = c.unite(a, b));
            w[0].output.iter().zip(&w[1].output).for_each(|(&a, &b)| _ = c.unite(a, b));
        }
    }
}

/// What a weight with scales in it is called: as before; constants get a name.
pub(super) fn name(graph: &Graph, known: Id) -> String {
    match &graph.node(known).op {
        Op::Weight(w) => w.name.clone(),
        _ => format!("{}*{}", graph.node(known).name, known.0),
    }
}

fn of(c: &Classes, id: Id) -> Vec<u32> {
    c.labels[id.index()].as_ref().map(|l| l.all().collect()).unwrap_or_default()
}

fn labels_of(graph: &Graph, c: &mut Classes, id: Id) -> Result<Vec<u32>> {
    let node = graph.node(id);
    let len = node.ty.len();
    let shape = |i: usize| &graph.ty(node.args[i]).shape;
    Ok(match (&node.op, factor(graph, id)) {
        (Op::Conv(conv), Some((x, w))) if node.args[1] == w => {
            let (slot, count) = slots(shape(0), |axis| axis == 1);
            let ins = c.collapse(&of(c, x), &slot, count);
            let (slot, channels) = slots(&node.ty.shape, |axis| axis == 1);
            let outs = c.fresh(channels);
            let (per_group, inner) = (shape(1)[1], shape(1)[2..].iter().product::<usize>());
            let of_weight = |i: usize| (i / (per_group * inner), i / inner % per_group);
            let input = |i: usize| {
                let (o, k) = of_weight(i);
                ins[o / (channels / conv.groups) * per_group + k]
            };
            let all = 0..graph.ty(w).len();
            let output = all.clone().map(|i| outs[of_weight(i).0]).collect();
            c.scaled[id.index()] = Some(Scaled { arg: 1, input: all.map(input).collect(), output });
            slot.iter().map(|&s| outs[s]).collect()
        }
        (Op::MatMul(_), Some((x, w))) => {
            let arg = usize::from(node.args[1] == w);
            let rank = |i: usize| shape(i).len();
            // The axis that is summed over, and the one of the other matrix's that stays.
            let (inner, outer) = if arg == 1 { (1, 1) } else { (2, 2) };
            let (slot, count) = slots(shape(1 - arg), |axis| axis == rank(1 - arg) - inner);
            let ins = c.collapse(&of(c, x), &slot, count);
            let dims = &node.ty.shape;
            let (slot, channels) = slots(dims, |axis| axis == dims.len() - outer);
            let outs = c.fresh(channels);
            let (of_in, _) = slots(shape(arg), |axis| axis == rank(arg) - (3 - inner));
            let (of_out, _) = slots(shape(arg), |axis| axis == rank(arg) - outer);
            let input = of_in.iter().map(|&s| ins[s]).collect();
            let output = of_out.iter().map(|&s| outs[s]).collect();
            c.scaled[id.index()] = Some(Scaled { arg, input, output });
            slot.iter().map(|&s| outs[s]).collect()
        }
        (Op::Mul(_), Some((x, w))) => {
            let labels = spread(graph, c, x, &node.ty.shape)?;
            if graph.ty(w).owner != Owner::Server {
                return Ok(labels);
            }
            let arg = usize::from(node.args[1] == w);
            let slot = places(graph.ty(w), &node.ty.shape)?;
            let input = c.collapse(&labels, &slot, graph.ty(w).len());
            let output = c.fresh(input.len());
            let labels = slot.iter().map(|&s| output[s]).collect();
            c.scaled[id.index()] = Some(Scaled { arg, input, output });
            labels
        }
        (Op::Max(_), _) if node.args.iter().all(|&a| !is_known(graph, a)) => met(graph, c, id)?,
        (Op::Add(_) | Op::Sub(_), _) => match [0, 1].map(|i| is_known(graph, node.args[i])) {
            [false, false] => met(graph, c, id)?,
            [first, _] => {
                let arg = usize::from(!first);
                let labels = spread(graph, c, node.args[1 - arg], &node.ty.shape)?;
                let ty = graph.ty(node.args[arg]);
                if ty.owner != Owner::Server {
                    // A public summand stays what it is.
                    c.pin(&labels);
                    return Ok(vec![PINNED; len]);
                }
                let slot = places(ty, &node.ty.shape)?;
                let own = c.fresh(ty.len());
                let labels = labels.iter().zip(&slot).map(|(&l, &s)| c.unite(l, own[s])).collect();
                c.scaled[id.index()] = Some(Scaled { arg, input: vec![FREE; own.len()], output: own });
                labels
            }
        },
        (Op::Neg(_) | Op::Relu(_), _) => of(c, node.args[0]),
        (Op::MaxPool(_) | Op::SumPool(_), _) => {
            let (slot, count) = slots(shape(0), |axis| axis < 2);
            let planes = c.collapse(&of(c, node.args[0]), &slot, count);
            slots(&node.ty.shape, |axis| axis < 2).0.iter().map(|&s| planes[s]).collect()
        }
        (Op::ReduceMax(picc_ir::ops::ReduceMax { axes, .. }), _)
        | (Op::ReduceSum(picc_ir::ops::ReduceSum { axes, .. }), _) => reduced(graph, c, node.args[0], axes),
        (Op::ArgMax(a), _) => {
            reduced(graph, c, node.args[0], &[a.axis]);
            vec![PINNED; len]
        }
        (op, _) if op.facts().movement != Movement::None => moved(graph, c, id)?,
        _ => {
            for &a in node.args.iter().filter(|&&a| !is_known(graph, a)) {
                let labels = of(c, a);
                c.pin(&labels);
            }
            vec![PINNED; len]
        }
    })
}

/// Of two secrets, element by element, at one scale.
fn met(graph: &Graph, c: &mut Classes, id: Id) -> Result<Vec<u32>> {
    let node = graph.node(id);
    let a = spread(graph, c, node.args[0], &node.ty.shape)?;
    let b = spread(graph, c, node.args[1], &node.ty.shape)?;
    Ok(a.iter().zip(&b).map(|(&a, &b)| c.unite(a, b)).collect())
}

fn reduced(graph: &Graph, c: &mut Classes, x: Id, axes: &[usize]) -> Vec<u32> {
    let (slot, count) = slots(&graph.ty(x).shape, |axis| !axes.contains(&axis));
    let labels = of(c, x);
    c.collapse(&labels, &slot, count)
}

/// Labels moved as the elements are; known elements among them keep their scale.
fn moved(graph: &Graph, c: &Classes, id: Id) -> Result<Vec<u32>> {
    let node = graph.node(id);
    let labels = |a: &Id| {
        let shape = &graph.ty(*a).shape;
        if is_known(graph, *a) {
            return Tensor::full(shape, PINNED as f32);
        }
        Tensor::new(shape, of(c, *a).iter().map(|&l| l as f32).collect())
    };
    let args: Vec<Tensor<f32>> = node.args.iter().map(labels).collect();
    let tys: Vec<&Ty> = node.args.iter().map(|&a| graph.ty(a)).collect();
    let result = node.op.eval_real(&args.iter().collect::<Vec<_>>(), &tys);
    let result =
        result.map_err(|source| CompileError::Type { node: node.name.clone(), op: node.op.name(), source })?;
    Ok(result.data.iter().map(|&l| l as u32).collect())
}

/// Labels of an argument where it is broadcast to the shape of the result.
fn spread(graph: &Graph, c: &Classes, x: Id, shape: &[usize]) -> Result<Vec<u32>> {
    let labels = of(c, x);
    let places = places(graph.ty(x), shape)?;
    Ok(places.iter().map(|&i| labels[i]).collect())
}

/// For each element of `shape` the element of a value of type `ty` that is broadcast there.
fn places(ty: &Ty, shape: &[usize]) -> Result<Vec<usize>> {
    let numbers = Tensor::new(&ty.shape, (0..ty.len()).map(|i| i as f32).collect());
    let zeros = Tensor::full(shape, 0.0);
    let sum = Op::from(Add {}).eval_real(&[&numbers, &zeros], &[]);
    let sum = sum.map_err(|e| CompileError::Internal(format!("a value does not broadcast: {e}")))?;
    Ok(sum.data.iter().map(|&i| i as usize).collect())
}

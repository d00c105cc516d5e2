//! Building graphs from graphs: hash-consing construction, use counts, dead code.

use crate::error::{CompileError, Result};
use picc_ir::op::{F32, Op};
use picc_ir::ops::{Const, ConstValue, Weight};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;

/// A graph under construction in which equal operations on equal arguments are one node.
#[derive(Default)]
pub(crate) struct Builder {
    pub graph: Graph,
    memo: HashMap<(Op, SmallVec<[Id; 4]>), Id>,
}

impl Builder {
    /// The node that applies `op` to `args`; a new one is named `name`.
    pub fn add(&mut self, op: impl Into<Op>, args: &[Id], name: &str) -> Result<Id> {
        let op = op.into();
        let key = (op, SmallVec::from_slice(args));
        if let Some(&id) = self.memo.get(&key) {
            return Ok(id);
        }
        let kind = key.0.name();
        let id = self.graph.add(key.0.clone(), args, name).map_err(|source| CompileError::Type {
            node: name.to_owned(),
            op: kind,
            source,
        })?;
        self.memo.insert(key, id);
        Ok(id)
    }

    pub fn ty(&self, id: Id) -> &Ty {
        self.graph.ty(id)
    }
}

/// How often each node is used, as an argument or as an output.
pub(crate) fn uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    for node in &graph.nodes {
        node.args.iter().for_each(|a| uses[a.index()] += 1);
    }
    graph.outputs.iter().for_each(|(_, id)| uses[id.index()] += 1);
    uses
}

/// The nodes that an output depends on. Inputs stay: they are the model's interface.
pub(crate) fn prune(graph: &Graph) -> Graph {
    let mut live: Vec<bool> = graph.nodes.iter().map(|n| matches!(n.op, Op::Input(_))).collect();
    graph.outputs.iter().for_each(|(_, id)| live[id.index()] = true);
    for (id, node) in graph.iter().collect::<Vec<_>>().into_iter().rev() {
        if live[id.index()] {
            node.args.iter().for_each(|a| live[a.index()] = true);
        }
    }
    let mut map = vec![Id(0); graph.nodes.len()];
    let mut kept = Graph::default();
    for (id, node) in graph.iter().filter(|(id, _)| live[id.index()]) {
        let mut node = node.clone();
        node.args.iter_mut().for_each(|a| *a = map[a.index()]);
        map[id.index()] = Id(u32::try_from(kept.nodes.len()).unwrap_or(u32::MAX));
        kept.nodes.push(node);
    }
    kept.outputs = graph.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    kept
}

/// A node whose values the compiler sees: a weight or a constant.
pub(crate) fn is_known(graph: &Graph, id: Id) -> bool {
    matches!(graph.node(id).op, Op::Weight(_) | Op::Const(_))
}

/// Real values of a weight or a constant; `None` for any other node.
pub(crate) fn known<'w>(graph: &Graph, weights: &'w RealWeights, id: Id) -> Result<Option<Cow<'w, Tensor<f32>>>> {
    match &graph.node(id).op {
        Op::Weight(w) => Ok(Some(Cow::Borrowed(weight(weights, w)?))),
        Op::Const(c) => const_values(c).map(|t| Some(Cow::Owned(t))),
        _ => Ok(None),
    }
}

/// Values of a weight node, checked against its shape.
pub(crate) fn weight<'w>(weights: &'w RealWeights, w: &Weight) -> Result<&'w Tensor<f32>> {
    let fail = |why: String| Err(CompileError::Weight { name: w.name.clone(), why });
    match weights.get(&w.name) {
        None => fail("there are no values for it".to_owned()),
        Some(t) if t.shape != w.ty.shape => {
            fail(format!("values have shape {:?}, the model says {:?}", &t.shape[..], &w.ty.shape[..]))
        }
        Some(t) if !t.data.iter().all(|v| v.is_finite()) => fail("a value is infinite or not a number".to_owned()),
        Some(t) => Ok(t),
    }
}

fn const_values(c: &Const) -> Result<Tensor<f32>> {
    match &c.value {
        ConstValue::Real(v) if v.len() == 1 => Ok(Tensor::full(&c.ty.shape, v[0].value())),
        ConstValue::Real(v) => Ok(Tensor::new(&c.ty.shape, v.iter().map(|v| v.value()).collect())),
        ConstValue::Int(_) => Err(CompileError::Internal("an integer constant in a real graph".to_owned())),
    }
}

/// A public constant; a tensor of equal values is stored as one.
pub(crate) fn real_const(t: &Tensor<f32>) -> Const {
    let uniform = t.data.windows(2).all(|p| p[0].to_bits() == p[1].to_bits());
    let kept = if uniform { &t.data[..t.data.len().min(1)] } else { &t.data[..] };
    Const {
        ty: Ty::real(&t.shape, Owner::Public),
        value: ConstValue::Real(kept.iter().map(|&v| F32::from(v)).collect()),
    }
}

/// One value as a constant of shape `[1]`.
pub(crate) fn scalar_const(v: f32) -> Const {
    real_const(&Tensor::full(&[1], v))
}

//! A model with some places rewritten; everything else is copied.

use super::Model;
use super::mask::{self, Kind};
use super::shuffle::{self, Move};
use super::sites::Site;
use super::x_operator::{self, Factored};
use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, known, prune};
use picc_ir::op::Op;
use picc_ir::ops::Weight;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use std::collections::{BTreeMap, BTreeSet};

/// One place that changes.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Mask(Site, Vec<Kind>),
    Move(Move),
    Factor(Box<Factored>),
}

impl Edit {
    /// The node whose value the edit computes in another way.
    pub fn root(&self) -> Id {
        match self {
            Edit::Mask(site, _) => site.relu,
            Edit::Move(m) => m.root,
            Edit::Factor(f) => f.conv,
        }
    }
}

/// The graph that grows, with the weights that it will use.
pub(super) struct Rewriter<'m> {
    old: &'m Model,
    weights: RealWeights,
    b: Builder,
    map: Vec<Id>,
}

impl<'m> Rewriter<'m> {
    pub fn old(&self) -> &'m Graph {
        &self.old.graph
    }

    pub fn add(&mut self, op: impl Into<Op>, args: &[Id], name: &str) -> Result<Id> {
        self.b.add(op, args, name)
    }

    pub fn ty(&self, id: Id) -> &Ty {
        self.b.ty(id)
    }

    /// A node of the old graph in the new one; it comes before the place that is being rewritten.
    pub fn mapped(&self, old: Id) -> Id {
        self.map[old.index()]
    }

    /// Values of a weight or constant of the old graph.
    pub fn known(&self, old: Id) -> Result<Tensor<f32>> {
        let values = known(&self.old.graph, &self.old.weights, old)?;
        let missing = || CompileError::Internal("a layer's weights are not known".to_owned());
        values.map(std::borrow::Cow::into_owned).ok_or_else(missing)
    }

    /// Other values in place of an old weight, whose name they are known by.
    pub fn weight(&mut self, old: Id, values: Tensor<f32>, name: &str) -> Result<Id> {
        let base = match &self.old.graph.node(old).op {
            Op::Weight(w) => w.name.clone(),
            _ => self.old.graph.node(old).name.clone(),
        };
        self.named_weight(&base, values, name)
    }

    /// A weight called `base`, or `base.2` and so on if there is one.
    pub fn named_weight(&mut self, base: &str, values: Tensor<f32>, name: &str) -> Result<Id> {
        let numbered = |n: usize| if n == 1 { base.to_owned() } else { format!("{base}.{n}") };
        let weight = (1..).map(numbered).find(|n| !self.weights.contains_key(n)).unwrap_or_default();
        let ty = Ty::real(&values.shape, Owner::Server);
        self.weights.insert(weight.clone(), values);
        self.b.add(Weight { name: weight, ty }, &[], name)
    }
}

/// Applies edits of different places.
pub(super) fn rewrite(model: &Model, edits: &[Edit]) -> Result<Model> {
    let at: BTreeMap<Id, &Edit> = edits.iter().map(|e| (e.root(), e)).collect();
    let mut r = Rewriter {
        old: model,
        weights: model.weights.clone(),
        b: Builder::default(),
        map: Vec::with_capacity(model.graph.nodes.len()),
    };
    for (id, node) in model.graph.iter() {
        let new = match at.get(&id) {
            Some(Edit::Mask(site, kinds)) => mask::emit(&mut r, site, kinds, &node.name)?,
            Some(Edit::Move(m)) => shuffle::emit(&mut r, m)?,
            Some(Edit::Factor(f)) => x_operator::emit(&mut r, f)?,
            None => {
                let args: Vec<Id> = node.args.iter().map(|a| r.map[a.index()]).collect();
                r.b.add(node.op.clone(), &args, &node.name)?
            }
        };
        r.map.push(new);
    }
    let Rewriter { mut weights, b, map, .. } = r;
    let mut graph = b.graph;
    graph.outputs = model.graph.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    let graph = prune(&graph);
    let weight = |n: &picc_ir::Node| if let Op::Weight(w) = &n.op { Some(w.name.clone()) } else { None };
    let used: BTreeSet<String> = graph.nodes.iter().filter_map(weight).collect();
    weights.retain(|name, _| used.contains(name));
    Ok(Model { graph, weights })
}

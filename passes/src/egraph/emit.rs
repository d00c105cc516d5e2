//! From chosen e-nodes back to a graph.
//!
//! Known values are computed here, once: whatever expression of weights was chosen becomes one new weight. A fact that
//! the types do not show is stated with `assume`, as it was in the graph that came in.

use super::analysis::is_known;
use super::language::{EGraph, Enode};
use crate::error::{CompileError, Result};
use picc_ir::mpc::{Reveal, Share};
use picc_ir::op::{MpcOp, Op};
use picc_ir::ops::{Assume, Const, ConstValue, Weight};
use picc_ir::ty::wrap;
use picc_ir::weights::RingWeights;
use picc_ir::{Elem, Graph, Id, Owner, Party, Tensor, Ty};
use std::collections::HashMap;
use std::rc::Rc;

/// Builds a graph from one node for each class.
pub(crate) struct Emitter<'a> {
    pub eg: &'a EGraph,
    /// The node for each class that is needed.
    pub choice: &'a HashMap<egg::Id, Enode>,
    /// Names of the nodes of the original graph.
    pub names: &'a [String],
    pub given: &'a RingWeights,
    /// Whether the weights that the program makes of others are computed; a price needs their types only.
    pub valued: bool,
    graph: Graph,
    weights: RingWeights,
    done: HashMap<egg::Id, Id>,
    shared: HashMap<Id, Id>,
    values: HashMap<egg::Id, Rc<Tensor<i64>>>,
}

/// What was emitted.
pub(crate) struct Emitted {
    pub graph: Graph,
    pub weights: RingWeights,
}

impl<'a> Emitter<'a> {
    pub fn new(
        eg: &'a EGraph,
        choice: &'a HashMap<egg::Id, Enode>,
        names: &'a [String],
        given: &'a RingWeights,
    ) -> Emitter<'a> {
        Emitter {
            eg,
            choice,
            names,
            given,
            valued: true,
            graph: Graph::default(),
            weights: RingWeights::new(),
            done: HashMap::new(),
            shared: HashMap::new(),
            values: HashMap::new(),
        }
    }

    /// Emits `inputs` and what `outputs` need; with `reveal` the client learns outputs that are shared.
    pub fn emit(mut self, inputs: &[egg::Id], outputs: &[(String, egg::Id)], reveal: bool) -> Result<Emitted> {
        for &class in inputs {
            self.class(class)?;
        }
        for (name, class) in outputs {
            let mut id = self.class(*class)?;
            if reveal && self.graph.ty(id).owner == Owner::Shared {
                let node = self.graph.node(id).name.clone();
                id = self.add(Reveal { to: Party::Client }.into(), &[id], &node)?;
            }
            self.graph.outputs.push((name.clone(), id));
        }
        Ok(Emitted { graph: self.graph, weights: self.weights })
    }

    fn ty(&self, class: egg::Id) -> Result<&'a Ty> {
        self.eg[class].data.ty.as_ref().ok_or_else(|| CompileError::Internal("a class without a type".to_owned()))
    }

    fn chosen(&self, class: egg::Id) -> Result<&'a Enode> {
        self.choice.get(&class).ok_or_else(|| CompileError::Internal("a class without a choice".to_owned()))
    }

    fn name(&self, class: egg::Id) -> String {
        self.names.get(self.eg[class].data.at as usize).cloned().unwrap_or_default()
    }

    /// Node of the graph that computes a class. Arguments first, without recursion: graphs are deep.
    fn class(&mut self, root: egg::Id) -> Result<Id> {
        let mut stack = vec![self.eg.find(root)];
        let mut open = 0usize;
        while let Some(&class) = stack.last() {
            if self.done.contains_key(&class) {
                stack.pop();
                continue;
            }
            let node = self.chosen(class)?;
            let folded = self.folds(class)?;
            let missing: Vec<egg::Id> = node
                .args
                .iter()
                .map(|&a| self.eg.find(a))
                .filter(|a| !folded && !self.done.contains_key(a))
                .collect();
            if missing.is_empty() {
                let id = if folded { self.known(class)? } else { self.node(class, node)? };
                self.done.insert(class, id);
                stack.pop();
            } else {
                open += 1;
                if open > 64 * self.eg.number_of_classes() + 1024 {
                    return Err(CompileError::Internal("the chosen nodes go in a circle".to_owned()));
                }
                stack.extend(missing.into_iter().rev());
            }
        }
        self.done
            .get(&self.eg.find(root))
            .copied()
            .ok_or_else(|| CompileError::Internal("nothing emitted".to_owned()))
    }

    /// Known integers that are not a leaf.
    fn folds(&self, class: egg::Id) -> Result<bool> {
        let ty = self.ty(class)?;
        Ok(is_known(ty) && ty.as_fixed().is_some() && !self.chosen(class)?.args.is_empty())
    }

    fn add(&mut self, op: Op, args: &[Id], name: &str) -> Result<Id> {
        let kind = op.name();
        self.graph.add(op, args, name).map_err(|source| CompileError::Type {
            node: name.to_owned(),
            op: kind,
            source,
        })
    }

    fn node(&mut self, class: egg::Id, node: &Enode) -> Result<Id> {
        let name = self.name(class);
        let mut args: Vec<Id> = node.args.iter().map(|&a| self.done[&self.eg.find(a)]).collect();
        let ty = self.ty(class)?;
        if ty.owner == Owner::Shared && !matches!(*node.op, Op::Mpc(MpcOp::Share(_))) {
            for a in &mut args {
                *a = self.shared(*a, &name)?;
            }
        }
        if self.valued
            && let Op::Weight(w) = &*node.op
            && let Some(values) = self.given.get(&w.name)
        {
            self.weights.insert(w.name.clone(), values.clone());
        }
        let id = self.add((*node.op).clone(), &args, &name)?;
        self.claim(id, ty, &name)
    }

    /// States the range that is known of the class, if the type of the node does not.
    fn claim(&mut self, id: Id, known: &Ty, name: &str) -> Result<Id> {
        let (Some(f), Some(own)) = (known.as_fixed(), self.graph.ty(id).as_fixed()) else { return Ok(id) };
        let is_source = self.graph.node(id).args.is_empty();
        if is_source || (f.lo <= own.lo && own.hi <= f.hi) {
            return Ok(id);
        }
        self.add(Assume { lo: f.lo, hi: f.hi }.into(), &[id], name)
    }

    fn shared(&mut self, id: Id, name: &str) -> Result<Id> {
        if self.graph.ty(id).owner != Owner::Client {
            return Ok(id);
        }
        if let Some(&there) = self.shared.get(&id) {
            return Ok(there);
        }
        let new = self.add(Share {}.into(), &[id], name)?;
        self.shared.insert(id, new);
        Ok(new)
    }

    /// A new weight (or constant) with the value of a known class.
    fn known(&mut self, class: egg::Id) -> Result<Id> {
        let name = self.name(class);
        let ty = self.ty(class)?.clone();
        if ty.owner != Owner::Public && !self.valued {
            return self.add(Weight { name: self.base_name(class)?, ty }.into(), &[], &name);
        }
        let values = self.value(class)?;
        if ty.owner == Owner::Public {
            let uniform = values.data.windows(2).all(|p| p[0] == p[1]);
            let kept = if uniform { values.data[..1].to_vec() } else { values.data.clone() };
            return self.add(Const { ty, value: ConstValue::Int(kept) }.into(), &[], &name);
        }
        let base = self.base_name(class)?;
        let taken = |n: &String| self.weights.contains_key(n) || self.given.contains_key(n);
        let fresh = (1..).map(|k| format!("{base}~{k}")).find(|n| !taken(n)).unwrap_or(base);
        self.weights.insert(fresh.clone(), (*values).clone());
        self.add(Weight { name: fresh, ty }.into(), &[], &name)
    }

    /// Name of the first weight in an expression.
    fn base_name(&self, class: egg::Id) -> Result<String> {
        let node = self.chosen(self.eg.find(class))?;
        match (&*node.op, node.args.first()) {
            (Op::Weight(w), _) => Ok(w.name.clone()),
            (_, Some(&first)) => self.base_name(first),
            (_, None) => Ok("constant".to_owned()),
        }
    }

    fn value(&mut self, class: egg::Id) -> Result<Rc<Tensor<i64>>> {
        let class = self.eg.find(class);
        if let Some(v) = self.values.get(&class) {
            return Ok(Rc::clone(v));
        }
        let node = self.chosen(class)?;
        let ty = self.ty(class)?;
        let fail = |source| CompileError::Type { node: String::new(), op: node.op.name(), source };
        let mut value = if let Op::Weight(w) = &*node.op {
            let missing =
                || CompileError::Weight { name: w.name.clone(), why: "there are no values for it".to_owned() };
            self.given.get(&w.name).ok_or_else(missing)?.clone()
        } else {
            let args = node.args.iter().map(|&a| self.value(a)).collect::<Result<Vec<_>>>()?;
            let args: Vec<&Tensor<i64>> = args.iter().map(Rc::as_ref).collect();
            let tys = node.args.iter().map(|&a| self.ty(a)).collect::<Result<Vec<_>>>()?;
            node.op.eval_ring(&args, &tys).map_err(fail)?
        };
        if let Elem::Fixed(f) = ty.elem {
            value.data.iter_mut().for_each(|v| *v = wrap(*v, f.ring_bits));
        }
        let value = Rc::new(value);
        self.values.insert(class, Rc::clone(&value));
        Ok(value)
    }
}

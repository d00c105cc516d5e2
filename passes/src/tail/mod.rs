//! Splits a real graph where the secure part ends: what follows a softmax, say, the client computes on what it has
//! learned, over the reals.
//!
//! ```text
//! input -> conv -> relu -> gemm ->| reveal |-> softmax -> output
//!          core (secure)          |        |   tail (the client alone)
//! ```

mod attach;
mod facts;
mod functions;
mod learns;
mod narrow;
mod pointwise;
mod solve;
#[cfg(test)]
mod tests;
mod trace;

pub(crate) use attach::attach_tail;
pub use functions::hidden_functions;
pub use learns::learns;

use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, is_known, known, prune, real_const};
use functions::{after_functions, describe};
use picc_ir::facts::ClientPart;
use picc_ir::op::Op;
use picc_ir::ops::Input;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Ty};
use std::collections::BTreeMap;

/// The two halves. Input `i` of the tail is output `i` of the core, under the same name.
pub(crate) struct Split {
    pub core: Graph,
    pub tail: Graph,
    pub notes: Vec<String>,
    /// Values that say more than the declared outputs.
    pub hidden: Vec<Hidden>,
}

/// A value inside the network that the client's part needs and that the declared outputs do not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub node: String,
    pub op: &'static str,
    pub shape: Vec<usize>,
    /// Elements that the outputs do not give.
    pub elements: usize,
    /// What the client computes from it first.
    pub user: String,
    /// The function that only the client can compute.
    pub function: String,
    pub function_op: String,
    pub way_out: &'static str,
}

impl Hidden {
    /// As a refusal.
    pub fn refused(&self) -> CompileError {
        CompileError::RevealsHidden {
            node: self.node.clone(),
            op: self.op,
            learned: self.learned().into(),
            user: self.user.as_str().into(),
            function: self.function.as_str().into(),
            function_op: self.function_op.as_str().into(),
            way_out: self.way_out,
        }
    }

    /// As a warning, where it is allowed.
    pub fn warning(&self) -> String {
        format!(
            "the client learns {} of node `{}`, a hidden value: more than the declared outputs",
            self.learned(),
            self.node
        )
    }

    fn learned(&self) -> String {
        let shape: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        let of = self.shape.iter().product::<usize>();
        let shape = shape.join("x");
        if self.elements == of {
            format!("all values {shape}")
        } else {
            format!("{} of the values {shape}", self.elements)
        }
    }
}

/// Splits a canonical real graph.
pub(crate) fn split(graph: &Graph, weights: &RealWeights) -> Result<Split> {
    let starts = from_arguments(graph, after_functions(graph)?);
    let mut notes = Vec::new();
    let mut core = Graph { nodes: graph.nodes.clone(), outputs: Vec::new() };
    let mut tail = Builder::default();
    let mut in_tail: BTreeMap<Id, Id> = BTreeMap::new();
    // First user of each value that enters the tail, by its input.
    let mut users: BTreeMap<Id, Id> = BTreeMap::new();

    // A core value enters the tail through a reveal; one that is an output keeps the output's name.
    let mut enter = |tail: &mut Builder, in_tail: &mut BTreeMap<Id, Id>, id: Id, name: String| -> Result<Id> {
        if let Some(&t) = in_tail.get(&id) {
            return Ok(t);
        }
        let ty = Ty::real(&graph.ty(id).shape, Owner::Client);
        let t = tail.add(Input { name: name.clone(), ty }, &[], &graph.node(id).name)?;
        core.outputs.push((name, id));
        in_tail.insert(id, t);
        Ok(t)
    };
    let mut refused = Vec::new();
    for (name, id) in &graph.outputs {
        if starts[id.index()].is_none() {
            if is_known(graph, *id) {
                refused.push(CompileError::Unsupported {
                    node: graph.node(*id).name.clone(),
                    op: graph.node(*id).op.name(),
                    why: format!("output `{name}` depends on no input"),
                    way_out: "remove it from the model's outputs".to_owned(),
                });
                continue;
            }
            enter(&mut tail, &mut in_tail, *id, name.clone())?;
        }
    }
    CompileError::all(refused)?;
    for (id, node) in graph.iter().filter(|(id, _)| starts[id.index()].is_some()) {
        let mut args = Vec::with_capacity(node.args.len());
        for &a in &node.args {
            if starts[a.index()].is_none() && !in_tail.contains_key(&a) {
                let arg = graph.node(a);
                if let Some(values) = known(graph, weights, a)? {
                    if matches!(arg.op, Op::Weight(_)) {
                        notes.push(format!("constants of node `{}` become public", node.name));
                    }
                    in_tail.insert(a, tail.add(real_const(&values), &[], &arg.name)?);
                } else {
                    let revealed = format!("{}:{}", arg.name, a.0);
                    users.insert(enter(&mut tail, &mut in_tail, a, revealed)?, id);
                }
            }
            args.push(in_tail[&a]);
        }
        if node.op.facts().client == ClientPart::Starts {
            notes.push(format!(
                "{} of node `{}` is computed by the client on what it has learned",
                describe(&node.op),
                node.name
            ));
        }
        let t = tail.add(node.op.clone(), &args, &node.name)?;
        in_tail.insert(id, t);
    }
    let mut tail = tail.graph;
    tail.outputs = graph.outputs.iter().map(|(name, id)| (name.clone(), in_tail[id])).collect();
    let sources = sources(&core, &tail);
    let own = |id: Id| sources.iter().any(|(t, c)| *t == id && graph.ty(*c).owner == Owner::Client);
    let ids: Vec<Id> = sources.iter().map(|(t, _)| *t).collect();
    let shown = trace::shown(&tail, &ids, &own)?;
    let mut hidden = Vec::new();
    for (shown, (t, c)) in shown.iter().zip(&sources) {
        let (node, beyond) = (graph.node(*c), shown.beyond());
        let Some((user, function)) = users.get(t).and_then(|u| Some((*u, starts[u.index()]?))) else { continue };
        if beyond > 0 {
            hidden.push(Hidden {
                node: node.name.clone(),
                op: node.op.name(),
                shape: node.ty.shape.to_vec(),
                elements: beyond,
                user: graph.node(user).name.clone(),
                function: graph.node(function).name.clone(),
                function_op: describe(&graph.node(function).op),
                way_out: functions::way_out(&graph.node(function).op),
            });
        }
    }
    let (core, tail) = narrow::needed_only(core, tail, &shown, &sources)?;
    Ok(Split { core: prune(&core), tail, notes, hidden })
}

/// The client's part begins at the argument of a function that is written with several operators and can be undone, not
/// inside it.
fn from_arguments(graph: &Graph, mut starts: Vec<Option<Id>>) -> Vec<Option<Id>> {
    for function in pointwise::undone(graph) {
        if let (Some(start), None) = (starts[function.y.index()], starts[function.x.index()]) {
            for step in function.steps {
                starts[step.index()].get_or_insert(start);
            }
        }
    }
    starts
}

/// Inputs of the tail with the values of the core that they stand for.
fn sources(core: &Graph, tail: &Graph) -> Vec<(Id, Id)> {
    let of = |(id, node): (Id, &picc_ir::Node)| match &node.op {
        Op::Input(input) => {
            core.outputs.iter().find(|(name, _)| *name == input.name).map(|(_, revealed)| (id, *revealed))
        }
        _ => None,
    };
    tail.iter().filter_map(of).collect()
}

//! Real graph to real graph: equal over the reals, less to compute between the parties.
//!
//! ```text
//! graph -> [ for each node, arguments first: the first rule that fires, or the node itself ] -> prune -> again
//! ```
//! Rules see arguments that are already rewritten and emit through the same function, so what a rule builds is
//! rewritten too. Nodes are hash-consed, which is common subexpression elimination.

mod affine;
mod constants;
mod functions;
mod pools;
mod shapes;

use crate::error::{CompileError, Result};
pub(crate) use affine::along;

use crate::graph_edit::{Builder, is_known, known, prune, real_const, uses};
use picc_ir::op::Op;
use picc_ir::ops::Weight;
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Rounds until nothing changes; more than this is a pair of rules that undo each other.
const MAX_ROUNDS: usize = 32;

type Rule = fn(&mut Rewriter, &Op, &[Id], &str) -> Result<Option<Id>>;

/// Every rule, in the order in which they are tried.
#[rustfmt::skip]
const RULES: &[(&str, Rule)] = &[
    ("shape_identity",            shapes::identity),
    ("fold_constants",            constants::fold),
    ("known_operand_second",      constants::known_second),
    ("uniform_constant_is_one",   constants::uniform_is_scalar),
    ("reshape_of_reshape",        shapes::reshape_of_reshape),
    ("transpose_of_transpose",    shapes::transpose_of_transpose),
    ("sum_of_one",                shapes::sum_of_one),
    ("neutral_constant",          affine::neutral),
    ("sub_constant_is_add",       affine::sub_is_add),
    ("div_constant_is_mul",       affine::div_is_mul),
    ("scale_into_linear",         affine::scale_into_linear),
    ("scale_before_bias",         affine::scale_before_bias),
    ("scales_merge",              affine::scales_merge),
    ("biases_merge",              affine::biases_merge),
    ("scaled_input_into_linear",  affine::scaled_input),
    ("scalar_after_shape",        affine::scalar_after_shape),
    ("pad_into_window",           pools::pad_into_window),
    ("relu_after_maxpool",        pools::relu_after_maxpool),
    ("sum_before_conv1x1",        pools::sum_before_conv1x1),
    ("argmax_of_softmax",         pools::argmax_of_softmax),
    ("relu_of_non_negative",      pools::relu_of_non_negative),
    ("softmax_written_out",       functions::softmax_written_out),
    ("one_of_two_classes",        functions::one_of_two),
    ("selection_before_function", functions::selection_first),
    ("maximum_before_function",   functions::maximum_first),
    ("relu_before_function",      functions::relu_first),
];

/// The canonical form of an imported model and the weights that it still uses.
///
/// Batch norm is folded into the linear layer before it, constants are folded, scales and biases are merged,
/// operations that change nothing are removed.
///
/// # Errors
/// If a weight has no values, or values of another shape than its node.
pub fn canonicalize(graph: Graph, mut weights: RealWeights) -> Result<(Graph, RealWeights)> {
    let mut graph = prune(&graph);
    for _ in 0..MAX_ROUNDS {
        let next = round(&graph, &mut weights)?;
        if next == graph {
            let used: BTreeSet<&str> = graph.nodes.iter().filter_map(weight_name).collect();
            weights.retain(|name, _| used.contains(name.as_str()));
            return Ok((graph, weights));
        }
        graph = next;
    }
    Err(CompileError::Internal(format!("no canonical form after {MAX_ROUNDS} rounds")))
}

fn weight_name(node: &picc_ir::Node) -> Option<&str> {
    match &node.op {
        Op::Weight(w) => Some(&w.name),
        _ => None,
    }
}

fn round(graph: &Graph, weights: &mut RealWeights) -> Result<Graph> {
    let uses = uses(graph);
    let mut rewriter = Rewriter { b: Builder::default(), uses: Vec::new(), weights };
    let mut map: Vec<Id> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
        let new = rewriter.emit(node.op.clone(), &args, &node.name)?;
        rewriter.count(new, uses[id.index()]);
        map.push(new);
    }
    let mut next = rewriter.b.graph;
    next.outputs = graph.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok(prune(&next))
}

/// The graph that a round builds, with the weights and the use counts that rules ask for.
struct Rewriter<'w> {
    b: Builder,
    uses: Vec<usize>,
    weights: &'w mut RealWeights,
}

impl Rewriter<'_> {
    /// Applies the first rule that fires, or adds the node as it is.
    fn emit(&mut self, op: impl Into<Op>, args: &[Id], name: &str) -> Result<Id> {
        let op = op.into();
        for (_, rule) in RULES {
            if let Some(id) = rule(self, &op, args, name)? {
                return Ok(id);
            }
        }
        self.b.add(op, args, name)
    }

    fn count(&mut self, id: Id, uses: usize) {
        if self.uses.len() <= id.index() {
            self.uses.resize(id.index() + 1, 0);
        }
        self.uses[id.index()] += uses;
    }

    /// At most one node needs this value, so that moving it duplicates nothing.
    fn single(&self, id: Id) -> bool {
        self.uses.get(id.index()).is_none_or(|&n| n <= 1)
    }

    fn op(&self, id: Id) -> &Op {
        &self.b.graph.node(id).op
    }

    fn args(&self, id: Id) -> &[Id] {
        &self.b.graph.node(id).args
    }

    fn name(&self, id: Id) -> String {
        self.b.graph.node(id).name.clone()
    }

    fn shape(&self, id: Id) -> &[usize] {
        &self.b.ty(id).shape
    }

    fn is_known(&self, id: Id) -> bool {
        is_known(&self.b.graph, id)
    }

    fn known(&self, id: Id) -> Result<Option<Cow<'_, Tensor<f32>>>> {
        known(&self.b.graph, self.weights, id)
    }

    /// A value that the compiler computed: the server's if any part of it was, named after `base`.
    fn constant(&mut self, values: Tensor<f32>, owner: Owner, base: &str, name: &str) -> Result<Id> {
        if owner == Owner::Public {
            return self.b.add(real_const(&values), &[], name);
        }
        let weight = (1..)
            .map(|n| if n == 1 { base.to_owned() } else { format!("{base}.{n}") })
            .find(|n| !self.weights.contains_key(n))
            .unwrap_or_default();
        let ty = Ty::real(&values.shape, Owner::Server);
        self.weights.insert(weight.clone(), values);
        self.b.add(Weight { name: weight, ty }, &[], name)
    }
}

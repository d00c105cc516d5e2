//! Two linear layers with nothing but a bias between them become one layer where that is cheaper.
//!
//! ```text
//! x -> conv v -> (+ a) -> conv w -> y      becomes      x -> conv (w v) -> + (w a) -> y
//! ```
//! Networks have such pairs (separable convolutions, linear bottlenecks), and `--allow retrain` makes them when a ReLU
//! goes. It is done over the reals, before any number is rounded: the composed weights are quantized like those of any
//! layer, and one truncation, one extension and one exchange go. Whether it pays is asked of the cost functions for the
//! deployment ([`price`]): few channels in the middle are worth keeping under OT products, hardly ever under ring LWE.
//!
//! It holds (see [`layer::composed`]) if the second layer pads nothing, or if the first one has one tap along the axis
//! that the second one pads. A bias behind the first layer is seen by the second one's padding; it is carried through
//! the second layer exactly, as a map over the image where it has to be.

mod layer;
mod price;
#[cfg(test)]
mod tests;

use crate::canonicalize::canonicalize;
use crate::choose::NO_PASSES;
use crate::compile::Options;
use crate::egraph::Family;
use crate::error::{CompileError, Result};
use crate::graph_edit::{Builder, is_known, known, prune, uses};
use layer::Layer;
use picc_ir::op::Op;
use picc_ir::ops::{Add, Conv, MatMul, Weight};
use picc_ir::weights::RealWeights;
use picc_ir::{Graph, Id, Owner, Tensor, Ty};
use price::Prices;

/// A real graph in which some layers were composed.
#[derive(Clone, Debug)]
pub(crate) struct Composed {
    pub graph: Graph,
    pub weights: RealWeights,
    /// What was composed, for the program's notes.
    pub notes: Vec<String>,
}

/// Whether layers may be composed: for a deployment, as part of the family of linear algebra.
pub(crate) fn allowed(options: &Options) -> bool {
    let named = |names: &Vec<String>| names.iter().any(|n| n == Family::Linear.name()) && names != &[NO_PASSES];
    options.profile.is_some() && options.families.as_ref().is_none_or(named)
}

/// Composes layers of a canonical real graph as long as that makes it cheaper, what saves most first.
///
/// # Errors
/// If weights are missing.
pub(crate) fn compose(graph: Graph, weights: RealWeights, options: &Options) -> Result<Composed> {
    let mut prices = Prices::new(options);
    compose_by(graph, weights, |pair| prices.saved(pair.first, pair.second, pair.both))
}

/// Composes pairs of which `saved` states a saving.
pub(crate) fn compose_by(
    graph: Graph,
    weights: RealWeights,
    mut saved: impl FnMut(&Pair) -> Option<u64>,
) -> Result<Composed> {
    let mut done = Composed { graph, weights, notes: Vec::new() };
    loop {
        // Of equal savings the first one in the graph.
        let mut best: Option<(u64, Pair)> = None;
        for pair in pairs(&done.graph) {
            if let Some(saving) = saved(&pair)
                && best.as_ref().is_none_or(|(most, _)| saving > *most)
            {
                best = Some((saving, pair));
            }
        }
        let Some((_, pair)) = best else { return Ok(done) };
        let (first, second) = (&done.graph.node(pair.at[0]).name, &done.graph.node(pair.at[1]).name);
        done.notes.push(format!("`{first}` and `{second}` are linear and computed as one layer"));
        let (graph, weights) = merged(&done.graph, done.weights, &pair)?;
        (done.graph, done.weights) = canonicalize(graph, weights)?;
    }
}

/// Two layers that may be composed.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// The nodes of the layers.
    at: [Id; 2],
    first: Layer,
    second: Layer,
    both: Layer,
    /// The bias between them, and the node that adds it.
    bias: Option<(Id, Id)>,
}

/// All pairs, in the order of their second layers.
fn pairs(graph: &Graph) -> Vec<Pair> {
    let uses = uses(graph);
    let single = |id: Id| uses[id.index()] == 1;
    let mut found = Vec::new();
    for (id, node) in graph.iter() {
        let Some(second) = layer_at(graph, id) else { continue };
        let x = node.args[0];
        let (middle, added) = match (&graph.node(x).op, &graph.node(x).args[..]) {
            (Op::Add(_), &[y, k]) if is_known(graph, k) && graph.ty(y).shape == graph.ty(x).shape => (y, Some(k)),
            _ => (x, None),
        };
        let Some(first) = layer_at(graph, middle) else { continue };
        let Some(both) = layer::composed(first, second).filter(|_| single(x) && single(middle)) else { continue };
        if added.is_none_or(|k| layer::is_the_same_for_all(second, &graph.ty(k).shape)) {
            found.push(Pair { at: [middle, id], first, second, both, bias: added.map(|k| (k, x)) });
        }
    }
    found
}

/// The layer at a node: a value of the client's or of both parties times the server's weights on the right.
fn layer_at(graph: &Graph, id: Id) -> Option<Layer> {
    let node = graph.node(id);
    let &[x, w] = &node.args[..] else { return None };
    let secret = matches!(graph.ty(x).owner, Owner::Client | Owner::Shared);
    let (x, w) = match graph.node(w).op {
        Op::Weight(_) if secret => (&graph.ty(x).shape, &graph.ty(w).shape),
        _ => return None,
    };
    match &node.op {
        Op::Conv(conv) => conv.geom(x, w).ok().map(Layer::Conv),
        Op::MatMul(_) if w.len() == 2 => MatMul::geom(x, w).ok().map(Layer::MatMul),
        _ => None,
    }
}

/// The graph with the pair as one layer.
fn merged(graph: &Graph, mut weights: RealWeights, pair: &Pair) -> Result<(Graph, RealWeights)> {
    let mut b = Builder::default();
    let mut map: Vec<Id> = Vec::with_capacity(graph.nodes.len());
    for (id, node) in graph.iter() {
        let new = if id == pair.at[1] {
            let (x, v) = (graph.node(pair.at[0]).args[0], graph.node(pair.at[0]).args[1]);
            let w = node.args[1];
            let missing = || CompileError::Internal(format!("no composed weights for `{}`", node.name));
            let values = |id| Ok(known(graph, &weights, id)?.ok_or_else(missing)?.into_owned());
            let right: Tensor<f32> = values(w)?;
            let product = layer::product(pair.first, pair.second, &values(v)?, &right).ok_or_else(missing)?;
            let carried = pair.bias.map(|(a, add)| Ok((layer::carried(pair.second, &values(a)?, &right)?, add)));
            let carried: Option<(Tensor<f32>, Id)> = carried.transpose()?;
            let base = format!("{}.of.{}", weight_name(graph, w), weight_name(graph, v));
            let factor = weight(&mut b, &mut weights, &base, product, &node.name)?;
            let op: Op = match pair.both {
                Layer::Conv(geom) => Conv::of(&geom).into(),
                Layer::MatMul(_) => MatMul {}.into(),
            };
            let y = b.add(op, &[map[x.index()], factor], &node.name)?;
            match carried {
                Some((carried, add)) => {
                    let name = &graph.node(add).name;
                    let bias = weight(&mut b, &mut weights, &format!("{base}.bias"), carried, name)?;
                    b.add(Add {}, &[y, bias], name)?
                }
                None => y,
            }
        } else {
            let args: Vec<Id> = node.args.iter().map(|a| map[a.index()]).collect();
            b.add(node.op.clone(), &args, &node.name)?
        };
        map.push(new);
    }
    b.graph.outputs = graph.outputs.iter().map(|(name, id)| (name.clone(), map[id.index()])).collect();
    Ok((prune(&b.graph), weights))
}

fn weight_name(graph: &Graph, id: Id) -> &str {
    match &graph.node(id).op {
        Op::Weight(w) => &w.name,
        _ => &graph.node(id).name,
    }
}

/// A weight called `base`, or `base.2` and so on if there is one.
fn weight(b: &mut Builder, weights: &mut RealWeights, base: &str, values: Tensor<f32>, name: &str) -> Result<Id> {
    let numbered = |n: usize| if n == 1 { base.to_owned() } else { format!("{base}.{n}") };
    let called = (1..).map(numbered).find(|n| !weights.contains_key(n)).unwrap_or_default();
    let ty = Ty::real(&values.shape, Owner::Server);
    weights.insert(called.clone(), values);
    b.add(Weight { name: called, ty }, &[], name)
}

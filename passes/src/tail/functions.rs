//! Functions over the reals and where they may stand: at the end, where the client computes them.

use crate::error::{CompileError, Result};
use picc_ir::facts::ClientPart;
use picc_ir::op::Op;
use picc_ir::ops::Function;
use picc_ir::{Graph, Id, Node};
use std::collections::BTreeSet;

/// For each node of the client's part, the function that put it there.
pub(super) fn after_functions(graph: &Graph) -> Result<Vec<Option<Id>>> {
    let (starts, refused) = walk(graph);
    CompileError::all(refused)?;
    Ok(starts)
}

/// Every function over the reals that something with secret weights follows; the graph may miss parts of the model.
#[must_use]
pub fn hidden_functions(graph: &Graph) -> Vec<CompileError> {
    walk(graph).1
}

fn walk(graph: &Graph) -> (Vec<Option<Id>>, Vec<CompileError>) {
    let mut starts: Vec<Option<Id>> = Vec::with_capacity(graph.nodes.len());
    // Functions since the last layer with weights.
    let mut above: Vec<BTreeSet<Id>> = Vec::with_capacity(graph.nodes.len());
    let mut said: BTreeSet<Id> = BTreeSet::new();
    let mut refused = Vec::new();
    for (id, node) in graph.iter() {
        let after = node.args.iter().find_map(|a| starts[a.index()]);
        let mut functions: BTreeSet<Id> = node.args.iter().flat_map(|a| above[a.index()].iter().copied()).collect();
        match (after, node.op.facts().client) {
            (Some(_), ClientPart::Never) => {
                let news: Vec<Id> = functions.iter().copied().filter(|f| said.insert(*f)).collect();
                refused.extend(problems(graph, &news, node));
                // What follows is judged by itself, so that everything is said at once.
                starts.push(None);
                functions.clear();
            }
            (after, ClientPart::Starts) => {
                starts.push(after.or(Some(id)));
                functions.insert(id);
            }
            (after, _) => starts.push(after),
        }
        above.push(functions);
    }
    (starts, refused)
}

/// One problem for each function, and one for all functions of a normalisation.
fn problems(graph: &Graph, functions: &[Id], user: &Node) -> Vec<CompileError> {
    let norms: Vec<(Id, Norm)> = functions.iter().filter_map(|&f| Some((f, Norm::at(graph, f)?))).collect();
    let inside: BTreeSet<Id> = norms.iter().flat_map(|(_, n)| n.inside.iter().copied()).collect();
    let of = |&f: &Id| {
        let node = graph.node(f);
        let norm = norms.iter().find(|(at, _)| *at == f).map(|(_, n)| n);
        CompileError::WeightsAfterReveal {
            node: user.name.clone(),
            op: user.op.name(),
            after: node.name.clone(),
            after_op: norm.map_or_else(|| describe(&node.op), |n| n.name().to_owned()),
            way_out: norm.map_or_else(|| way_out(&node.op), |_| NORMALISE),
        }
    };
    functions.iter().filter(|f| !inside.contains(f)).map(of).collect()
}

const NORMALISE: &str = "use batch normalisation, whose statistics are constants, and train the model with it";

/// What can be done about a function inside a network; true of any place.
pub(super) fn way_out(op: &Op) -> &'static str {
    match op {
        Op::Softmax(_) | Op::LogSoftmax(_) => {
            "use relu over a constant in its place (attention, expectations) and train the model so"
        }
        Op::Unary(u) => match u.function {
            Function::Sigmoid => "use HardSigmoid in its place and fine-tune the model",
            Function::Tanh => "use Clip to [-1, 1] in its place and fine-tune the model",
            Function::Erf => "use Relu in the place of GELU and fine-tune the model",
            Function::Exp | Function::Log => {
                "use a piecewise linear activation in its place and fine-tune the model"
            }
            Function::Sqrt | Function::Reciprocal => NORMALISE,
        },
        Op::Div(_) => "divide by a constant: statistics and scales that do not depend on the input can be folded",
        _ => "use a piecewise linear activation in its place and fine-tune the model",
    }
}

/// Of which function a node is.
pub(super) fn describe(op: &Op) -> String {
    match op {
        Op::Unary(u) => format!("{:?}", u.function).to_lowercase(),
        _ => op.name().to_owned(),
    }
}

/// A division by the root of a sum of squares, written out.
struct Norm {
    /// The other functions in it.
    inside: Vec<Id>,
    /// Of differences from the mean.
    centred: bool,
}

impl Norm {
    fn name(&self) -> &'static str {
        if self.centred { "a layer normalisation, written out" } else { "a division by a norm, written out" }
    }

    /// `x / sqrt(mean of x^2 + c)`, or times the reciprocal of the root; `f` is the last function.
    fn at(graph: &Graph, f: Id) -> Option<Norm> {
        let node = graph.node(f);
        let below = match &node.op {
            Op::Div(_) => node.args[1],
            Op::Unary(u) if u.function == Function::Reciprocal => node.args[0],
            _ => return None,
        };
        let root = through(graph, below, |op| matches!(op, Op::Unary(u) if u.function == Function::Sqrt))?;
        let sum = through(graph, graph.node(root).args[0], |op| matches!(op, Op::ReduceSum(_) | Op::SumPool(_)))?;
        let square = through(graph, graph.node(sum).args[0], |op| matches!(op, Op::Mul(_)))?;
        let &[a, b] = &graph.node(square).args[..] else { return None };
        if a != b {
            return None;
        }
        let centred = match (&graph.node(a).op, &graph.node(a).args[..]) {
            (Op::Sub(_), &[_, mean]) => {
                through(graph, mean, |op| matches!(op, Op::ReduceSum(_) | Op::SumPool(_))).is_some()
            }
            _ => false,
        };
        Some(Norm { inside: vec![root], centred })
    }
}

/// The first node that `is` accepts at or above `id`, past scales, offsets and shapes.
fn through(graph: &Graph, mut id: Id, is: impl Fn(&Op) -> bool) -> Option<Id> {
    for _ in 0..8 {
        let node = graph.node(id);
        if is(&node.op) {
            return Some(id);
        }
        id = match (&node.op, &node.args[..]) {
            (Op::Reshape(_) | Op::Expand(_) | Op::Transpose(_), &[x]) => x,
            (Op::Add(_) | Op::Mul(_), &[x, k] | &[k, x]) if is_constant(graph, k) => x,
            _ => return None,
        };
    }
    None
}

fn is_constant(graph: &Graph, id: Id) -> bool {
    matches!(graph.node(id).op, Op::Weight(_) | Op::Const(_))
}

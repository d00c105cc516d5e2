//! The verifier: what must hold of a graph before anybody compiles or runs it.
//!
//! ```text
//! structure    arguments come first; arity; stated type = inferred type; names are unambiguous
//! stage        only operators that this stage of compilation may contain
//! information  Public -> anything;  Client, Server -> Shared;  Shared -> Client only through `reveal`;
//!              what is revealed stays at the client and ends in declared outputs; nothing reaches the server
//! ```
//! The information-flow rules look at stated owners alone and do not rely on the operators' type rules.

use crate::graph::{Graph, Id, Node};
use crate::op::Op;
use crate::semantics::extent::checked_ty;
use crate::ty::{Elem, Owner, Ty, TypeError};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::fmt;

mod flow;
mod stage;

pub use flow::who_learns;

/// How far a graph is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// As imported: tensor dialect over the reals.
    Real,
    /// Quantized: tensor dialect over rings, with `share`, `reveal` and the client's real tail.
    Ring,
    /// Lowered: every step on shared values is local or a protocol.
    Mpc,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Real => "real",
            Stage::Ring => "ring",
            Stage::Mpc => "mpc",
        })
    }
}

/// The node that a violation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    pub id: Id,
    pub op: &'static str,
    /// ONNX node that it came from.
    pub name: String,
}

impl At {
    fn new(id: Id, node: &Node) -> At {
        At { id, op: node.op.name(), name: node.name.clone() }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{} {} (`{}`)", self.id.0, self.op, self.name)
    }
}

/// One thing that must not be in a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("{at}: argument %{} does not come before it", arg.0)]
    ArgumentOrder { at: At, arg: Id },
    #[error("{at}: {error}")]
    Untyped { at: At, error: TypeError },
    #[error("{at}: stated type `{stated}` is not the inferred `{inferred}`")]
    WrongType { at: At, stated: Ty, inferred: Ty },
    #[error("{at}: {kind} `{name}` is declared with another type elsewhere")]
    Ambiguous { at: At, kind: &'static str, name: String },
    #[error("{at}: not allowed in a {stage} graph: {why}")]
    Stage { at: At, stage: Stage, why: &'static str },
    #[error("{at}: information of {from:?} flows to {to:?}")]
    Leak { at: At, from: Owner, to: Owner },
    #[error("{at}: a value that was revealed flows back into the protocol")]
    RevealedFlowsBack { at: At },
    #[error("{at}: reveals a value that no declared output needs")]
    RevealedUndeclared { at: At },
    #[error("output `{output}` is %{}, which is not in the graph", id.0)]
    OutputMissing { output: String, id: Id },
    #[error("two outputs are called `{output}`")]
    OutputTwice { output: String },
    #[error("output `{output}` belongs to {owner:?}: it is not revealed to the client")]
    OutputOwner { output: String, owner: Owner },
    #[error("the graph has no output")]
    NoOutput,
}

/// Checks everything and reports every violation.
pub fn verify(graph: &Graph, stage: Stage) -> Result<(), Vec<Violation>> {
    let mut found = Vec::new();
    structure(graph, &mut found);
    stage::check(graph, stage, &mut found);
    flow::check(graph, stage, &mut found);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn structure(graph: &Graph, found: &mut Vec<Violation>) {
    let mut declared: BTreeMap<(&'static str, &str), &Ty> = BTreeMap::new();
    for (id, node) in graph.iter() {
        let at = || At::new(id, node);
        let late = node.args.iter().copied().filter(|a| *a >= id);
        let before = found.len();
        found.extend(late.map(|arg| Violation::ArgumentOrder { at: at(), arg }));
        if found.len() == before {
            check_type(graph, node, at, found);
        }
        if let Some((kind, name, ty)) = declaration(&node.op) {
            let first = *declared.entry((kind, name)).or_insert(ty);
            if first != ty {
                found.push(Violation::Ambiguous { at: at(), kind, name: name.clone() });
            }
        }
    }
}

/// Kind, name and type of a tensor that comes from outside.
fn declaration(op: &Op) -> Option<(&'static str, &String, &Ty)> {
    if let Op::Input(input) = op {
        Some(("input", &input.name, &input.ty))
    } else if let Op::Weight(weight) = op {
        Some(("weight", &weight.name, &weight.ty))
    } else {
        None
    }
}

/// The stated type must be the inferred one. Arguments with impossible types were reported themselves; an operator
/// is only asked about possible ones.
fn check_type(graph: &Graph, node: &Node, at: impl Fn() -> At, found: &mut Vec<Violation>) {
    let args: SmallVec<[&Ty; 4]> = node.args.iter().map(|&a| graph.ty(a)).collect();
    if args.iter().any(|ty| checked_ty(ty).is_err()) {
        return;
    }
    match node.op.infer(&args) {
        Err(error) => found.push(Violation::Untyped { at: at(), error }),
        Ok(inferred) if inferred != node.ty => {
            found.push(Violation::WrongType { at: at(), stated: node.ty.clone(), inferred });
        }
        Ok(_) => (),
    }
}

fn is_real(node: &Node) -> bool {
    node.ty.elem == Elem::Real
}

//! The graph: an arena of nodes in topological order.

use crate::op::Op;
use crate::ty::{Ty, TypeError};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Index of a node in its graph. Arguments always have smaller ids than their users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id(pub u32);

impl Id {
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation. `name` is the ONNX node that it came from, for reports and errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub op: Op,
    pub args: SmallVec<[Id; 4]>,
    pub ty: Ty,
    pub name: String,
}

/// Nodes in topological order and the named outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub outputs: Vec<(String, Id)>,
}

impl Graph {
    /// Appends a node; its type is inferred. Arguments must be in the graph already.
    pub fn add(&mut self, op: impl Into<Op>, args: &[Id], name: &str) -> Result<Id, TypeError> {
        let op = op.into();
        let ty = {
            let known = |id: &Id| self.nodes.get(id.index()).map(|n| &n.ty);
            let tys: Option<SmallVec<[&Ty; 4]>> = args.iter().map(known).collect();
            op.infer(&tys.ok_or_else(|| TypeError::new("an argument is not in the graph"))?)?
        };
        let id = Id(u32::try_from(self.nodes.len()).map_err(|_| TypeError::new("too many nodes"))?);
        self.nodes.push(Node { op, args: args.into(), ty, name: name.to_owned() });
        Ok(id)
    }

    #[must_use]
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.index()]
    }

    #[must_use]
    pub fn ty(&self, id: Id) -> &Ty {
        &self.nodes[id.index()].ty
    }

    /// Ids with their nodes, arguments first.
    pub fn iter(&self) -> impl Iterator<Item = (Id, &Node)> {
        self.nodes.iter().enumerate().map(|(i, n)| (Id(u32::try_from(i).unwrap_or(u32::MAX)), n))
    }
}

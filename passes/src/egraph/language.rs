//! The e-graph's language: a thin wrapper of the graph's nodes, so that no operator is defined twice.
//!
//! Transforms of weights are not operators of their own. A slice, a concatenation or a product of the server's weights
//! is the ordinary tensor operator on a class that the server owns; extraction evaluates it once ([`super::emit`]).

use super::analysis::Typing;
use egg::Id;
use picc_ir::Op;
use smallvec::SmallVec;
use std::sync::Arc;

/// All the graphs that mean the same.
pub(crate) type EGraph = egg::EGraph<Enode, Typing>;

/// An operator on classes. Constants may be large, hence the pointer; equality is that of operators.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Enode {
    pub op: Arc<Op>,
    pub args: SmallVec<[Id; 4]>,
}

impl Enode {
    pub fn new(op: impl Into<Op>, args: &[Id]) -> Enode {
        Enode { op: Arc::new(op.into()), args: args.into() }
    }

    /// The same node on the current names of its classes.
    pub fn canonical(&self, eg: &EGraph) -> Enode {
        Enode { op: Arc::clone(&self.op), args: self.args.iter().map(|&a| eg.find(a)).collect() }
    }
}

impl egg::Language for Enode {
    type Discriminant = Arc<Op>;

    fn discriminant(&self) -> Arc<Op> {
        Arc::clone(&self.op)
    }

    fn matches(&self, other: &Enode) -> bool {
        self.op == other.op && self.args.len() == other.args.len()
    }

    fn children(&self) -> &[Id] {
        &self.args
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.args
    }
}

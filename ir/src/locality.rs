//! Which nodes send messages, and which are computed on shares alone.

use crate::facts::Needs;
use crate::op::{MpcOp, Op};
use crate::ty::Owner;
use crate::{Graph, Id};

/// Whether a node is computed on shares without a message.
#[must_use]
pub fn is_local(graph: &Graph, id: Id) -> bool {
    let node = graph.node(id);
    node.ty.owner == Owner::Shared && needs_no_message(&node.op)
}

/// Of a node whose value is shared; the verifier admits products of shares with public factors only.
fn needs_no_message(op: &Op) -> bool {
    match op {
        Op::Mpc(op) => !op.way().sends,
        op => matches!(op.facts().needs, Needs::Linear | Needs::Product),
    }
}

/// Whether a node sends messages.
#[must_use]
pub fn is_protocol(graph: &Graph, id: Id) -> bool {
    let node = graph.node(id);
    matches!(node.op, Op::Mpc(MpcOp::Reveal(_))) || (node.ty.owner == Owner::Shared && !needs_no_message(&node.op))
}

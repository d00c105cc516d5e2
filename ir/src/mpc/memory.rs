//! How much memory each party needs at most: an estimate, unlike bytes and rounds.
//!
//! ```text
//!   always         weights as integers; transformed weights of layers under ring LWE           server
//!   while alive    8 bytes for each element of a value that the party holds                    both
//!   per step       operands and result as the protocol takes them, correlations and messages   both
//!   reserved       16 bytes for each correlated OT, until the last of a reservation is taken   both
//! ```
//! It follows the executor: values die with their last use, a node runs part after part, reservations come from the
//! [`schedule`](crate::mpc::schedule). Code, allocator and tables of the primitives are not counted.

use crate::graph::{Graph, Id};
use crate::mpc::rlwe::LinearPlan;
use crate::mpc::schedule::{Schedule, Step};
use crate::op::Op;
use crate::ty::{Elem, Owner, Ty};
use serde::{Deserialize, Serialize};

/// Most bytes that each party holds at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeakMemory {
    pub client: u64,
    pub server: u64,
}

/// Memory for transformed weights, unless the server is told something else.
pub const PREPARED_BYTES: u64 = 4 << 30;

/// Ciphertexts of one request that the server holds at once.
const CIPHERTEXTS: u64 = 1024;
/// Bytes that a party holds for each correlated OT while a step consumes it: the correlation, its hashes, messages.
const WORKING_BYTES: u64 = 64;
const COT_BYTES: u64 = 16;
const ELEMENT_BYTES: u64 = 8;

/// Peak of either party in one inference.
#[must_use]
pub fn peak_memory(graph: &Graph, schedule: &Schedule) -> PeakMemory {
    let (last_use, transformed) = (last_use(graph), only_transformed(graph));
    let stored = graph.nodes.iter().filter(|n| matches!(n.op, Op::Weight(_))).map(|n| bytes(&n.ty)).sum::<u64>();
    let always = [0, stored + prepared(graph, schedule)];
    let (mut alive, mut reserved, mut left) = ([0u64; 2], 0, 0);
    let mut peak = always;
    for step in &schedule.steps {
        if let Some(demand) = step.reserve {
            left += (demand.client_sends + demand.server_sends).total();
            reserved = reserved.max(left);
        }
        let working = working(graph, schedule, step, held(graph, step.node, &transformed));
        for party in 0..2 {
            peak[party] = peak[party].max(always[party] + alive[party] + reserved * COT_BYTES + working[party]);
        }
        left = left.saturating_sub((step.cost.cots.client_sends + step.cost.cots.server_sends).total());
        if left == 0 {
            reserved = 0;
        }
        if step.last {
            let mut dying = graph.node(step.node).args.to_vec();
            dying.retain(|a| last_use[a.index()] == step.node);
            dying.sort_unstable();
            dying.dedup();
            let born = held(graph, step.node, &transformed);
            for party in 0..2 {
                let freed: u64 = dying.iter().map(|&a| held(graph, a, &transformed)[party]).sum();
                alive[party] = (alive[party] + born[party]).saturating_sub(freed);
            }
        }
    }
    PeakMemory { client: peak[0], server: peak[1] }
}

fn bytes(ty: &Ty) -> u64 {
    let element = match ty.elem {
        Elem::Fixed(_) => ELEMENT_BYTES,
        Elem::Real => 4,
    };
    element * ty.len() as u64
}

/// Weights that only layers under ring LWE read: those read the transformed ones.
fn only_transformed(graph: &Graph) -> Vec<bool> {
    let mut only: Vec<bool> = graph.nodes.iter().map(|n| matches!(n.op, Op::Weight(_))).collect();
    for node in graph.nodes.iter().filter(|n| !n.op.is_planned() || n.op.is_priced_only()) {
        node.args.iter().for_each(|a| only[a.index()] = false);
    }
    only
}

/// What client and server keep of a value.
fn held(graph: &Graph, id: Id, transformed: &[bool]) -> [u64; 2] {
    let n = if transformed[id.index()] { 0 } else { bytes(graph.ty(id)) };
    match graph.ty(id).owner {
        Owner::Client => [n, 0],
        Owner::Server => [0, n],
        Owner::Shared | Owner::Public => [n, n],
    }
}

/// What a step needs beside the values that are alive: operands and result in the protocol's form, the result itself,
/// correlations and messages, ciphertexts.
fn working(graph: &Graph, schedule: &Schedule, step: &Step, own: [u64; 2]) -> [u64; 2] {
    let node = graph.node(step.node);
    let shared = node.args.iter().map(|&a| graph.ty(a)).filter(|t| t.owner == Owner::Shared);
    let operands: u64 = shared.map(bytes).sum();
    if let Some(plan) = schedule.plans.get(&step.node) {
        let messages = plan.requests.iter().chain(&plan.responses).map(|s| s.bytes).max().unwrap_or(0);
        let ciphertexts = CIPHERTEXTS.min(plan.request_polynomials().count() as u64) * 2 * polynomial(plan);
        let both = 2 * operands + 2 * messages;
        return [own[0] + both, own[1] + both + ciphertexts];
    }
    let cots = (step.cost.cots.client_sends + step.cost.cots.server_sends).total();
    if cots == 0 {
        return own;
    }
    let protocol = operands + cots * WORKING_BYTES + step.cost.online.total();
    own.map(|own| 2 * own + protocol)
}

/// Bytes of one polynomial over all primes.
fn polynomial(plan: &LinearPlan) -> u64 {
    (plan.budget.set.degree * plan.budget.set.primes.len()) as u64 * 8
}

/// Transformed weights and their 32-bit originals, as far as the server's budget reaches.
fn prepared(graph: &Graph, schedule: &Schedule) -> u64 {
    let (mut total, mut left) = (0, PREPARED_BYTES);
    for (&id, plan) in &schedule.plans {
        let known = graph.node(id).args.iter().any(|a| matches!(graph.node(*a).op, Op::Weight(_)));
        if !known {
            continue;
        }
        let weights = plan.layer.lens()[1] as u64 * 4;
        let encoding = &plan.encoding;
        let scalar = encoding.has_constant_weights(&plan.layer);
        let rows = plan.products() / encoding.tiles(&plan.layer).max(1) as u64;
        // A constant polynomial is four residues.
        let transformed = rows * if scalar { 40 } else { polynomial(plan) };
        let taken = weights + if scalar || transformed <= left { transformed } else { 0 };
        left = left.saturating_sub(taken);
        total += taken;
    }
    total
}

/// The last user of each value; outputs are kept.
fn last_use(graph: &Graph) -> Vec<Id> {
    let mut last: Vec<Id> = graph.iter().map(|(id, _)| id).collect();
    for (id, node) in graph.iter() {
        node.args.iter().for_each(|a| last[a.index()] = id);
    }
    graph.outputs.iter().for_each(|(_, id)| last[id.index()] = Id(u32::MAX));
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Party;
    use crate::mpc::schedule::schedule;
    use crate::mpc::{ReluOt, Reveal, Share};
    use crate::op::MpcOp;
    use crate::ops::{Add, Input};
    use crate::ty::Fixed;

    fn chain(links: usize, n: usize) -> Graph {
        let mut g = Graph::default();
        let ty = Ty::fixed(&[1, n], Fixed { lo: -4096, hi: 4095, ..Fixed::full(32, 12) }, Owner::Client);
        let x = g.add(Input { name: "x".into(), ty }, &[], "x").unwrap();
        let mut x = g.add(Share {}, &[x], "share").unwrap();
        for i in 0..links {
            x = g.add(ReluOt::exact(4), &[x], &format!("relu{i}")).unwrap();
        }
        let y = g.add(Reveal { to: Party::Client }, &[x], "y").unwrap();
        g.outputs.push(("y".into(), y));
        g
    }

    fn peak(g: &Graph) -> PeakMemory {
        peak_memory(g, &schedule(g).unwrap())
    }

    #[test]
    fn dead_values_are_not_counted() {
        let (short, long) = (peak(&chain(12, 1 << 18)), peak(&chain(22, 1 << 18)));
        // Reservations join layers until the budget is reached, which both do.
        assert!(long.client <= short.client + (1 << 18) * ELEMENT_BYTES, "{short:?} {long:?}");
    }

    #[test]
    fn a_value_that_is_used_late_is_counted_meanwhile() {
        let n = 1 << 18;
        let mut kept = chain(6, n);
        let plain = peak(&kept);
        let share = kept.iter().find(|(_, n)| matches!(n.op, Op::Mpc(MpcOp::Share(_)))).map(|(id, _)| id).unwrap();
        let last = kept
            .iter()
            .filter(|(_, n)| matches!(n.op, Op::Mpc(MpcOp::ReluOt(_))))
            .map(|(id, _)| id)
            .last()
            .unwrap();
        let sum = kept.add(Add {}, &[share, last], "sum").unwrap();
        let y = kept.add(Reveal { to: Party::Client }, &[sum], "z").unwrap();
        kept.outputs.push(("z".into(), y));
        let more = peak(&kept).client - plain.client;
        assert!(more >= n as u64 * ELEMENT_BYTES, "{more}");
    }
}

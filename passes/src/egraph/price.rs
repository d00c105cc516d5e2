//! What an e-node costs under a profile; nothing for what has no protocol.

use super::analysis::is_known;
use picc_ir::cost::Cost;
use picc_ir::cost::profile::{Picos, Profile, Work};
use picc_ir::mpc::node_cost::{linear_plan, node_cost, planned_cost};
use picc_ir::mpc::rlwe::LinearPlan;
use picc_ir::op::{MpcOp, Op};
use picc_ir::{Owner, Ty};
use std::collections::HashMap;

/// Gates of DELPHI's garbled ReLU: the evaluator hashes twice for each, the garbler four times.
const GC_ANDS: u64 = 330;

/// Work before the input is known, and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Phases {
    pub online: Work,
    pub offline: Work,
}

/// Traffic, work and price of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Priced {
    pub cost: Cost,
    pub work: Phases,
    pub picos: Picos,
}

/// A layer under RLWE and the rings of its arguments.
type LayerKey = (Op, Vec<u8>);

/// Prices nodes; remembers the plans of RLWE layers, whose search takes time.
pub(crate) struct Prices<'a> {
    pub profile: &'a Profile,
    plans: HashMap<LayerKey, Option<(Cost, Phases)>>,
}

impl<'a> Prices<'a> {
    pub fn new(profile: &'a Profile) -> Prices<'a> {
        Prices { profile, plans: HashMap::new() }
    }

    /// `None` if the parties cannot compute the node.
    pub fn of(&mut self, op: &Op, args: &[&Ty], ty: &Ty) -> Option<Priced> {
        let (cost, work) = match op {
            Op::Mpc(MpcOp::ConvRlwe(_))
            | Op::Mpc(MpcOp::MatMulRlwe(_))
            | Op::Mpc(MpcOp::ConvPre(_))
            | Op::Mpc(MpcOp::MatMulPre(_)) => self.rlwe(op, args, ty)?,
            Op::Mpc(MpcOp::ReluGc(_)) => {
                let cost = node_cost(op, args, ty).ok()?;
                let offline = Work { hashes: GC_ANDS * 4 * ty.len() as u64, ..Work::default() };
                (cost, Phases { online: work(op, args, ty, &cost, None), offline })
            }
            // A product of two secrets needs a protocol.
            Op::Mul(_) | Op::Conv(_) | Op::MatMul(_)
                if ty.owner == Owner::Shared && args.iter().filter(|a| a.owner != Owner::Public).count() > 1 =>
            {
                return None;
            }
            op => {
                let cost = node_cost(op, args, ty).ok()?;
                (cost, Phases { online: work(op, args, ty, &cost, None), offline: Work::default() })
            }
        };
        // Never free: among programs of one price the shorter one wins, and nothing goes in circles.
        let picos = self.profile.price_phases(&cost, &work.online, &work.offline).max(1);
        Some(Priced { cost, work, picos })
    }

    fn rlwe(&mut self, op: &Op, args: &[&Ty], ty: &Ty) -> Option<(Cost, Phases)> {
        let rings = args.iter().map(|a| a.as_fixed().map_or(0, |f| f.ring_bits)).collect();
        let plan = || {
            let plan = linear_plan(op, args).ok()??;
            let cost = planned_cost(op, args, &plan).ok()?;
            let online = work(op, args, ty, &cost, Some(&plan));
            let offline = if op.is_priced_only() { rlwe_work(&plan) } else { Work::default() };
            Some((cost, Phases { online, offline }))
        };
        *self.plans.entry((op.clone(), rings)).or_insert_with(plan)
    }
}

/// Computation of a node that costs `cost`; `plan` is that of a layer under RLWE.
pub(crate) fn work(op: &Op, args: &[&Ty], ty: &Ty, cost: &Cost, plan: Option<&LinearPlan>) -> Work {
    match (op, plan) {
        // After the input is known the server computes in the clear.
        (Op::Mpc(MpcOp::ConvPre(_)) | Op::Mpc(MpcOp::MatMulPre(_)), _) => {
            return Work { ring_ops: ty.len() as u64 * terms(op, args), ..Work::default() };
        }
        (_, Some(plan)) => return rlwe_work(plan),
        (_, None) => {}
    }
    match op {
        Op::Mpc(MpcOp::ReluGc(_)) => Work { hashes: GC_ANDS * 2 * ty.len() as u64, ..Work::default() },
        // Nobody touches an element.
        Op::Reshape(_) | Op::Mpc(MpcOp::Share(_)) | Op::Input(_) | Op::Assume(_) => Work::default(),
        // Once, by who knows it.
        _ if is_known(ty) => Work::default(),
        op => {
            let cots = cost.cots.client_sends + cost.cots.server_sends;
            let hashes = if cots.total() == 0 { 0 } else { cots.keys() + cost.online.total() / 16 };
            Work { hashes, ring_ops: ty.len() as u64 * terms(op, args), ..Work::default() }
        }
    }
}

fn rlwe_work(plan: &LinearPlan) -> Work {
    let set = plan.budget.set;
    // Polynomials of 4096 coefficients, one for each prime.
    let units = (set.degree as u64).div_ceil(4096) * set.primes.len() as u64;
    let requests = plan.request_polynomials().count() as u64;
    let responses = plan.response_polynomials().count() as u64;
    Work { rlwe_products: plan.products() * units, ntts: (requests + 2 * responses) * units, ..Work::default() }
}

/// Ring operations behind one element of a local result.
fn terms(op: &Op, args: &[&Ty]) -> u64 {
    let terms = match op {
        Op::Conv(_) | Op::Mpc(MpcOp::ConvPre(_)) => args[1].shape[1..].iter().product(),
        Op::MatMul(_) | Op::Mpc(MpcOp::MatMulPre(_)) => args[0].shape.last().copied().unwrap_or(1),
        Op::SumPool(p) => p.kernel[0] * p.kernel[1],
        _ => 1,
    };
    terms as u64
}

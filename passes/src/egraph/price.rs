//! What an e-node costs under a profile; nothing for what has no protocol.

use picc_ir::cost::profile::{Picos, Profile, Work};
use picc_ir::cost::{Cost, CotDemand};
use picc_ir::mpc::node_cost::{linear_plan, node_cost};
use picc_ir::op::Op;
use picc_ir::{Owner, Ty};
use std::collections::HashMap;

/// Traffic, work and price of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Priced {
    pub cost: Cost,
    pub work: Work,
    pub picos: Picos,
}

/// A layer under RLWE and the rings of its arguments.
type LayerKey = (Op, Vec<u8>);

/// Prices nodes; remembers the plans of RLWE layers, whose search takes time.
pub(crate) struct Prices<'a> {
    pub profile: &'a Profile,
    plans: HashMap<LayerKey, Option<(Cost, Work)>>,
}

impl<'a> Prices<'a> {
    pub fn new(profile: &'a Profile) -> Prices<'a> {
        Prices { profile, plans: HashMap::new() }
    }

    /// `None` if the parties cannot compute the node.
    pub fn of(&mut self, op: &Op, args: &[&Ty], ty: &Ty) -> Option<Priced> {
        let (cost, work) = match op {
            Op::ConvRlwe(_) | Op::MatMulRlwe(_) => self.rlwe(op, args)?,
            // A product of two secrets needs a protocol.
            Op::Mul(_) | Op::Conv(_) | Op::MatMul(_)
                if ty.owner == Owner::Shared && args.iter().filter(|a| a.owner != Owner::Public).count() > 1 =>
            {
                return None;
            }
            // Nobody touches an element.
            Op::Reshape(_) | Op::Share(_) | Op::Input(_) | Op::Assume(_) => Default::default(),
            op => {
                let cost = node_cost(op, args, ty).ok()?;
                let cots = cost.cots.client_sends + cost.cots.server_sends;
                // The sender hashes every key.
                let keys: u64 = cots.by_width().map(|(width, n)| n << width).sum();
                let hashes = if keys == 0 { 0 } else { keys + cost.online.total() / 16 };
                (cost, Work { hashes, ring_ops: ty.len() as u64 * terms(op, args), ..Work::default() })
            }
        };
        // Never free: among programs of one price the shorter one wins, and nothing goes in circles.
        let picos = self.profile.price(&cost, &work).max(1);
        Some(Priced { cost, work, picos })
    }

    fn rlwe(&mut self, op: &Op, args: &[&Ty]) -> Option<(Cost, Work)> {
        let rings = args.iter().map(|a| a.as_fixed().map_or(0, |f| f.ring_bits)).collect();
        let plan = || {
            let plan = linear_plan(op, args).ok()??;
            let set = plan.budget.set;
            // Polynomials of 4096 coefficients, one for each prime.
            let units = (set.degree as u64).div_ceil(4096) * set.primes.len() as u64;
            let requests = plan.request_polynomials().count() as u64;
            let responses = plan.response_polynomials().count() as u64;
            let work = Work {
                rlwe_products: plan.products() * units,
                ntts: (requests + 2 * responses) * units,
                ..Work::default()
            };
            Some((Cost { online: plan.traffic(), cots: CotDemand::default() }, work))
        };
        *self.plans.entry((op.clone(), rings)).or_insert_with(plan)
    }
}

/// Ring operations behind one element of a local result.
fn terms(op: &Op, args: &[&Ty]) -> u64 {
    let terms = match op {
        Op::Conv(_) => args[1].shape[1..].iter().product(),
        Op::MatMul(_) => args[0].shape.last().copied().unwrap_or(1),
        Op::SumPool(p) => p.kernel[0] * p.kernel[1],
        _ => 1,
    };
    terms as u64
}

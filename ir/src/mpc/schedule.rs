//! In which order a program's messages go, and what a whole program costs.
//!
//! ```text
//!   setup        hello, base OTs and puncturing, RLWE public key        once a session
//!   inference    control                                                the client asks
//!                reserve (COTs of the next steps, one flight)  ┐
//!                step, step, step ...                          ┘ repeated
//! ```
//!
//! Both parties derive the same schedule from the public program: the executor follows it, the cost adds it up. A
//! reservation covers as many of the next steps as [`COT_BUDGET`] admits, so that small layers share one flight and
//! large ones keep memory bounded. A step that alone needs more gets a reservation of its own.

use crate::Party;
use crate::cost::{CONTROL_BYTES, Cost, CotDemand, HELLO_BYTES, Stored, Traffic};
use crate::graph::{Graph, Id};
use crate::mpc::node_cost::{COT_BUDGET, Part, linear_plan, part_cost, parts, planned_cost};
use crate::mpc::rlwe::{self, LinearPlan, PARAM_SETS, ParamSet, figure};
use crate::op::Op;
use crate::program::Program;
use crate::ty::{Ty, TypeError};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One part of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub node: Id,
    pub part: Part,
    /// Whether this is the node's last part.
    pub last: bool,
    pub cost: Cost,
    /// What is reserved before the step, for it and those up to the next reservation.
    pub reserve: Option<CotDemand>,
}

/// What both parties do, in order.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// Every node has at least one step.
    pub steps: Vec<Step>,
    /// Plans of the layers under ring LWE; equal layers share one.
    pub plans: BTreeMap<Id, Arc<LinearPlan>>,
}

impl Schedule {
    /// Parameter sets that the layers under ring LWE need, in the order of [`PARAM_SETS`].
    #[must_use]
    pub fn rlwe_sets(&self) -> Vec<&'static ParamSet> {
        let used = |set: &&ParamSet| self.plans.values().any(|p| p.budget.set.name == set.name);
        PARAM_SETS.iter().filter(used).collect()
    }

    /// How well the layers under ring LWE hide their weights, in one inference.
    #[must_use]
    pub fn figure(&self) -> figure::Total {
        figure::total(self.plans.values().map(|p| &**p))
    }
}

/// Plans and orders a graph; refuses one whose ring LWE layers together do not hide the weights well enough.
pub fn schedule(graph: &Graph) -> Result<Schedule, TypeError> {
    let mut schedule = Schedule::default();
    let mut known: BTreeMap<(&Op, Option<u8>), Arc<LinearPlan>> = BTreeMap::new();
    // The step that carries the open reservation.
    let mut open: Option<usize> = None;
    for (id, node) in graph.iter() {
        let args: SmallVec<[&Ty; 4]> = node.args.iter().map(|&a| graph.ty(a)).collect();
        let named = |e: TypeError| TypeError::new(format!("{}: {e}", node.name));
        if matches!(node.op, Op::ConvRlwe(_) | Op::MatMulRlwe(_) | Op::ConvPre(_) | Op::MatMulPre(_)) {
            let key = (&node.op, node.ty.as_fixed().map(|f| f.ring_bits));
            let plan = match known.get(&key) {
                Some(plan) => Arc::clone(plan),
                None => {
                    let plan = linear_plan(&node.op, &args).map_err(named)?;
                    Arc::new(plan.ok_or_else(|| named(TypeError::new("no plan")))?)
                }
            };
            let cost = planned_cost(&node.op, &args, &plan).map_err(named)?;
            known.insert(key, Arc::clone(&plan));
            schedule.plans.insert(id, plan);
            let part = Part { start: 0, units: 1 };
            schedule.steps.push(Step { node: id, part, last: true, cost, reserve: None });
            continue;
        }
        let parts = parts(&node.op, &args, &node.ty).map_err(named)?;
        let count = parts.len();
        for (i, part) in parts.into_iter().enumerate() {
            let cost = part_cost(&node.op, &args, &node.ty, part.units).map_err(named)?;
            let step = Step { node: id, part, last: i + 1 == count, cost, reserve: None };
            reserve(&mut schedule.steps, &mut open, step);
        }
    }
    figure::check(&schedule.figure())?;
    Ok(schedule)
}

/// Appends a step, and adds what it needs to the open reservation or opens a new one.
fn reserve(steps: &mut Vec<Step>, open: &mut Option<usize>, mut step: Step) {
    let wanted = step.cost.cots;
    if wanted != CotDemand::default() {
        let joined = open.and_then(|at| steps[at].reserve).map(|reserved| reserved + wanted);
        match (*open, joined.filter(|d| d.blocks() <= COT_BUDGET)) {
            (Some(at), Some(demand)) => steps[at].reserve = Some(demand),
            _ => {
                *open = Some(steps.len());
                step.reserve = Some(wanted);
            }
        }
    }
    steps.push(step);
}

/// Traffic of a whole program, as the transport's meter counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramCost {
    /// Once a session.
    pub setup: Traffic,
    /// What the client says before an inference.
    pub control: Traffic,
    /// All reservations of one inference.
    pub extension: Traffic,
    /// Each node's own messages in one inference.
    pub nodes: Vec<Traffic>,
    /// Before the input of an inference is known; nothing in a program that can be run.
    pub offline: Traffic,
    /// What the parties keep between the two.
    pub stored: Stored,
}

impl ProgramCost {
    /// Everything that one inference sends after its input is known.
    #[must_use]
    pub fn inference(&self) -> Traffic {
        self.control + self.extension + self.nodes.iter().copied().sum()
    }

    /// A session of `inferences`, its end included.
    #[must_use]
    pub fn session(&self, inferences: u64) -> Traffic {
        let one = self.inference();
        let many = Traffic {
            client_to_server: one.client_to_server * inferences,
            server_to_client: one.server_to_client * inferences,
            rounds: one.rounds * inferences,
        };
        self.setup + many + self.control
    }
}

/// What `program` costs: exact, equal to what both meters count.
pub fn program_cost(program: &Program) -> Result<ProgramCost, TypeError> {
    scheduled_cost(program, &schedule(&program.graph)?)
}

/// [`program_cost`] of a program whose schedule is at hand.
pub fn scheduled_cost(program: &Program, schedule: &Schedule) -> Result<ProgramCost, TypeError> {
    // All public keys are one flight.
    let keys = schedule.rlwe_sets().into_iter().map(rlwe::setup_traffic);
    let keys = keys.fold(Traffic::default(), Traffic::alongside);
    let mut cost = ProgramCost {
        setup: Traffic::exchange(HELLO_BYTES, HELLO_BYTES) + program.source.setup_traffic() + keys,
        control: Traffic::message(Party::Client, CONTROL_BYTES),
        extension: Traffic::default(),
        nodes: vec![Traffic::default(); program.graph.nodes.len()],
        offline: Traffic::default(),
        stored: Stored::default(),
    };
    for step in &schedule.steps {
        if let Some(demand) = step.reserve {
            cost.extension = cost.extension + program.source.reserve_traffic(demand);
        }
        let node = &mut cost.nodes[step.node.index()];
        *node = *node + step.cost.online;
        cost.offline = cost.offline + step.cost.offline;
        cost.stored = cost.stored + step.cost.stored;
    }
    Ok(cost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlation::Source;
    use crate::mpc::{ReluOt, Reveal, Share};
    use crate::ops::Input;
    use crate::segment;
    use crate::ty::{Fixed, Owner};

    fn relus(sizes: &[usize]) -> Graph {
        let mut g = Graph::default();
        for &n in sizes {
            let ty = Ty::fixed(&[1, n], Fixed { lo: -4096, hi: 4095, ..Fixed::full(32, 12) }, Owner::Client);
            let x = g.add(Input { name: format!("x{n}"), ty }, &[], "x").unwrap();
            let x = g.add(Share {}, &[x], "share").unwrap();
            let y = g.add(ReluOt::exact(4), &[x], &format!("relu {n}")).unwrap();
            let y = g.add(Reveal { to: Party::Client }, &[y], "y").unwrap();
            g.outputs.push((format!("y{n}"), y));
        }
        g
    }

    #[test]
    fn small_layers_share_a_reservation_and_large_ones_are_cut() {
        let small = schedule(&relus(&[100, 200])).unwrap().steps;
        assert_eq!(small.len(), 8);
        assert_eq!(small.iter().filter(|s| s.reserve.is_some()).count(), 1);

        let large = schedule(&relus(&[2_000_000, 10])).unwrap().steps;
        let reservations: Vec<CotDemand> = large.iter().filter_map(|s| s.reserve).collect();
        assert!(reservations.len() > 1);
        assert!(reservations.iter().all(|r| r.blocks() <= COT_BUDGET));
        let reserved: CotDemand = reservations.into_iter().fold(CotDemand::default(), |a, b| a + b);
        let used = large.iter().map(|s| s.cost.cots).fold(CotDemand::default(), |a, b| a + b);
        assert_eq!(reserved, used);
    }

    #[test]
    fn a_program_costs_what_its_nodes_do() {
        let program = Program {
            model: String::new(),
            inputs: Vec::new(),
            segments: segment::one_each(&relus(&[10])),
            graph: relus(&[10]),
            labels: Vec::new(),
            error_ulps: vec![0],
            source: Source::default(),
            notes: Vec::new(),
        };
        let cost = program_cost(&program).unwrap();
        let nodes: Traffic = cost.nodes.iter().copied().sum();
        assert_eq!(cost.inference(), cost.control + cost.extension + nodes);
        assert_eq!(cost.session(0), cost.setup + cost.control);
    }
}
